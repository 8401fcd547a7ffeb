"""The ledger on disk, also one that an older program wrote."""

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest

from app.ledger.errors import LedgerUnavailable, UnknownVerdict
from app.ledger.sqlite import Ledger

SCHEMA_1 = """
CREATE TABLE verdicts (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, product TEXT NOT NULL, part_id TEXT,
    verdict TEXT NOT NULL, score REAL NOT NULL, inspected_at TEXT NOT NULL, answer TEXT NOT NULL, heatmap BLOB
);
PRAGMA user_version=1;
"""
ANSWER = {"id": "a", "product": "plate", "part_id": None, "verdict": "ok", "score": 1.5, "inspected_at": "2026-11-24"}


def written(folder: Path, version: int = 1) -> Path:
    """A ledger of schema 1 with one verdict."""
    with sqlite3.connect(folder / "verdicts.sqlite") as connection:
        connection.executescript(SCHEMA_1)
        connection.execute(
            "INSERT INTO verdicts VALUES (1, 'a', 'plate', NULL, 'ok', 1.5, '2026-11-24', ?, ?)",
            (json.dumps(ANSWER), b"PNG"),
        )
        connection.execute(f"PRAGMA user_version={version}")
    connection.close()
    return folder


def test_a_ledger_of_schema_1_goes_on_with_its_verdicts_and_heatmaps(tmp_path: Path) -> None:
    async def scenario() -> None:
        ledger = Ledger(written(tmp_path))
        assert await ledger.find("a") == ANSWER
        assert await ledger.old_heatmap("a") == b"PNG"
        await ledger.append(ANSWER | {"id": "b"})
        assert await ledger.find("b") == ANSWER | {"id": "b"}
        assert await ledger.old_heatmap("b") is None
        await ledger.close()

    asyncio.run(scenario())


def test_the_schema_is_marked_so_that_an_older_program_refuses_it(tmp_path: Path) -> None:
    asyncio.run(Ledger(written(tmp_path)).close())
    connection = sqlite3.connect(tmp_path / "verdicts.sqlite")
    assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    connection.close()


def test_a_ledger_of_a_later_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable, match="schema 3"):
        Ledger(written(tmp_path, version=3))


def test_an_id_that_it_lacks_is_unknown(tmp_path: Path) -> None:
    async def scenario() -> None:
        ledger = Ledger(tmp_path)
        with pytest.raises(UnknownVerdict):
            await ledger.find("none")
        await ledger.close()

    asyncio.run(scenario())
