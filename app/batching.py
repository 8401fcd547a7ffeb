"""Which of the waiting pictures run next. Pure: no clock, no lock.

In: the models of the waiting pictures, oldest first. Out: positions of the next batch. Refuses nothing.
"""

from collections.abc import Sequence

from app.work import ModelRef


def next_batch(waiting: Sequence[ModelRef], limit: int) -> tuple[int, ...]:
    """Positions of the oldest picture and of those behind it that need the same model, `limit` at most.

    Nobody waits for a batch to fill: on a line, latency is worth more than throughput, and a busy worker makes batches
    by itself.
    """
    if not waiting:
        return ()
    oldest = waiting[0]
    return tuple(place for place, model in enumerate(waiting) if model == oldest)[:limit]
