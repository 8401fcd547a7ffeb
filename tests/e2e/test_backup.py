"""Back-up and restore as docs/operations.md has them: of a running service, and of one that was stopped."""

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from app.ledger.database import FILE
from tests.console.line import Line, picture, running

pytestmark = pytest.mark.slow
PARTS = 20


def post_parts(line: Line) -> list[str]:
    return [line.post(f"C-{number}", "ng", heatmap="png")["id"] for number in range(PARTS)]


def test_a_copy_of_a_running_ledger_is_a_whole_ledger(tmp_path: Path) -> None:
    copy = tmp_path / "restored/data/verdicts.sqlite"
    copy.parent.mkdir(parents=True)
    with running(tmp_path / "first") as line:
        ids = post_parts(line)
        with (
            closing(sqlite3.connect(tmp_path / "first/data" / FILE)) as live,
            closing(sqlite3.connect(copy)) as restored,
        ):
            live.backup(restored)  # what `sqlite3 verdicts.sqlite ".backup …"` calls
        line.post("after", "ng")
        later = line.read("/verdicts?after=latest")["cursor"]
    with running(tmp_path / "restored") as line:
        assert [it["id"] for it in line.read("/verdicts?limit=100")["verdicts"]] == ids
        retired = line.client.get("/verdicts", params={"after": later})
        assert (retired.status_code, retired.json()["code"]) == (410, "cursor.retired")
        assert line.post("next", "ok")["seq"] == PARTS + 1


def test_an_archive_of_a_stopped_service_gives_everything_back(tmp_path: Path) -> None:
    with running(tmp_path / "first") as line:
        ids = post_parts(line)
    subprocess.run(["tar", "-C", tmp_path / "first", "-cf", tmp_path / "inspect.tar", "store", "data"], check=True)
    (tmp_path / "second").mkdir()
    subprocess.run(["tar", "-C", tmp_path / "second", "-xf", tmp_path / "inspect.tar"], check=True)
    with running(tmp_path / "second") as line:
        assert [it["id"] for it in line.read("/verdicts?limit=100")["verdicts"]] == ids
        image: httpx.Response = line.client.get(f"/verdicts/{ids[0]}/image")
        assert image.content == picture("ng")
        assert line.client.get(f"/verdicts/{ids[0]}/heatmap").status_code == 200
