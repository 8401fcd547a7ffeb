"""`Prefer: respond-async`: an inspection that goes on after its request was answered.

In: submissions, and at the start those that a life before promised and did not keep. Out: their verdicts, or errors, in
the ledger. Refuses: what admission, app/promises.py and a ledger that takes nothing do, before anything was promised.
What could not be recorded stays promised, and is tried again: here, or in the next life.
"""

import asyncio
import logging
from collections import OrderedDict
from contextlib import ExitStack

from app.errors import Refused
from app.inflight import InFlight
from app.inspection import Inspected, Inspection
from app.ledger.errors import LedgerError, LedgerUnavailable, UnknownVerdict
from app.ledger.ledger import Ledger
from app.pool_errors import Draining
from app.promises import Promises
from app.refusal import Refusals
from app.submission import Submission

log = logging.getLogger(__name__)
AGAIN_S = 2.0  # between two attempts to keep what is still promised
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
        self._owed: dict[str, Submission] = {}
        """Promised before, or tried and not recorded."""
        self._is_stopping = False

    async def start(self, submission: Submission) -> None:
        """Hold the picture from now on, and inspect it in the background, even if that is in another life."""
        if not self._ledger.takes_verdicts:
            raise LedgerUnavailable(self._ledger.trouble or "the ledger's journal is full")
        with ExitStack() as held:
            held.enter_context(self._inflight.held(submission))
            await asyncio.to_thread(self._promises.make, submission)
            task = asyncio.create_task(self._run(submission, held.pop_all()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def recall(self) -> None:
        """Know again what a life before promised."""
        self._owed = {each.id: each for each in await asyncio.to_thread(self._promises.outstanding)}

    async def resume(self) -> None:
        """Keep what is owed, one after another, again and again; ends when it is cancelled."""
        while not self._is_stopping:
            try:
                await self._ledger.probe()
                for submission in tuple(self._owed.values()):
                    if self._ledger.takes_verdicts and not self._is_stopping:
                        await self._keep(submission)
            except LedgerError as error:
                log.warning("what is promised waits for the ledger: %s", error)
            await asyncio.sleep(AGAIN_S)

    def find(self, verdict_id: str) -> Submission | None:
        """The submission whose verdict is still to come."""
        return self._inflight.find(verdict_id) or self._owed.get(verdict_id)

    def resolve(self, verdict_id: str) -> str:
        """The id under which the verdict really is."""
        return self._instead.get(verdict_id, verdict_id)

    async def drain(self) -> None:
        """Wait for all of them; what was not begun again is begun in the next life."""
        self._is_stopping = True
        await asyncio.gather(*self._tasks)

    async def _keep(self, submission: Submission) -> None:
        if await self._has_verdict(submission.id):
            await self._settle(submission)
        else:
            log.info("verdict %s is still promised", submission.id)
            await self._run(submission, ExitStack())  # admission let it in once

    async def _run(self, submission: Submission, held: ExitStack) -> None:
        with held:
            try:
                inspected = await self._refusals.guard(submission, self._unless_stopping(submission))
            except Refused as refused:
                log.warning("request %s, answered before: %s", submission.request_id, refused.cause)
                if not refused.members["recorded"]:
                    self._owed[submission.id] = submission
                    return
            except Exception as error:  # noqa: BLE001 -- of a product that is no longer in the store, nothing is recorded
                log.error("request %s, answered before, has no verdict: %s", submission.request_id, error)
            else:
                if inspected is None:
                    return
                self._note(submission.id, inspected.record.id)
            await self._settle(submission)

    async def _unless_stopping(self, submission: Submission) -> Inspected | None:
        """None where the service stops before a worker has it: that is no error of the part, and the next life's."""
        try:
            return await self._inspection.decide(submission)
        except Draining:
            return None

    async def _settle(self, submission: Submission) -> None:
        await asyncio.to_thread(self._promises.forget, submission)
        self._owed.pop(submission.id, None)

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
