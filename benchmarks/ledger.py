"""How fast does the ledger commit, how fast is it polled, and how large does it become?

In: --database sqlite|postgresql|both, --seconds a row, --records for the poll (0: none). Out: lines on stdout. Each has
the ledger, in the event loop that the service has, beside a bare loop of the same driver: INSERT of the same row, which
commits itself (autocommit: PostgreSQL gets one message a row), and nothing else; one loop and connection a writer, all
there before the clock starts. SQLite has one writer at a time, so its bare loop is always one. PostgreSQL is a server
of its own with fsync on (Debian's package; tests/postgres.py). Every commit is synced. What counts of the ledger are
appends that were answered.
Both take turns, ROUNDS times on new databases, because a disk that others use syncs ten times slower a second later:
medians are shown, and the median of what the ledger was of the bare loop beside it.
"""

import argparse
import asyncio
import sqlite3
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from itertools import count, repeat
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from sqlalchemy import insert, text, update
from sqlalchemy.engine import URL
from uvicorn import Config

from app.ledger.database import compact, ledger_url, open_engine, writing
from app.ledger.direct import JSON_NAMES
from app.ledger.ledger import Ledger
from app.ledger.migrate import migrate
from app.ledger.reading import Query
from app.ledger.record import Record
from app.ledger.rows import row_of
from app.ledger.schema import counter, verdicts
from app.server import SWITCH_S
from tests.postgres import cluster

WRITERS = (1, 8, 32)
STEP = 5_000  # rows a statement when the table of the poll is filled
POLLS = 1_000
ROUNDS = 8
DISK = Path("var").absolute()  # /tmp may be memory


