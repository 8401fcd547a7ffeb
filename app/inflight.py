"""What is being inspected now, by the id that its verdict will have, and by idempotency key.

In: submissions. Out: whose turn it is. Refuses: what admission does. Of one key one runs at a time: those that come
meanwhile wait, and then find its verdict in the ledger, or run themselves where it failed. Belongs to the event loop.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from weakref import WeakValueDictionary

from app.admission import Admission
from app.submission import Submission


class InFlight:
    """As many as admission lets in; `decoded_bytes` says what a picture of a product will take beside its upload."""

    def __init__(self, admission: Admission, decoded_bytes: Callable[[str], int] = lambda _: 0) -> None:
        self._admission = admission
        self._decoded_bytes = decoded_bytes
        self._by_id: dict[str, Submission] = {}
        self._leaders: dict[str, Submission] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def find(self, verdict_id: str) -> Submission | None:
        """The submission whose verdict will have this id."""
        return self._by_id.get(verdict_id)

    def leader(self, key: str | None) -> Submission | None:
        """The submission that runs under `key` now."""
        return None if key is None else self._leaders.get(key)

    @contextmanager
    def held(self, submission: Submission) -> Iterator[None]:
        """While the block runs the picture is counted, and its verdict is pending."""
        product = submission.part.product
        size = len(submission.data) + self._decoded_bytes(product)
        with self._admission.admit(product, size), self._noted(submission):
            yield

    @asynccontextmanager
    async def turn(self, submission: Submission) -> AsyncIterator[None]:
        """While the block runs, no other of the same key does."""
        if submission.key is None:
            yield
            return
        turn = self._turns.setdefault(submission.key, asyncio.Lock())
        async with turn:
            yield

    @contextmanager
    def _noted(self, submission: Submission) -> Iterator[None]:
        self._by_id[submission.id] = submission
        if submission.key is not None:
            self._leaders.setdefault(submission.key, submission)
        try:
            yield
        finally:
            del self._by_id[submission.id]
            if self.leader(submission.key) is submission and submission.key is not None:
                del self._leaders[submission.key]
