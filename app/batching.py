"""Which of the waiting pictures run next. Pure: the clock is an argument, and nothing is remembered.

In: what waits, and how many pictures of each product have run so far. Out: a `Plan`: the places of the next batch, or
the moment to ask again. Refuses nothing.

Between products: whoever is a whole batch ahead of another that waits, waits too; so a flooded product delays another
by one batch and no more. Among the rest, and inside a product: the earliest deadline first.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

NO_SIZES: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Waiter:
    """What the policy knows of one picture."""

    product: str
    model: str
    """Digest of the version that shall score it; a batch is of one model."""
    since: float
    due: float
    """Seconds of the same clock as `now`; infinite where there is no deadline."""
    alone: bool = False
    """A worker died over it: it runs next, and with nobody else."""


@dataclass(frozen=True)
class BatchLimits:
    """How many run together, and how long the first of them may wait for the others."""

    size: int
    delay_s: float = 0.0
    """0: an idle worker answers at once, and a busy one makes batches by itself."""


@dataclass(frozen=True)
class Plan:
    """Places of the next batch; none, and when that may change, while it pays to wait for others."""

    places: tuple[int, ...] = ()
    until: float = math.inf


def next_batch(
    waiting: Sequence[Waiter],
    now: float,
    *,
    limits: BatchLimits,
    served: Mapping[str, int],
    seconds: Mapping[str, float],
    sizes: Mapping[str, int] = NO_SIZES,
) -> Plan:
    """What runs at `now`.

    `served`: product → pictures that ran already; `seconds`: model → how long its batch takes at least; `sizes`:
    model → the largest batch that its device has room for, where that is known to be less than the limit.
    """
    for place, waiter in enumerate(waiting):
        if waiter.alone:
            return Plan((place,))
    batches = [_batch(waiting, product, limits.size, sizes) for product in dict.fromkeys(it.product for it in waiting)]
    starts = {batch: _start(waiting, batch, _limits_of(waiting[batch[0]], limits, sizes), seconds) for batch in batches}
    ripe = [batch for batch in batches if starts[batch] <= now]
    if not ripe:
        return Plan(until=min(starts.values(), default=math.inf))
    counts = {batch: served.get(waiting[batch[0]].product, 0) for batch in ripe}
    fair = [batch for batch in ripe if counts[batch] < min(counts.values()) + limits.size]
    return Plan(min(fair, key=lambda batch: _urgency(waiting[batch[0]])))


def _limits_of(first: Waiter, limits: BatchLimits, sizes: Mapping[str, int]) -> BatchLimits:
    return replace(limits, size=min(limits.size, sizes.get(first.model, limits.size)))


def _batch(waiting: Sequence[Waiter], product: str, size: int, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """Places of the most urgent pictures of `product` that need the same model as the first of them."""
    places = [place for place, waiter in enumerate(waiting) if waiter.product == product]
    places.sort(key=lambda place: _urgency(waiting[place]))
    model = waiting[places[0]].model
    return tuple(place for place in places if waiting[place].model == model)[: min(size, sizes.get(model, size))]


def _start(
    waiting: Sequence[Waiter], batch: tuple[int, ...], limits: BatchLimits, seconds: Mapping[str, float]
) -> float:
    """When the batch runs at the latest: full, its delay over, or its earliest deadline nearer than another delay."""
    if len(batch) >= limits.size:
        return -math.inf
    first = waiting[batch[0]]
    oldest = min(waiting[place].since for place in batch)
    return min(oldest + limits.delay_s, first.due - seconds.get(first.model, 0.0) - limits.delay_s)


def _urgency(waiter: Waiter) -> tuple[float, float]:
    return waiter.due, waiter.since
