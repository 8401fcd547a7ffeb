"""Two versions of one product on the same pictures: what would change if the other one were activated.

In: two loaded versions and a folder of pictures. Out: `Comparison`. Refuses: versions of two products
(`ProductsDiffer`), a folder without pictures (`DatasetError`). Chooses nothing.
Of an MVTec AD folder only the test pictures are used: the others were trained on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, rankdata, spearmanr

from detector.verdict import Verdict
from model_store.artifact import LoadedModel
from training.calibrate import score_samples
from training.config import SplitConfig
from training.data import Dataset, Sample, read_dataset
from training.errors import DatasetError, ProductsDiffer
from training.evaluate import ScoredPart, judge_parts
from training.inspection import name_of
from training.metrics import auroc, auroc_interval

CONFIDENCE = 0.95
SPLIT = SplitConfig()  # for versions whose record has none

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rate:
    """A share and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Side:
    """One version and its figures over the pictures; a figure that they cannot give is None."""

    version: str
    """`product@version`."""
    ng_above: float
    review_above: float
    promise: float
    calibration_pictures: int
    good: int
    false_rejects: int
    false_reject_rate: Rate | None
    """Observed on the good pictures, with Wilson's interval."""
    defective: int
    escapes: int
    image_auroc: Rate | None


@dataclass(frozen=True)
class Pair:
    """One picture under both versions."""

    before: ScoredPart
    after: ScoredPart
    rank_change: float
    """Of its score among all pictures, from before to after."""

    @property
    def is_flip(self) -> bool:
        """Whether the verdict is another one."""
        return self.before.verdict != self.after.verdict


@dataclass(frozen=True)
class Comparison:
    """Everything that was found; `pairs` with the flips first, then by how far the rank moved."""

    before: Side
    after: Side
    pairs: tuple[Pair, ...]
    rank_correlation: float | None
    """Spearman's, of the scores; None for fewer than three pictures or equal scores."""
    warnings: tuple[str, ...]

    @property
    def flips(self) -> tuple[Pair, ...]:
        """Pictures whose verdict changes."""
        return tuple(pair for pair in self.pairs if pair.is_flip)


def compare(before: LoadedModel, after: LoadedModel, root: Path) -> Comparison:
    """Score the pictures under `root` with both, as each would in service."""
    if before.manifest.product != after.manifest.product:
        raise ProductsDiffer(
            f"{name_of(before)} and {name_of(after)} are versions of different products; compare two of one product"
        )
    dataset = read_dataset(root, hold_out=SPLIT.hold_out, calibrate=SPLIT.calibrate)
    samples = _unseen(dataset)
    parts = [_parts(model, samples) for model in (before, after)]
    return Comparison(
        _side(before, parts[0]),
        _side(after, parts[1]),
        _pairs(*parts),
        _rank_correlation(_scores(parts[0]), _scores(parts[1])),
        () if dataset.test else tuple(_seen_warnings((before, after), root)),
    )


def _unseen(dataset: Dataset) -> Sequence[Sample]:
    samples = dataset.test or (*dataset.train, *dataset.hold_out, *dataset.calibrate)
    if not samples:
        raise DatasetError(f"no pictures in {dataset.root}; give an MVTec AD folder or a folder of good pictures")
    return samples


def _seen_warnings(models: Sequence[LoadedModel], root: Path) -> list[str]:
    """A plain folder may be the very one that a version was made from; a digest tells, if the folder is unchanged."""
    warnings = []
    for model in models:
        record = model.manifest.training
        split = SplitConfig.model_validate(record.config.get("split", {}))
        digest = read_dataset(root, hold_out=split.hold_out, calibrate=split.calibrate).digest
        if digest == record.data_digest:
            warnings.append(f"{name_of(model)} was made from these very pictures: its figures here are flattering")
    return warnings


def _parts(model: LoadedModel, samples: Sequence[Sample]) -> list[ScoredPart]:
    scored = score_samples(model.detector, samples)
    return judge_parts(samples, scored, model.manifest.calibration, "compare")


def _side(model: LoadedModel, parts: Sequence[ScoredPart]) -> Side:
    calibration = model.manifest.calibration
    good = [part.verdict for part in parts if not part.is_defective]
    defective = [part.verdict for part in parts if part.is_defective]
    false_rejects = good.count(Verdict.NG)
    return Side(
        version=name_of(model),
        ng_above=calibration.ng_above,
        review_above=calibration.review_above,
        promise=calibration.promise,
        calibration_pictures=len(calibration.scores),
        good=len(good),
        false_rejects=false_rejects,
        false_reject_rate=_wilson(false_rejects, len(good)) if good else None,
        defective=len(defective),
        escapes=defective.count(Verdict.OK),
        image_auroc=_auroc(parts) if good and defective else None,
    )


def _wilson(hits: int, count: int) -> Rate:
    """Wilson's score interval: sensible at 0 of n, where a new version likes to be."""
    interval = binomtest(hits, count).proportion_ci(CONFIDENCE, method="wilson")
    return Rate(hits / count, float(interval.low), float(interval.high))


def _auroc(parts: Sequence[ScoredPart]) -> Rate:
    truth = np.array([part.is_defective for part in parts])
    area = auroc(_scores(parts), truth)
    return Rate(area, *auroc_interval(area, int(truth.sum()), int((~truth).sum())))


def _pairs(before: Sequence[ScoredPart], after: Sequence[ScoredPart]) -> tuple[Pair, ...]:
    changes = rankdata(_scores(after)) - rankdata(_scores(before))
    pairs = [Pair(old, new, float(change)) for old, new, change in zip(before, after, changes, strict=True)]
    return tuple(sorted(pairs, key=lambda pair: (not pair.is_flip, -abs(pair.rank_change))))


def _rank_correlation(before: Scores, after: Scores) -> float | None:
    if len(before) < 3 or np.ptp(before) == 0 or np.ptp(after) == 0:
        return None
    return float(spearmanr(before, after).statistic)


def _scores(parts: Sequence[ScoredPart]) -> Scores:
    return np.array([part.score for part in parts])
