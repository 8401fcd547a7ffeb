"""A writer that is killed: what it was told is there, without a gap. The whole service: tests/e2e/test_kills.py."""

import subprocess
import sys
from pathlib import Path

from sqlalchemy.engine import URL

from app.ledger.ledger import Ledger
from tests.app.ledger.records import ANY, record, using

PROGRAM = """
import asyncio, sys
from sqlalchemy.engine import make_url
from tests.app.ledger.records import opened, record

async def write(ledger, writer):
    for number in range(10**6):
        await ledger.append(record(f"{writer}-{number}"))
        print(f"{writer}-{number}", flush=True)

async def main():
    async with opened(make_url(sys.argv[1])) as ledger:
        await asyncio.gather(*(write(ledger, writer) for writer in range(8)))

asyncio.run(main())
"""
ROOT = Path(__file__).parents[3]
TOLD = 100


def test_what_a_killed_writer_was_told_is_there_and_numbers_go_on_without_a_gap(url: URL) -> None:
    command = [sys.executable, "-c", PROGRAM, url.render_as_string(hide_password=False)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        told = [writer.stdout.readline().strip() for _ in range(TOLD)] if writer.stdout else []
        writer.kill()

    async def scenario(ledger: Ledger) -> None:
        await ledger.append(record("after"))
        found = (await ledger.page(ANY, 0, 100_000)).records
        assert [each.seq for each in found] == list(range(1, len(found) + 1))
        assert set(told) <= {each.id for each in found}

    using(url, scenario)
