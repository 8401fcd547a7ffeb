"""A database that goes away: nothing is acknowledged, and it goes on when the database is back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.ledger.database import ledger_url
from app.ledger.errors import LedgerUnavailable
from app.ledger.ledger import Ledger
from tests.app.ledger.records import ANY, record, using
from tests.postgres import Cluster


def test_a_server_that_stops_is_told_and_one_that_is_back_is_used(
    server: Cluster, new_database: Callable[[], str]
) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.append(record("a"))
        server.stop()
        try:
            for question in (ledger.append(record("b")), ledger.find("a"), ledger.page(ANY, 0, 10)):
                with pytest.raises(LedgerUnavailable, match="the ledger did not"):
                    await question
            assert ledger.trouble is not None
        finally:
            server.start()
        await ledger.probe()
        assert ledger.trouble is None
        assert (await ledger.append(record("b"))).record.seq == 2

    using(ledger_url(Path(), new_database()), scenario)


def test_connections_that_were_cut_while_nobody_used_them_cost_nothing(
    server: Cluster, new_database: Callable[[], str]
) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.append(record("a"))
        server.stop()
        server.start()
        assert (await ledger.append(record("b"))).record.seq == 2
        assert (await ledger.find("a")).seq == 1

    using(ledger_url(Path(), new_database()), scenario)
