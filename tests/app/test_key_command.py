"""`python -m app key`: makes a key, shows it once."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import cli
from app.keys import Keyring


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.toml"


def test_the_command_shows_the_key_alone_on_its_output(file: Path) -> None:
    outcome = CliRunner().invoke(
        cli, ["key", "line-3", "--scopes", "inspect,read", "--days", "90", "--file", str(file)]
    )
    assert outcome.exit_code == 0
    ring = Keyring(file)
    ring.read()
    found = ring.find(outcome.stdout.strip())
    assert found is not None
    assert found.expires is not None
    assert abs(found.expires - datetime.now(UTC) - timedelta(days=90)) < timedelta(minutes=1)


def test_the_command_refuses_what_the_file_would(file: Path) -> None:
    outcome = CliRunner().invoke(cli, ["key", "line 3", "--file", str(file)])
    assert (outcome.exit_code, outcome.stdout, file.exists()) == (2, "", False)
    assert "name: String should match" in outcome.stderr
