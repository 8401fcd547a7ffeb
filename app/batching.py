"""Which of the waiting pictures run next. Pure: the clock is an argument, and nothing is remembered.

In: what waits, and what earlier batches showed. Out: a `Plan`: the places of the next batch, or
the moment to ask again. Refuses nothing.

Between products: whoever is a whole batch ahead of another that waits, waits too; so a flooded product delays another
by one batch and no more. Among the rest, and inside a product: the earliest deadline first, those that will hardly be
in time last. A batch has as many pictures as are done before the earliest of their deadlines. Room that is left in it
goes, where `joint`, to pictures of other products that are seen alike, on the same terms.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.pace import Cost

FREE = Cost()  # of a model that did not run lately
MARGIN = 1.25  # of what a batch takes as a rule, also for what comes after the score


@dataclass(frozen=True, kw_only=True)
class Waiter:
    """What the policy knows of one picture."""

    product: str
    model: str
    """Digest of the version that shall score it; a batch is of one model, unless it is joint."""
    sight: str = ""
    """What models must have in common to share a joint batch; empty: it shares none."""
    since: float
    due: float
    """Seconds of the same clock as `now`; infinite where there is no deadline."""
    alone: bool = False
    """A worker died over it: it runs next, and with nobody else."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What earlier batches showed."""

    served: Mapping[str, int] = field(default_factory=dict)
    """Product → pictures that ran already."""
    costs: Mapping[str, Cost] = field(default_factory=dict)
    """Model → how long its batches take."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Model → the largest batch that its device has room for, where that is known to be less than the limit."""

    def cost(self, model: str) -> Cost:
        """How long its batches take; nothing where it did not run lately."""
        return self.costs.get(model, FREE)

    def room(self, model: str, limit: int) -> int:
        """The largest batch of it."""
        return min(limit, self.sizes.get(model, limit))


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


def next_batch(waiting: Sequence[Waiter], now: float, *, limits: BatchLimits, seen: Seen, joint: bool = False) -> Plan:
    """What runs at `now`; `joint`: whether the device gains by pictures of several products in a batch."""
    for place, waiter in enumerate(waiting):
        if waiter.alone:
            return Plan((place,))
    queues = [_queue(waiting, product, now, seen) for product in dict.fromkeys(it.product for it in waiting)]
    batches, starts = [], {}
    for queue in queues:
        first = waiting[queue[0]]
        cost = seen.cost(first.model)
        room = replace(limits, size=seen.room(first.model, limits.size))
        batch = _in_time(waiting, queue[: room.size], now, cost)
        batches.append(batch)
        starts[batch] = -math.inf if len(batch) < len(queue) else _start(waiting, batch, room, cost)
    ripe = [batch for batch in batches if starts[batch] <= now]
    if not ripe:
        return Plan(until=min(starts.values(), default=math.inf))
    counts = {batch: seen.served.get(waiting[batch[0]].product, 0) for batch in ripe}
    fair = [batch for batch in ripe if counts[batch] < min(counts.values()) + limits.size]
    chosen = min(fair, key=lambda batch: _urgency(waiting[batch[0]]))
    if not joint:
        return Plan(chosen)
    others = sorted((place for queue in queues for place in queue), key=lambda place: _urgency(waiting[place]))
    return Plan(_join(waiting, chosen, others, now, limit=limits.size, seen=seen))


def _queue(waiting: Sequence[Waiter], product: str, now: float, seen: Seen) -> tuple[int, ...]:
    """Places of the pictures of `product` that need the same model as the first of them, the most urgent first.

    Those that will hardly be in time come last: under overload the earliest deadline is the one that is just missed,
    and who serves it first misses all of them.
    """

    def order(place: int) -> tuple[bool, float, float]:
        waiter = waiting[place]
        return waiter.due < now + MARGIN * seen.cost(waiter.model).of(1), *_urgency(waiter)

    places = sorted((place for place, waiter in enumerate(waiting) if waiter.product == product), key=order)
    model = waiting[places[0]].model
    return tuple(place for place in places if waiting[place].model == model)


def _in_time(waiting: Sequence[Waiter], queue: tuple[int, ...], now: float, cost: Cost) -> tuple[int, ...]:
    """As many of `queue` as are done before the earliest deadline among them; all where not even the first is."""
    count, due = 1, waiting[queue[0]].due
    if now + MARGIN * cost.of(1) > due:
        return queue
    for place in queue[1:]:
        due = min(due, waiting[place].due)
        if now + MARGIN * cost.of(count + 1) > due:
            break
        count += 1
    return queue[:count]


def _join(
    waiting: Sequence[Waiter], batch: tuple[int, ...], others: Sequence[int], now: float, *, limit: int, seen: Seen
) -> tuple[int, ...]:
    """`batch` and as many of `others` as are seen alike, fit, and leave everybody in time."""
    first = waiting[batch[0]]
    cost, room = seen.cost(first.model), seen.room(first.model, limit)
    due = min(waiting[place].due for place in batch)
    joined = list(batch)
    for place in others:
        other = waiting[place]
        if place in joined or not other.sight or other.sight != first.sight:
            continue
        room, due = seen.room(other.model, room), min(due, other.due)
        if len(joined) >= room or now + MARGIN * cost.of(len(joined) + 1) > due:
            break
        joined.append(place)
    return tuple(joined)


def _start(waiting: Sequence[Waiter], batch: tuple[int, ...], limits: BatchLimits, cost: Cost) -> float:
    """When the batch runs at the latest: full, its delay over, or its earliest deadline nearer than another delay."""
    if len(batch) >= limits.size:
        return -math.inf
    oldest = min(waiting[place].since for place in batch)
    return min(oldest + limits.delay_s, waiting[batch[0]].due - cost.least - limits.delay_s)


def _urgency(waiter: Waiter) -> tuple[float, float]:
    return waiter.due, waiter.since
