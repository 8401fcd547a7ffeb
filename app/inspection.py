"""The use case: bytes → admission → score → judge → picture store, ledger, metrics → verdict.

In: a submission. Out: its verdict, committed; where its idempotency key is known, the one that was given under it.
Refuses: what detector.errors, model_store.errors, app.pool_errors and app.ledger.errors draw; app/refusal.py records.
Nothing is kept on `self` between calls, and an error is never a verdict.
"""

import asyncio
import logging
import time
from dataclasses import dataclass, replace

from app.heatmap import describe, draw
from app.inflight import InFlight
from app.keeping import Keeping
from app.ledger.errors import LedgerError
from app.ledger.ledger import Ledger
from app.ledger.record import Record
from app.ledger.store import conflict
from app.observer import Observer
from app.part import Part
from app.picture_errors import PictureError
from app.pool_errors import DeadlineMissed
from app.scoring import Scoring
from app.stages import Stages
from app.submission import Submission
from app.verdict import conclude

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Inspected:
    """A verdict, and its heatmap where there is one to show."""

    record: Record
    drawn: bytes | None = None
    replayed: bool = False
    """Whether it was given before, under the same key."""


class Inspection:
    """The parts that one inspection passes through."""

    def __init__(
        self,
        *,
        inflight: InFlight,
        scoring: Scoring,
        ledger: Ledger,
        keeping: Keeping,
        observer: Observer,
        software: str,
    ) -> None:
        self._inflight = inflight
        self._scoring = scoring
        self._ledger = ledger
        self._keeping = keeping
        self._observer = observer
        self._software = software

    async def inspect(self, submission: Submission) -> Inspected:
        """Inspect one picture; the verdict is in the ledger before this returns, not later than `submission.due`."""
        with self._inflight.held(submission):
            return await self.decide(submission)

    async def decide(self, submission: Submission) -> Inspected:
        """Inspect a picture that is held, or find the verdict of its key."""
        product = submission.part.product
        try:
            async with self._inflight.turn(submission):
                return await self.replay(submission) or await self._inspect(submission)
        except DeadlineMissed:
            self._observer.metrics.deadlines.labels(product if self._scoring.serves(product) else "").inc()
            raise

    async def replay(self, submission: Submission) -> Inspected | None:
        """The verdict that was given under the submission's key; `KeyTaken` where it is another picture's."""
        if submission.key is None:
            return None
        found = await self._ledger.find_key(submission.key)
        if found is None:
            return None
        if (error := conflict(found, submission.facts)) is not None:
            raise error
        return await self._again(found, submission.part)

    async def _inspect(self, submission: Submission) -> Inspected:
        stages, part = Stages(), submission.part
        seen = await self._scoring.score(submission.data, part.product, submission.due, stages)
        record = conclude(submission, seen, self._software)
        drawn = None
        if part.heatmap != "none":
            record = replace(record, heatmap=describe(part.heatmap, seen))
            if part.inline or self._keeping.wants_heatmap(record):
                drawn = await asyncio.to_thread(draw, part.heatmap, seen)
        stages.lap("post")
        record = await self._keeping.keep(record, submission.data, drawn, due=submission.due)
        stages.lap("keep")
        stages.laps |= {"queue": seen.scored.queue_ms, "device": seen.scored.device_ms}
        record = await self._commit(replace(record, timings_ms=stages.rounded), submission)
        if record.id != submission.id:  # another process was quicker with the same key
            return await self._again(record, part)
        stages.lap("ledger")
        record = replace(record, timings_ms=stages.rounded | {"total": stages.total})
        self._observer.observe(record, seen)
        log.info("%s", record.verdict, extra={"verdict_id": record.id, "score": round(seen.scored.score, 4)})
        return Inspected(record=record, drawn=drawn if part.inline else None)

    async def _commit(self, record: Record, submission: Submission) -> Record:
        if time.monotonic() > submission.due:
            raise DeadlineMissed("the verdict was there after the deadline, and was not recorded")
        return (await self._ledger.append(record)).record

    async def _again(self, found: Record, part: Part) -> Inspected:
        """A verdict that was given before, with its heatmap where that is still kept."""
        self._observer.metrics.replays.inc()
        drawn = None
        if part.inline and found.heatmap is not None:
            try:
                drawn = await self._keeping.heatmap(found)
            except (PictureError, LedgerError) as error:
                log.info("verdict %s is given again without its heatmap: %s", found.id, error)
        return Inspected(record=found, drawn=drawn, replayed=True)
