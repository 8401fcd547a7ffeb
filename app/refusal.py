"""A part that was not inspected → a record that says so, and an answer that counts it as the product's policy says.

In: a submission and what went wrong. Out: `Refused`, for the handler of app/errors.py. Refuses nothing: where the
error itself cannot be recorded, its sender is told it all the same, with `recorded: false`; log and metric say so.
Products that the store does not have are no products: whatever names a sender makes up, the ledger does not grow.
"""

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeVar

from app.catalog import Catalog
from app.errors import Refused, row_of
from app.keeping import Keeping
from app.ledger.errors import LedgerBusy, LedgerError, LedgerUnavailable
from app.ledger.ledger import Ledger
from app.ledger.record import Record, timestamp
from app.metrics import Metrics
from app.part import Part
from app.submission import Submission
from model_store.errors import ArtifactError

log = logging.getLogger(__name__)
PATIENCE_S = 2.0  # that a sender waits for the record of an error; it is committed afterwards all the same
FailSafe = Literal["ng", "review"]
T = TypeVar("T")


@dataclass(frozen=True)
class FailSafes:
    """What an error counts as, by product; `ng` where nothing is said: a part nobody saw does not pass."""

    products: Mapping[str, FailSafe]

    def of(self, product: str) -> FailSafe:
        """Never `ok`."""
        return self.products.get(product, "ng")


class Refusals:
    """Records errors."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        keeping: Keeping,
        catalog: Catalog,
        metrics: Metrics,
        fail_safes: FailSafes,
        software: str,
    ) -> None:
        self._ledger = ledger
        self._keeping = keeping
        self._catalog = catalog
        self._metrics = metrics
        self._fail_safes = fail_safes
        self._software = software

    async def guard(self, submission: Submission, work: Awaitable[T]) -> T:
        """What `work` gives; whatever it raises is recorded, and raised as `Refused`."""
        try:
            return await work
        except Exception as error:
            raise await self.refuse(submission, error) from error

    async def refuse(self, submission: Submission, error: Exception) -> Exception:
        """Record `error` in place of a verdict; what is to be raised."""
        product = submission.part.product
        if not await self.knows(product):
            return error
        status, code = row_of(error)
        if code == "service.fault":
            log.exception("request %s", submission.request_id, exc_info=error)
        counts_as = self._fail_safes.of(product)
        record = Record(
            **submission.facts,
            decided_at=timestamp(datetime.now(UTC)),
            verdict="error",
            code=code,
            detail=None if code == "service.fault" else str(error),
            counts_as=counts_as,
            software=self._software,
        )
        self._count(submission.part)
        record = await self._keeping.keep_error(record, submission.data, status)
        recorded = await self._record(record, error)
        return Refused(error, verdict_id=submission.id, counts_as=counts_as, recorded=recorded)

    def _count(self, part: Part) -> None:
        station = self._metrics.stations.label(part.product, part.station)
        if self._catalog.served(part.product) is not None:
            self._metrics.begin(part.product, station)
        self._metrics.verdicts.labels(part.product, station, "error").inc()

    async def knows(self, name: str) -> bool:
        """Whether `name` is a product of the store, and not a word that a sender made up."""
        if self._catalog.served(name) is not None:
            return True
        try:
            return name in await asyncio.to_thread(self._catalog.products)
        except ArtifactError:
            return False

    async def _record(self, record: Record, error: Exception) -> bool:
        try:
            if isinstance(error, LedgerUnavailable | LedgerBusy):  # what is away takes no record of being away
                raise error
            await asyncio.wait_for(self._ledger.append(record), PATIENCE_S)
        except (LedgerError, TimeoutError) as refusal:
            log.error("request %s: error %s is not in the ledger: %s", record.request_id, record.code, refusal)
            self._metrics.unrecorded.inc()
            return False
        return True