def main() -> None:
    """Both databases, one after the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--records", type=int, default=1_000_000)
    options = parser.parse_args()
    sys.setswitchinterval(SWITCH_S)
    for name in ("sqlite", "postgresql") if options.database == "both" else (options.database,):
        with _databases(name) as new:
            for writers in WRITERS if options.seconds else ():
                _commits(name, new, writers, options.seconds / ROUNDS)
            if options.records:
                _reads(name, new(), options.records)


@contextmanager
def _databases(name: str) -> Iterator[Callable[[], URL]]:
    """What makes a new one, with the schema of today."""
    DISK.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=DISK) as folder, ExitStack() as stack:
        server = stack.enter_context(cluster(fsync="on")) if name == "postgresql" else None
        numbers = count()

        def new() -> URL:
            url = ledger_url(Path(folder) / str(next(numbers)), None if server is None else server.database())
            engine = open_engine(url)
            migrate(engine)
            engine.dispose()
            return url

        yield new


def _commits(name: str, new: Callable[[], URL], writers: int, seconds: float) -> None:
    turns = [(_ours(new(), writers, seconds), _bare(new(), writers, seconds)) for _ in range(ROUNDS)]
    ours, bare, share = median(a for a, _ in turns), median(b for _, b in turns), median(a / b for a, b in turns)
    print(f"{name} {writers:3d} writers: {ours:6.0f} commits/s, bare {bare:6.0f}, {share:4.0%}", flush=True)


def _reads(name: str, url: URL, records: int) -> None:
    _fill(url, records)
    size = _bytes(url) / records
    print(f"{name} {records} records: {size:.0f} bytes a verdict, indexes included", flush=True)
    asyncio.run(_polls(name, url, records))


def _record(number: int) -> Record:
    """As an inspection of solar-mono gives it, with one region."""
    moment = "2026-11-24T08:15:02.161Z"
    region = {"x": 40, "y": 112, "width": 31, "height": 9, "area": 143, "peak": 5.3112345678}
    scale = {"floor": 0.112233445566, "centre": 3.9}
    verdict_id = str(uuid.uuid4())
    return Record(
        id=verdict_id, product="solar-mono", part_id=f"C-{number:08d}", station="EL-1", job="LOT-7",
        received_at=moment, queued_at=moment, decided_at=moment, captured_at=moment,
        verdict="ng", counts_as="ng", score=5.3112345678, ng_above=3.9, review_above=3.4, decided_by=3.9,
        threshold_revision=1, model_version=3, model_digest="9f" * 32, spec_digest="60" * 32, software="0.1.0",
        device="cuda:0", precision="float32", picture_sha256=uuid.uuid4().hex * 2, picture_width=300,
        picture_height=300, picture_format="png", mean=0.31, contrast=0.52, sharpness=0.08, saturated_share=0.001,
        regions=[region], request_id=uuid.uuid4().hex,
        heatmap={"style": "png", "media_type": "image/png", "width": 256, "height": 256, "scale": scale,
                 "url": f"/verdicts/{verdict_id}/heatmap", "lost": False},
        timings_ms={"decode": 1.123, "pool": 18.123, "post": 2.123, "heatmap": 1.123, "queue": 0.123, "device": 17.1},
    )  # fmt: skip


def _ours(url: URL, writers: int, seconds: float) -> float:
    with asyncio.Runner(loop_factory=Config(None).get_loop_factory()) as runner:
        return runner.run(_appends(url, writers, seconds))


async def _appends(url: URL, writers: int, seconds: float) -> float:
    ledger, end, done = Ledger(url), time.monotonic() + seconds, 0

    async def write() -> None:
        nonlocal done
        while time.monotonic() < end:
            await ledger.append(_record(done))
            done += 1

    began = time.monotonic()
    await asyncio.gather(*(write() for _ in range(writers)))
    rate = done / (time.monotonic() - began)
    await ledger.close()
    return rate


def _bare(url: URL, writers: int, seconds: float) -> float:
    loops = 1 if url.get_backend_name() == "sqlite" else writers
    with ExitStack() as stack:
        connections = [stack.enter_context(closing(_connect(url))) for _ in range(loops)]
        pool = stack.enter_context(ThreadPoolExecutor(loops))
        began = time.monotonic()
        counts = list(pool.map(_loop, connections, range(loops), repeat(began + seconds)))
        return sum(counts) / (time.monotonic() - began)


def _loop(connection: Any, number: int, end: float) -> int:
    names = list(row_of(_record(0)))
    mark = "?" if isinstance(connection, sqlite3.Connection) else "%s"
    statement = f"INSERT INTO verdicts ({', '.join(names)}) VALUES ({', '.join([mark] * len(names))})"  # noqa: S608
    done = 0
    while time.monotonic() < end:
        done += 1
        row = row_of(_record(done)) | {"seq": number * 100_000_000 + done}
        for name in JSON_NAMES:
            row[name] = compact(row[name])
        connection.execute(statement, list(row.values()))
    return done


def _connect(url: URL) -> Any:
    if url.get_backend_name() == "postgresql":
        place = url.set(drivername="postgresql").render_as_string(hide_password=False)
        return psycopg.connect(place, autocommit=True)
    connection = sqlite3.connect(str(url.database), check_same_thread=False, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _fill(url: URL, records: int) -> None:
    engine = writing(open_engine(url))
    for start in range(0, records, STEP):
        numbers = range(start, min(start + STEP, records))
        with engine.begin() as connection:
            connection.execute(insert(verdicts), [row_of(replace(_record(n), seq=n + 1)) for n in numbers])
            connection.execute(update(counter).values(last_seq=numbers[-1] + 1))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("VACUUM ANALYZE verdicts"))
    engine.dispose()


def _bytes(url: URL) -> int:
    engine = open_engine(url)
    with engine.connect() as connection:
        question = "SELECT pg_total_relation_size('verdicts')"
        if engine.dialect.name == "sqlite":
            question = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
        size: int = connection.execute(text(question)).scalar_one()
    engine.dispose()
    return size


async def _polls(name: str, url: URL, records: int) -> None:
    ledger = Ledger(url)
    questions: dict[str, tuple[Query, Callable[[int], int]]] = {
        "the newest 10": (Query(), lambda _: records - 10),
        "100 from anywhere": (Query(), lambda number: number * 7919 % records),
        "10 of a station, from anywhere": (Query(station="EL-1"), lambda number: number * 7919 % records),
        "one part": (Query(part_id=f"C-{records // 2:08d}"), lambda _: records // 2 - 10),
        "nothing that fits": (Query(verdict=("error",)), lambda number: number * 7919 % records),
    }
    for what, (query, place) in questions.items():
        took = []
        for number in range(POLLS if "nothing" not in what else POLLS // 10):
            began = time.perf_counter()
            await ledger.place(ledger.cursor(place(number)))
            await ledger.page(query, place(number), 10 if "10 " in what else 100)
            took.append((time.perf_counter() - began) * 1000)
        took.sort()
        middle, high = took[len(took) // 2], took[int(len(took) * 0.99)]
        print(f"{name} poll, {what}: p50 {middle:.1f} ms, p99 {high:.1f} ms", flush=True)
    await ledger.close()


if __name__ == "__main__":
    main()
