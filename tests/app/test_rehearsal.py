"""Each version is rehearsed before it serves, and nothing is left of that but what it brought up."""

import logging
import re
from pathlib import Path

import pytest

from app import rehearsal
from app.scoring import Seen
from model_store.registry import Registry
from tests.app.fake_detector import load_fake
from tests.app.service import post, serving
from tests.attacks.pictures import encoded, part
from tests.model_store.drafts import make_draft

PICTURE = encoded(part(), "png")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    for version in (1, 2):
        Registry(tmp_path / "store").publish(make_draft(seed=version), activate=version == 1)
    return tmp_path


def test_a_version_is_used_once_before_it_serves_and_nothing_of_it_is_recorded(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    monkeypatch.setattr(rehearsal, "draw", lambda _, seen: note(drawn, seen))
    with serving(store, load_fake) as client:
        assert drawn == [1]
        assert client.post("/products/plate/versions/2/activate").status_code == 200
        assert drawn == [1, 2]
        assert client.get("/verdicts").json()["verdicts"] == []
        counted = re.findall(r"inspect_verdicts_total\{.*\} (.*)", client.get("/metrics").text)
        assert counted
        assert set(counted) == {"0.0"}
        assert post(client, PICTURE)[1]["seq"] == 1


def test_a_version_serves_where_its_rehearsal_failed(
    store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rehearsal, "black", lambda _: b"no picture")
    with caplog.at_level(logging.WARNING, "app.rehearsal"), serving(store, load_fake) as client:
        assert post(client, PICTURE)[0] == 200
    assert "plate@1 was loaded and not rehearsed" in caplog.text


def note(drawn: list[int], seen: Seen) -> bytes:
    """Which version drew."""
    drawn.append(seen.served.ref.version)
    return b""
