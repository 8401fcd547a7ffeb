"""An audit runs an inspection again: the stored picture, on the stored version, by the thresholds of then.

In: a record. Out: what comes of it now, beside what was recorded. Refuses: an error, which has nothing to run again; a
picture that was not kept or is gone; a version that is gone (`VersionGone`) or no longer the same (`VersionAltered`).
The version is loaded beside the one that serves, proved as for an activation, and changes nothing. One replay runs at a
time and waits its turn among the parts: an audit does not hold up the line.
"""

import asyncio
from dataclasses import dataclass

from app.catalog import Catalog, Served
from app.errors import VersionAltered, VersionGone, VersionRefused
from app.keeping import Keeping
from app.ledger.errors import NothingToDispose
from app.ledger.record import Record
from app.pool_errors import ModelTooLarge, PoolError
from app.scoring import Scoring, Seen
from app.thresholds import replaced
from detector.verdict import judge
from model_store.errors import ArtifactError, UnknownProduct, UnknownVersion
from model_store.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Run:
    """One of the two: what was recorded, or what came of it now."""

    score: float
    verdict: str
    device: str | None
    software: str | None


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """Both, side by side."""

    then: Run
    now: Run
    score_delta: float
    """Now less then."""
    tolerance: float
    """By which golden pictures may differ when the version is loaded: as much as another device may make of it."""
    same_score: bool
    """To the last bit, as on the same CPU."""
    same_verdict: bool
    equal: bool
    """The same verdict, and a score within the tolerance."""


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
        if record.verdict == "error":
            raise NothingToDispose(f"record {record.id!r} is an error: there is no score to compare with")
        data = await self._keeping.image(record)
        async with self._turn:
            served = await self._version(record)
            seen = await self._scoring.score_with(served, data)
        return compare(record, seen, self._software)

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
        score_delta=delta,
        tolerance=manifest.golden_tolerance,
        same_score=delta == 0,
        same_verdict=verdict == record.verdict,
        equal=verdict == record.verdict and abs(delta) <= manifest.golden_tolerance,
    )
