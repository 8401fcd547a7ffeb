"""Parts → posts → outcomes: open loop (each part has its moment, whatever came of the one before) and closed loop.

In: a service, parts with their moments, or clients that post one after the other. Out: `Outcome`s, and their `Summary`.
Latency counts from the moment at which a part was due to be sent, so a service that stalls is charged for all who
had to wait (no coordinated omission). Nothing is sent again: what is refused or lost stays so.
"""

import asyncio
import itertools
import sys
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

import aiohttp
from service import Service

LONGEST_S = 120.0
REFUSED = {429, 503}
TRANSPORT = 0  # status of a request that got no answer


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One part to post."""

    at: float
    """Seconds from the beginning."""
    product: str
    picture: bytes
    kind: str
    deadline_ms: int | None = None
    station: str = "bench"
    part_id: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    shot: Shot
    seconds: float
    """From the moment at which it was due."""
    ended_at: float
    """Seconds from the beginning."""
    status: int
    code: str | None
    verdict_id: str | None
    is_mine: bool
    """Whether the answer is of this part and its product."""
    retry_after: str | None
    score: float | None


@dataclass(frozen=True)
class Summary:
    """Of one run; times are of accepted parts, in milliseconds."""

    offered: int
    seconds: float
    served: int
    p50: float
    p95: float
    p99: float
    missed: int
    """Deadline misses."""
    refused: int
    failed: int
    """Any other problem that was answered."""
    lost: int
    """No answer at all, or a verdict that belongs to another part."""
    duplicated: int
    """Verdict ids that were answered more than once."""
    without_retry_after: int
    codes: dict[str, int]

    @property
    def offered_rate(self) -> float:
        """Parts a second that were due."""
        return self.offered / self.seconds

    @property
    def served_rate(self) -> float:
        """Verdicts a second."""
        return self.served / self.seconds


def in_turn(product: str, pictures: Sequence[tuple[bytes, str]]) -> Callable[[int], Shot]:
    """The n-th part of a closed loop: one picture after the other, again and again."""

    def make(number: int) -> Shot:
        data, kind = pictures[number % len(pictures)]
        return Shot(at=0.0, product=product, picture=data, kind=kind)

    return make


def open_loop(service: Service, shots: Iterable[Shot], beside: Sequence[Awaitable[object]] = ()) -> list[Outcome]:
    """Post every part at its moment, while `beside` runs."""

    async def run() -> list[Outcome]:
        async with _client(service) as client:
            start = time.monotonic()
            others = [asyncio.ensure_future(other) for other in beside]
            posts = [asyncio.create_task(_shoot(client, shot, start)) for shot in shots]
            outcomes = await asyncio.gather(*posts)
            await asyncio.gather(*others)
            return outcomes

    return asyncio.run(run())


def closed_loop(
    service: Service,
    clients: int,
    seconds: float,
    make: Callable[[int], Shot],
    *,
    most: int = sys.maxsize,
    into: list[Outcome] | None = None,
) -> list[Outcome]:
    """`clients` that post one part after the other for `seconds`, `most` parts in all; `make` gives the n-th part.

    Outcomes are appended to `into` as they come, where it is given.
    """

    async def run() -> list[Outcome]:
        async with _client(service) as client:
            start, numbers = time.monotonic(), itertools.count()
            outcomes: list[Outcome] = [] if into is None else into

            async def loop() -> None:
                while time.monotonic() - start < seconds and (number := next(numbers)) < most:
                    shot = make(number)
                    outcomes.append(await _post(client, shot, time.monotonic(), start))

            await asyncio.gather(*(loop() for _ in range(clients)))
            return outcomes

    return asyncio.run(run())


def summarise(outcomes: Sequence[Outcome], seconds: float | None = None) -> Summary:
    """Figures of a run of `seconds`; until its last answer where that is not said."""
    served = [it for it in outcomes if it.status == 200 and it.is_mine]
    times = sorted(it.seconds * 1000 for it in served)
    refused = [it for it in outcomes if it.status in REFUSED]
    missed = sum(it.code == "inspection.deadline_missed" for it in outcomes)
    lost = sum(it.status == TRANSPORT or (it.status == 200 and not it.is_mine) for it in outcomes)
    ids = Counter(it.verdict_id for it in served)
    return Summary(
        offered=len(outcomes),
        seconds=seconds or max((it.ended_at for it in outcomes), default=1.0),
        served=len(served),
        p50=percentile(times, 0.50),
        p95=percentile(times, 0.95),
        p99=percentile(times, 0.99),
        missed=missed,
        refused=len(refused),
        failed=len(outcomes) - len(served) - missed - len(refused) - lost,
        lost=lost,
        duplicated=sum(count - 1 for count in ids.values()),
        without_retry_after=sum(it.retry_after is None for it in refused),
        codes=dict(Counter(it.code for it in outcomes if it.code is not None)),
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """Nearest rank; 0 of nothing."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _client(service: Service) -> aiohttp.ClientSession:
    """aiohttp's: it shares the machine with the service, and httpx takes several times its CPU for a post."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=LONGEST_S)
    return aiohttp.ClientSession(service.address, headers=service.headers, timeout=timeout, connector=connector)


async def _shoot(client: aiohttp.ClientSession, shot: Shot, start: float) -> Outcome:
    await asyncio.sleep(start + shot.at - time.monotonic())
    return await _post(client, shot, start + shot.at, start)


async def _post(client: aiohttp.ClientSession, shot: Shot, due: float, start: float) -> Outcome:
    query = {"product": shot.product, "part_id": shot.part_id, "station": shot.station, "heatmap": "none"}
    headers = {"Content-Type": shot.kind}
    if shot.deadline_ms is not None:
        headers["X-Deadline-Ms"] = str(shot.deadline_ms)
    try:
        async with client.post("/inspect", params=query, data=shot.picture, headers=headers) as answer:
            said = await answer.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError) as error:
        now = time.monotonic()
        return Outcome(shot, now - due, now - start, TRANSPORT, type(error).__name__, None, False, None, None)
    now = time.monotonic()
    return Outcome(
        shot,
        now - due,
        now - start,
        answer.status,
        said.get("code"),
        said.get("id"),
        (said.get("part_id"), said.get("product")) == (shot.part_id, shot.product),
        answer.headers.get("Retry-After"),
        said.get("score"),
    )
