"""SQLite ledgers as programs of before Alembic wrote them."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE verdicts (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, product TEXT NOT NULL, part_id TEXT,
    verdict TEXT NOT NULL, score REAL NOT NULL, inspected_at TEXT NOT NULL, answer TEXT NOT NULL, heatmap BLOB
);
"""
ANSWER = {
    "part_id": "C-1",
    "station": "EL-1",
    "captured_at": None,
    "thresholds": {"ng_above": 3.9, "review_above": 3.4, "revision": 1, "decided_by": 3.9},
    "model": {"version": 3, "digest": "ab" * 32},
    "picture": {"width": 300, "height": 200, "format": "png"},
    "regions": [{"x": 1, "y": 2, "width": 3, "height": 4, "area": 9, "peak": 5.0}],
    "heatmap": {
        "style": "png",
        "media_type": "image/png",
        "width": 32,
        "height": 32,
        "scale": {"floor": 0.0, "centre": 1.0},
        "url": "/verdicts/a/heatmap",
    },
    "timings_ms": {"device": 17.9},
}


def write_old(folder: Path, schema: int, *ids: str) -> Path:
    """`<folder>/verdicts.sqlite` of schema 1, with heatmaps in its rows, or 2."""
    folder.mkdir(exist_ok=True)
    heatmap = b"PNG" if schema == 1 else None
    with closing(sqlite3.connect(folder / "verdicts.sqlite")) as connection, connection:
        connection.executescript(SCHEMA)
        for number, name in enumerate(ids):
            values: tuple[Any, ...] = (2 * number + 1, name, "plate", "C-1", "ng", 5.0, "2026-11-24T08:15:02.161Z")
            connection.execute(
                "INSERT INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*values, json.dumps(ANSWER), heatmap)
            )
        connection.execute(f"PRAGMA user_version={schema}")
    return folder
