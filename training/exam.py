"""How well a detector finds synthetic defects: what configurations are compared by where no label exists.

In: good pictures (N,H,W,3) uint8 that the reconstruction network was not fitted on. Out: an `Exam`, the same for every
configuration; a `Mark` for a fitted detector. Refuses: too few pictures (`DatasetError`). No test picture comes here.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from detector.pipeline import Detector, stack
from training.calibrate import score_pictures
from training.errors import DatasetError
from training.fit_evidence import fit_evidence
from training.fit_fusion import fit_fusion
from training.metrics import auroc
from training.rebuild import Pictures
from training.synthetic import damage

TWINS = 2  # damaged copies of each good picture, each of its own seed
MOST = 100  # good pictures that are scored: more cost time, and the mark hardly moves
FUSION_SEED = 1_000_003  # other synthetic defects than those that the exam is made of
POOL = 64  # pictures that patches are cut from
FEWEST = 2  # on each side: a deviation needs as many


@dataclass(frozen=True)
class Exam:
    """Held-out good pictures in two halves, and damaged twins of the second."""

    statistics: Pictures
    """Fits the attenuator and the evidence statistics: a score of these would flatter."""
    good: Pictures
    """(N,H,W,3)."""
    damaged: Pictures
    """(`TWINS`·N,H,W,3)."""
    masks: npt.NDArray[np.bool_]
    """(`TWINS`·N,H,W), true where a defect was pasted in and can be seen."""


@dataclass(frozen=True)
class Mark:
    """What a detector reached."""

    image_auroc: float
    """Damaged against untouched pictures, by score."""
    pixel_auroc: float
    """Pasted against untouched pixels of the damaged pictures, by heatmap."""

    @property
    def objective(self) -> float:
        """The mean of both: the first is what a verdict lives on, but a few dozen pictures make it coarse and let it
        saturate; the second is fine, and asks that the score comes from the place that is damaged."""
        return (self.image_auroc + self.pixel_auroc) / 2


def set_exam(held_out: Pictures, others: Pictures, *, seed: int) -> Exam:
    """Halve the held-out pictures and damage one half; `others` are the good pictures that patches are cut from."""
    statistics, good = held_out[::2], held_out[1::2][:MOST]
    if len(good) < FEWEST:
        raise DatasetError(f"a search needs {2 * FEWEST} held-out pictures, not {len(held_out)}: raise split.hold_out")
    pictures, pool = (stack(list(part), torch.device("cpu")) for part in (good, others[:POOL]))
    twins = [damage(pictures, pool, seed=TWINS * seed + twin) for twin in range(TWINS)]
    levels = torch.cat([twin.pictures for twin in twins]).mul(255).round().byte()
    masks = torch.cat([twin.masks for twin in twins])[:, 0] > 0
    return Exam(statistics, good, levels.permute(0, 2, 3, 1).contiguous().numpy(), masks.numpy())


def mark(detector: Detector, exam: Exam, fitted: Pictures) -> Mark:
    """Fit the evidence of `detector`, in place, on one half (and on `fitted`, as its networks), and score the other
    half and its twins."""
    fit_evidence(detector, fitted, exam.statistics)
    fit_fusion(detector, exam.statistics, seed=FUSION_SEED)
    good, damaged = score_pictures(detector, exam.good), score_pictures(detector, exam.damaged)
    scores = np.concatenate((good.scores, damaged.scores))
    truth = np.repeat([False, True], (len(good.scores), len(damaged.scores)))
    return Mark(auroc(scores, truth), auroc(damaged.heatmaps.ravel(), _as_large(exam.masks, damaged.heatmaps).ravel()))


def _as_large(masks: npt.NDArray[np.bool_], maps: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Masks (N,H,W) of maps that were kept smaller, true where any pixel of a cell is."""
    if masks.shape == maps.shape:
        return masks
    found: npt.NDArray[np.bool_] = F.adaptive_max_pool2d(torch.from_numpy(masks).float(), maps.shape[1:]).numpy() > 0
    return found
