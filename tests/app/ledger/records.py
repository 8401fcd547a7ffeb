"""Records as short as they can be, and a ledger to put them into."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy.engine import URL

from app.ledger.ledger import Ledger
from app.ledger.reading import Query
from app.ledger.record import Record

ANY = Query()
MOMENT = "2026-11-24T08:15:02.161Z"


def record(name: str, verdict: Any = "ok", **facts: Any) -> Record:
    """`name` is its id."""
    given = {"product": "plate", "decided_at": MOMENT, "counts_as": "ng" if verdict == "error" else verdict, **facts}
    return Record(id=name, verdict=verdict, **given)


@asynccontextmanager
async def opened(url: URL) -> AsyncIterator[Ledger]:
    ledger = Ledger(url)
    try:
        yield ledger
    finally:
        await ledger.close()


def using(url: URL, scenario: Callable[[Ledger], Awaitable[None]]) -> None:
    """Run `scenario` on the ledger at `url`."""

    async def run() -> None:
        async with opened(url) as ledger:
            await scenario(ledger)

    asyncio.run(run())
