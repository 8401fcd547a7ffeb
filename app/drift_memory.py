"""Drift across restarts: charts begin where the ledger's last parts leave them, and what they learn is kept there.

In: versions that serve, the ledger. Out: restored monitors of app/drift.py; learned reject rates in the ledger, or a
restart would learn what is normal from the very parts that raised an alarm. Refuses nothing: while the ledger cannot
be asked the charts begin with the parts that come, and its past is put before them once it can.
"""

import asyncio
import logging

from app.catalog import Catalog, Served
from app.drift import Drift
from app.ledger.errors import LedgerError
from app.ledger.ledger import Ledger
from app.thresholds import Thresholds

log = logging.getLogger(__name__)
LOOK_S = 0.5  # between two looks for versions that serve now, and for rates that were learned
PAUSE_S = 10.0  # after the ledger has refused


class DriftMemory:
    """What was restored and kept so far. Belongs to the event loop."""

    def __init__(self, *, drift: Drift, ledger: Ledger, catalog: Catalog, thresholds: Thresholds) -> None:
        self._drift = drift
        self._ledger = ledger
        self._catalog = catalog
        self._thresholds = thresholds
        self._restored: dict[str, str] = {}  # product → digest
        self._kept: set[tuple[str, str, int]] = set()

    async def follow(self) -> None:
        """Restore and keep for ever; ends when it is cancelled."""
        while True:
            try:
                await self.look()
            except LedgerError as error:
                log.warning("drift is neither restored nor kept now: %s", error)
                await asyncio.sleep(PAUSE_S)
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Restore what serves since the last look, and keep what was learned since."""
        for served in self._catalog.serving:
            if self._restored.get(served.ref.product) != served.ref.digest:
                await self._restore(served)
        for rate in self._drift.learned():
            key = rate.model_digest, rate.station, rate.revision
            if key not in self._kept:
                await self._ledger.keep_rate(rate)
                self._kept.add(key)

    async def _restore(self, served: Served) -> None:
        past = await self._ledger.past(served.ref.product, served.ref.digest)
        if self._catalog.served(served.ref.product) is not served:
            return  # another one came meanwhile; the next look is at that
        self._drift.restore(served, self._thresholds.of(served), past)
        self._restored[served.ref.product] = served.ref.digest
        log.info("%s: drift goes on from %d parts of the ledger", served.ref, len(past.parts))
