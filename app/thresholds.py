"""Which thresholds a version is judged by: those of its manifest, or the newest revision that a person made for it.

In: a version that serves, and changes. Out: its calibration with the thresholds in force. Refuses: thresholds that make
no sense beside the calibration (`BadThresholds`), a change in view of others than those in force (`ThresholdsChanged`).
A revision belongs to one version: another one that is activated starts with its own calibrated thresholds, and a
roll-back returns to those that were in force for the version before. Versions in the store are never edited.
"""

import asyncio
import logging
from dataclasses import dataclass, replace

from app.author import Author
from app.catalog import Served
from app.errors import BadThresholds
from app.ledger.errors import LedgerError, ThresholdsChanged
from app.ledger.ledger import Ledger
from app.ledger.thresholds import NewThresholds, ThresholdChange
from detector.calibration import Calibration
from detector.errors import CalibrationError

log = logging.getLogger(__name__)
LOOK_S = 1.0  # between two looks for what other services on this ledger have changed


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a person wants in place of the thresholds in force."""

    ng_above: float
    review_above: float
    author: Author
    why: str
    at: str
    seen_version: int | None = None
    seen_revision: int | None = None
    """What the person believes to be in force; None asks for no such check."""


class Thresholds:
    """What is in force, as far as the ledger was read. Belongs to the event loop."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._newest: dict[str, ThresholdChange] = {}  # by model digest
        self._calibrations: dict[str, Calibration] = {}
        self._seq = 0

    def of(self, served: Served) -> Calibration:
        """The calibration of a version with the thresholds that are in force for it."""
        calibrated, change = served.manifest.calibration, self._newest.get(served.ref.digest)
        if change is None:
            return calibrated
        known = self._calibrations.get(served.ref.digest)
        if known is None or known.revision != change.revision:
            known = replaced(calibrated, change.revision, change.ng_above, change.review_above)
            self._calibrations[served.ref.digest] = known
        return known

    async def change(self, served: Served, wanted: Wanted) -> ThresholdChange:
        """Commit a revision; from here on verdicts are given by it."""
        ref, calibrated = served.ref, served.manifest.calibration
        if wanted.seen_version not in (None, ref.version):
            raise ThresholdsChanged(f"{ref} serves, not version {wanted.seen_version}")
        replaced(calibrated, calibrated.revision, wanted.ng_above, wanted.review_above)
        change = ThresholdChange(
            product=ref.product,
            model_version=ref.version,
            model_digest=ref.digest,
            revision=calibrated.revision,
            ng_above=wanted.ng_above,
            review_above=wanted.review_above,
            **vars(wanted.author),
            why=wanted.why,
            at=wanted.at,
        )
        made = await self._ledger.change_thresholds(NewThresholds(change=change, seen=wanted.seen_revision))
        self._note(made)
        return made

    async def read(self) -> None:
        """Take over what the ledger has and this process does not."""
        for change in await self._ledger.threshold_changes(self._seq):
            self._note(change)
            self._seq = change.seq

    async def follow(self) -> None:
        """Read for ever; ends when it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.read()
            except LedgerError as error:
                log.warning("thresholds of other services are not read now: %s", error)

    def _note(self, change: ThresholdChange) -> None:
        before = self._newest.get(change.model_digest)
        if before is None or before.revision < change.revision:
            self._newest[change.model_digest] = change


def replaced(calibrated: Calibration, revision: int, ng_above: float, review_above: float) -> Calibration:
    """The calibration with other thresholds; `BadThresholds` where they make no sense."""
    try:
        return replace(calibrated, revision=revision, ng_above=ng_above, review_above=review_above)
    except CalibrationError as exc:
        raise BadThresholds(str(exc)) from exc
