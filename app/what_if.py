"""Other thresholds on stored scores: what would have been judged. Pure.

In: scores as they were recorded, and thresholds. Out: how many parts would be ok, review and ng, with intervals, and
which would flip. Refuses: a score that is not finite. Intervals hold for parts like these, one independent of the
other; they know nothing of a lamp that will fade.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from app.ledger.dispositions import Rate, rate_of
from app.ledger.scores import Score
from detector.calibration import Calibration
from detector.verdict import judge

KINDS = ("ok", "review", "ng")
MOST_FLIPS = 100  # that are named; all are counted


@dataclass(frozen=True)
class Share:
    """Of one verdict: how many parts, and their share with its interval."""

    parts: int
    share: Rate


@dataclass(frozen=True)
class Flip:
    """A part that would be judged otherwise."""

    id: str
    part_id: str | None
    station: str | None
    decided_at: str
    score: float
    was: str
    becomes: str
    found: str | None


@dataclass(frozen=True)
class Projection:
    """`recorded` is what was judged, by whatever thresholds were in force then."""

    parts: int
    recorded: dict[str, Share]
    projected: dict[str, Share]
    found: dict[str, dict[str, int]]
    """Of the parts that people looked at: `good` or `defective` → what would be judged → how many."""
    flips: dict[str, int]
    """`ok->ng` → how many; those that are none are left out."""
    flipped: list[Flip]
    """The newest first, MOST_FLIPS at most."""


def project(scores: Sequence[Score], calibration: Calibration) -> Projection:
    """Judge every score again, with the function that judges parts."""
    judged = [judge(score.score, calibration).verdict.value for score in scores]
    flipped = [(score, verdict) for score, verdict in zip(scores, judged, strict=True) if score.verdict != verdict]
    return Projection(
        parts=len(scores),
        recorded=_shares(Counter(score.verdict for score in scores)),
        projected=_shares(Counter(judged)),
        found=_found(scores, judged),
        flips=dict(sorted(Counter(f"{score.verdict}->{verdict}" for score, verdict in flipped).items())),
        flipped=[_flip(score, verdict) for score, verdict in flipped[:MOST_FLIPS]],
    )


def _shares(counts: Counter[str]) -> dict[str, Share]:
    total = counts.total()
    return {kind: Share(counts[kind], rate_of(counts[kind], total)) for kind in KINDS}


def _found(scores: Sequence[Score], judged: Sequence[str]) -> dict[str, dict[str, int]]:
    counts = Counter((score.found, verdict) for score, verdict in zip(scores, judged, strict=True))
    return {found: {kind: counts[found, kind] for kind in KINDS} for found in ("good", "defective")}


def _flip(score: Score, verdict: str) -> Flip:
    return Flip(
        id=score.id,
        part_id=score.part_id,
        station=score.station,
        decided_at=score.decided_at,
        score=score.score,
        was=score.verdict,
        becomes=verdict,
        found=score.found,
    )
