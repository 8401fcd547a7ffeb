"""An audit runs an inspection again: the stored picture, on the stored version, by the thresholds of then.

In: a record. Out: what comes of it now, beside what was recorded. Refuses: a picture that was not kept or is gone; a
version that is gone (`VersionGone`) or no longer the same (`VersionAltered`).
The picture of an error is run on what serves now, for no version ever saw it: it gets the verdict that it would have
had, or an error again.
The version is loaded beside the one that serves, proved as for an activation, and changes nothing. One replay runs at a
time and waits its turn among the parts: an audit does not hold up the line.
"""

import asyncio
from dataclasses import dataclass

from app.catalog import Catalog, Served
from app.errors import VersionAltered, VersionGone, VersionRefused, row_of
from app.keeping import Keeping
from app.ledger.record import Record
from app.pool_errors import InspectionFailed, ModelTooLarge, PictureQuarantined, PoolError, WorkerLost
from app.scoring import Scoring, Seen
from app.thresholds import replaced
from detector.calibration import Calibration
from detector.errors import DetectorError
from detector.verdict import judge
from model_store.errors import ArtifactError, UnknownProduct, UnknownVersion
from model_store.registry import Registry

OF_THE_PICTURE = (DetectorError, InspectionFailed, WorkerLost, PictureQuarantined)  # what it may meet again


@dataclass(frozen=True, kw_only=True)
class Run:
    """One of the two: what was recorded, or what came of it now."""

    score: float | None
    """None of an error."""
    verdict: str
    code: str | None = None
    """Of an error."""
    device: str | None = None
    software: str | None


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """Both, side by side."""

    then: Run
    now: Run
    served: Served
    """The version that ran now."""
    calibration: Calibration | None
    """By whose thresholds it was judged now; None where there is no score to judge."""
    score_delta: float | None
    """Now less then; None where one of both has no score."""
    tolerance: float
    """By which golden pictures may differ when the version is loaded: as much as another device may make of it."""
    same_score: bool
    """To the last bit, as on the same CPU."""
    same_verdict: bool
    equal: bool
    """The same verdict, and a score within the tolerance; of an error the same error."""


class Replays:
    """One after the other."""

    def __init__(
        self, *, keeping: Keeping, registry: Registry, catalog: Catalog, scoring: Scoring, software: str
    ) -> None:
        self._keeping = keeping
        self._registry = registry
        self._catalog = catalog
        self._scoring = scoring
        self._software = software
        self._turn = asyncio.Lock()

    async def replay(self, record: Record) -> Replayed:
        """Run it again."""
        data = await self._keeping.image(record)
        async with self._turn:
            if record.verdict == "error":
                return await self._replay_error(record, data)
            served = await self._version(record)
            seen = await self._scoring.score_with(served, data)
        return compare(record, seen, self._software)

    async def _replay_error(self, record: Record, data: bytes) -> Replayed:
        served = await self._catalog.resolve(record.product)
        try:
            seen = await self._scoring.score_with(served, data)
        except OF_THE_PICTURE as error:
            now = Run(score=None, verdict="error", code=row_of(error)[1], software=self._software)
            return _beside_error(record, now, served, None)
        verdict, scored = judge(seen.scored.score, seen.calibration).verdict.value, seen.scored
        now = Run(score=scored.score, verdict=verdict, device=scored.device, software=self._software)
        return _beside_error(record, now, served, seen.calibration)

    async def _version(self, record: Record) -> Served:
        """The version of then, loaded; the one that serves where it is the same."""
        name = f"{record.product}@{record.model_version}"
        serving = self._catalog.served(record.product)
        if serving is not None and serving.ref.digest == record.model_digest:
            return serving
        try:
            found = await asyncio.to_thread(self._registry.resolve, name)
            served = await self._catalog.load(found)
        except (UnknownProduct, UnknownVersion) as exc:
            raise VersionGone(f"{name} is no longer in the store") from exc
        except ModelTooLarge:
            raise
        except (ArtifactError, PoolError) as exc:
            raise VersionRefused(f"{name} cannot be run again: {exc}") from exc
        if served.ref.digest != record.model_digest:
            raise VersionAltered(f"{name} in the store is not the version that gave the verdict: its digest differs")
        return served


def compare(record: Record, seen: Seen, software: str) -> Replayed:
    """Judge the new score by the thresholds that the record names, and put both side by side."""
    manifest, scored = seen.served.manifest, seen.scored
    then_score = record.score or 0.0
    revision, ng_above, review_above = record.threshold_revision, record.ng_above, record.review_above
    thresholds = replaced(manifest.calibration, revision or 0, ng_above or 0.0, review_above or 0.0)
    verdict = judge(scored.score, thresholds).verdict.value
    delta = scored.score - then_score
    return Replayed(
        then=Run(score=then_score, verdict=record.verdict, device=record.device, software=record.software),
        now=Run(score=scored.score, verdict=verdict, device=scored.device, software=software),
        served=seen.served,
        calibration=thresholds,
        score_delta=delta,
        tolerance=manifest.golden_tolerance,
        same_score=delta == 0,
        same_verdict=verdict == record.verdict,
        equal=verdict == record.verdict and abs(delta) <= manifest.golden_tolerance,
    )


def _beside_error(record: Record, now: Run, served: Served, calibration: Calibration | None) -> Replayed:
    same = (now.verdict, now.code) == (record.verdict, record.code)
    return Replayed(
        then=Run(score=None, verdict=record.verdict, code=record.code, software=record.software),
        now=now,
        served=served,
        calibration=calibration,
        score_delta=None,
        tolerance=served.manifest.golden_tolerance,
        same_score=False,
        same_verdict=same,
        equal=same,
    )
