"""Verdicts on disk: append-only, committed before the answer is sent.

In: the answer as JSON. Out: the same by id. Refuses: a ledger of a schema that it does not know; ids that it lacks.
One thread owns the connection; WAL with synchronous=FULL, so a committed verdict survives a power cut.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from app.ledger.errors import LedgerUnavailable, UnknownVerdict

SCHEMA_VERSION = 2  # 1 held heatmaps in its rows; they are still read, and new ones are files (app/pictures.py)
SCHEMA = """
CREATE TABLE IF NOT EXISTS verdicts (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    product TEXT NOT NULL,
    part_id TEXT,
    verdict TEXT NOT NULL,
    score REAL NOT NULL,
    inspected_at TEXT NOT NULL,
    answer TEXT NOT NULL,
    heatmap BLOB
)
"""
T = TypeVar("T")


class Ledger:
    """The database `<folder>/verdicts.sqlite`."""

    def __init__(self, folder: Path) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._connection = self._thread.submit(self._open, folder).result()

    async def append(self, answer: dict[str, Any]) -> None:
        """Commit one verdict."""
        row = (
            answer["id"],
            answer["product"],
            answer["part_id"],
            answer["verdict"],
            answer["score"],
            answer["inspected_at"],
            json.dumps(answer),
        )
        await self._run(lambda: self._insert(row))

    async def find(self, verdict_id: str) -> dict[str, Any]:
        """The answer that was given."""
        row = await self._run(lambda: self._select("answer", verdict_id))
        answer: dict[str, Any] = json.loads(row)
        return answer

    async def old_heatmap(self, verdict_id: str) -> bytes | None:
        """The heatmap in a row of schema 1."""
        data: bytes | None = await self._run(lambda: self._select("heatmap", verdict_id))
        return data

    async def close(self) -> None:
        """Commit nothing more."""
        await self._run(self._connection.close)
        self._thread.shutdown()

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as exc:
            raise LedgerUnavailable(f"the verdict ledger refused: {exc}") from exc

    def _open(self, folder: Path) -> sqlite3.Connection:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(folder / "verdicts.sqlite")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, 1, SCHEMA_VERSION):
                raise LedgerUnavailable(
                    f"{folder} holds a ledger of schema {version}; this program knows 1 and {SCHEMA_VERSION}"
                )
            connection.execute(SCHEMA)
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            connection.commit()
        except (sqlite3.Error, OSError) as exc:
            raise LedgerUnavailable(f"the ledger in {folder} cannot be opened: {exc}") from exc
        return connection

    def _insert(self, row: tuple[Any, ...]) -> None:
        with self._connection:
            self._connection.execute(
                "INSERT INTO verdicts (id, product, part_id, verdict, score, inspected_at, answer) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )

    def _select(self, column: str, verdict_id: str) -> Any:
        row = self._connection.execute(
            f"SELECT {column} FROM verdicts WHERE id = ?",  # noqa: S608 -- our own two column names
            (verdict_id,),
        ).fetchone()
        if row is None:
            raise UnknownVerdict(f"no verdict {verdict_id!r} is in the ledger")
        return row[0]
