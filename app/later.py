"""`Prefer: respond-async`: an inspection that goes on after its request was answered.

In: submissions, and at the start those that a life before promised and did not keep. Out: their verdicts, or errors, in
the ledger. Refuses: what admission and app/promises.py do, before anything was promised.
"""

import asyncio
import logging
from collections import OrderedDict
from contextlib import ExitStack

from app.errors import Refused
from app.inflight import InFlight
from app.inspection import Inspection
from app.ledger.errors import UnknownVerdict
from app.ledger.ledger import Ledger
from app.promises import Promises
from app.refusal import Refusals
from app.submission import Submission

log = logging.getLogger(__name__)
KEPT = 1000  # ids whose verdict turned out to be another's, because a request of the same key was quicker


class Later:
    """Inspections in the background, as many as admission holds."""

    def __init__(
        self, *, inflight: InFlight, inspection: Inspection, refusals: Refusals, promises: Promises, ledger: Ledger
    ) -> None:
        self._inflight = inflight
        self._inspection = inspection
        self._refusals = refusals
        self._promises = promises
        self._ledger = ledger
        self._tasks: set[asyncio.Task[None]] = set()
        self._instead: OrderedDict[str, str] = OrderedDict()
        self._resumed: dict[str, Submission] = {}
        self._is_stopping = False

    async def start(self, submission: Submission) -> None:
        """Hold the picture from now on, and inspect it in the background, even if that is in another life."""
        with ExitStack() as held:
            held.enter_context(self._inflight.held(submission))
            await asyncio.to_thread(self._promises.make, submission)
            task = asyncio.create_task(self._run(submission, held.pop_all()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def recall(self) -> None:
        """Know again what a life before promised."""
        for submission in await asyncio.to_thread(self._promises.outstanding):
            if await self._has_verdict(submission.id):
                await asyncio.to_thread(self._promises.forget, submission)
            else:
                self._resumed[submission.id] = submission

    async def resume(self) -> None:
        """Keep what a life before promised, one after another."""
        for submission in tuple(self._resumed.values()):
            if self._is_stopping:
                return
            log.info("verdict %s was promised before the service was started again", submission.id)
            await self._run(submission, ExitStack())  # admission let it in once
            del self._resumed[submission.id]

    def find(self, verdict_id: str) -> Submission | None:
        """The submission whose verdict is still to come."""
        return self._inflight.find(verdict_id) or self._resumed.get(verdict_id)

    def resolve(self, verdict_id: str) -> str:
        """The id under which the verdict really is."""
        return self._instead.get(verdict_id, verdict_id)

    async def drain(self) -> None:
        """Wait for all of them; what was not begun again is begun in the next life."""
        self._is_stopping = True
        await asyncio.gather(*self._tasks)

    async def _run(self, submission: Submission, held: ExitStack) -> None:
        with held:
            try:
                inspected = await self._refusals.guard(submission, self._inspection.decide(submission))
            except Refused as refused:
                log.warning("request %s, answered before: %s", submission.request_id, refused.cause)
                if not refused.members["recorded"]:
                    return  # the promise stays: the next life has another try
            except Exception as error:  # noqa: BLE001 -- of a product that is no longer in the store, nothing is recorded
                log.error("request %s, answered before, has no verdict: %s", submission.request_id, error)
            else:
                self._note(submission.id, inspected.record.id)
            await asyncio.to_thread(self._promises.forget, submission)

    def _note(self, promised: str, given: str) -> None:
        if given != promised:
            self._instead[promised] = given
            while len(self._instead) > KEPT:
                self._instead.popitem(last=False)

    async def _has_verdict(self, verdict_id: str) -> bool:
        try:
            await self._ledger.find(verdict_id)
        except UnknownVerdict:
            return False
        return True
