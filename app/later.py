"""`Prefer: respond-async`: an inspection that goes on after its request was answered.

In: submissions. Out: their verdicts, or errors, in the ledger. Refuses: what admission does, before anything was
promised. What was promised and not yet decided is lost with the process: its id is then unknown, never ok.
"""

import asyncio
import logging
from collections import OrderedDict
from contextlib import ExitStack

from app.errors import Refused
from app.inflight import InFlight
from app.inspection import Inspection
from app.refusal import Refusals
from app.submission import Submission

log = logging.getLogger(__name__)
KEPT = 1000  # ids whose verdict turned out to be another's, because a request of the same key was quicker


class Later:
    """Inspections in the background, as many as admission holds."""

    def __init__(self, inflight: InFlight, inspection: Inspection, refusals: Refusals) -> None:
        self._inflight = inflight
        self._inspection = inspection
        self._refusals = refusals
        self._tasks: set[asyncio.Task[None]] = set()
        self._instead: OrderedDict[str, str] = OrderedDict()

    async def start(self, submission: Submission) -> None:
        """Hold the picture from now on, and inspect it in the background."""
        held = ExitStack()
        held.enter_context(self._inflight.held(submission))
        task = asyncio.create_task(self._run(submission, held))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def resolve(self, verdict_id: str) -> str:
        """The id under which the verdict really is."""
        return self._instead.get(verdict_id, verdict_id)

    async def drain(self) -> None:
        """Wait for all of them."""
        await asyncio.gather(*self._tasks)

    async def _run(self, submission: Submission, held: ExitStack) -> None:
        with held:
            try:
                inspected = await self._refusals.guard(submission, self._inspection.decide(submission))
            except Refused as refused:
                log.warning("request %s, answered before: %s", submission.request_id, refused.cause)
                return
            if inspected.record.id != submission.id:
                self._instead[submission.id] = inspected.record.id
                while len(self._instead) > KEPT:
                    self._instead.popitem(last=False)
