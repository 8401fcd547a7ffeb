"""While the database is away a journal stands in: nothing that was answered is lost, and all of it is there once."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from app.ledger.database import ledger_url
from app.ledger.errors import LedgerUnavailable
from app.ledger.journal import Journal, open_journal
from app.ledger.ledger import Ledger
from model_store.registry import Registry
from tests.app.fake_detector import load_fake
from tests.app.ledger.records import ANY, record
from tests.app.service import post, serving
from tests.attacks.pictures import encoded, part
from tests.model_store.drafts import make_draft
from tests.postgres import Cluster

ROOM = 1 << 20
SOON_S = 15.0


def run(url: URL, folder: Path, scenario: Callable, limit: int = ROOM) -> None:  # type: ignore[type-arg]
    async def main() -> None:
        ledger = Ledger(url, open_journal(folder, limit))
        try:
            await scenario(ledger)
        finally:
            await ledger.close()

    asyncio.run(main())


async def emptied(ledger: Ledger) -> None:
    end = time.monotonic() + SOON_S
    while ledger.spooled:
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


def test_what_was_answered_while_the_database_was_away_is_in_it_afterwards_once_and_in_order(
    server: Cluster, new_database: Callable[[], str], tmp_path: Path
) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.append(record("a"))
        server.stop()
        try:
            kept = [(await ledger.append(record(name, idempotency_key=name))).record for name in "bcd"]
            assert [each.seq for each in kept] == [0, 0, 0]
            assert (await ledger.find("c")).id == "c"
            assert (await ledger.find_key("d")) == kept[2]
            assert await ledger.find_key("e") is None
            assert (ledger.spooled, ledger.takes_verdicts) == (3, True)
        finally:
            server.start()
        await emptied(ledger)
        assert (await ledger.append(record("e"))).record.seq == 5
        assert [each.id for each in (await ledger.page(ANY, 0, 10)).records] == list("abcde")

    run(ledger_url(Path(), new_database()), tmp_path, scenario)


def test_what_a_dead_process_has_left_is_replayed_and_what_was_committed_already_is_not_doubled(
    url: URL, tmp_path: Path
) -> None:
    async def before(ledger: Ledger) -> None:
        await ledger.append(record("a", idempotency_key="taken"))
        await ledger.append(record("b"))

    async def after(ledger: Ledger) -> None:
        await emptied(ledger)
        records = (await ledger.page(ANY, 0, 10)).records
        assert [(each.id, each.idempotency_key) for each in records] == [("a", "taken"), ("b", None), ("c", None)]
        assert (await ledger.append(record("d"))).record.seq == 4

    run(url, tmp_path / "none", before, limit=0)
    journal = Journal(tmp_path / "journal", ROOM)
    journal.append(record("b"))
    journal.append(record("c", idempotency_key="taken"))  # answered while nobody could know of the other
    journal.close()
    run(url, tmp_path, after, limit=0)
    assert (tmp_path / "journal").stat().st_size == 0


def test_a_journal_has_what_was_acknowledged_before_a_kill(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from app.ledger.journal import Journal\n"
        "from tests.app.ledger.records import record\n"
        "journal = Journal(Path(sys.argv[1]), 1 << 30)\n"
        "for n in range(10**9): journal.append(record(str(n))); print(n, flush=True)"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "journal")], stdout=subprocess.PIPE)
    assert process.stdout is not None
    seen = [process.stdout.readline() for _ in range(50)]
    process.kill()
    seen += process.stdout.read().splitlines(keepends=True)
    process.communicate()
    journal = Journal(tmp_path / "journal", ROOM)
    acknowledged = [line.decode().strip() for line in seen if line.endswith(b"\n")]
    assert [each.id for each in journal.first(len(acknowledged))] == acknowledged
    journal.close()


def test_a_torn_line_is_cut_and_a_damaged_one_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path, ROOM)
    for name in "abc":
        journal.append(record(name))
    journal.close()
    first, second, third = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second.replace(b'"plate"', b'"plane"') + third + third[:40])
    journal = Journal(path, ROOM)
    assert [each.id for each in journal.first(9)] == ["a", "c"]
    assert b'"plane"' in Path(f"{path}.rejected").read_bytes()
    journal.append(record("d"))
    journal.close()
    assert path.read_bytes().count(b"\n") == 4


def test_a_journal_that_is_full_takes_nothing_more(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", 1200)
    journal.append(record("a"))
    with pytest.raises(LedgerUnavailable, match="no room"):
        journal.append(record("b"))
    journal.close()


@pytest.mark.slow
def test_a_service_answers_from_its_journal_and_says_so(
    server: Cluster, new_database: Callable[[], str], tmp_path: Path
) -> None:
    Registry(tmp_path / "store").publish(make_draft(), activate=True)
    picture = encoded(part(), "png")
    with serving(tmp_path, load_fake, ledger_url=new_database(), journal_bytes=ROOM) as client:
        server.stop()
        try:
            status, spooled = post(client, picture, heatmap="none")
            assert (status, spooled["seq"], spooled["revision"]) == (200, None, None)
            answer = client.get(f"/verdicts/{spooled['id']}")
            assert (answer.json()["score"], answer.json()["seq"]) == (spooled["score"], None)
            assert "etag" not in answer.headers
            assert client.get("/readyz").json() == {"status": "ready", "degraded": "1 verdicts wait in the journal"}
            assert client.get("/status").json()["degraded"] == "journal"
            assert "inspect_spooled 1.0" in client.get("/metrics").text
        finally:
            server.start()
        end = time.monotonic() + SOON_S
        while client.get(f"/verdicts/{spooled['id']}").json()["seq"] is None:
            assert time.monotonic() < end
            time.sleep(0.02)
        assert client.get("/readyz").json() == {"status": "ready"}
