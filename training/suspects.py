"""Good pictures that may not be good: what each scores under what the others say is normal.

In: good pictures (N,H,W,3) uint8 and a way to see features. Out: a score and a map each. Refuses: fewer than two
groups of pictures (`CalibrationError`, from the distribution).
Cross-fitted: a picture is never measured by a distribution that it was part of, or a defect would explain itself. One
of FOLDS parts is left out in turn, with all copies of a picture in the same one; leaving out one picture at a time
would give nearly the same distributions at N / FOLDS times the cost (Hastie, Tibshirani & Friedman, Elements of
Statistical Learning, 7.10).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from detector.backbone import build_backbone
from detector.evidence.features import to_grid
from detector.evidence.gaussian import GaussianField
from detector.evidence.reduce import reduce_to_score
from detector.pipeline import stack
from detector.spec import BackboneSpec, FeatureSpec, InputSpec
from training.near_copies import Pictures

FOLDS = 5
BATCH = 16
OUTLIER = 3.5
"""Modified z-score of the logarithm of the score beyond which a picture is suspected (Iglewicz & Hoaglin 1993)."""
TOP_FRACTION = 0.02  # of the cells: a defect is small
SCALES = (1, 2, 4)  # px: of the plain features, where there is no backbone

See = Callable[[Tensor], Tensor]
"""Pictures (B,3,H,W) in [0, 1] → a grid of features (B,C,h,w)."""


@dataclass(frozen=True)
class Suspicion:
    """Of one picture; higher is stranger."""

    score: float
    z: float
    """Robust deviations of log(score) from the middle picture."""
    map: npt.NDArray[np.float32]
    """(h,w), about 1 where the part is as the others are."""

    @property
    def is_suspect(self) -> bool:
        """Whether it is so strange that somebody should look."""
        return self.z > OUTLIER


def see_backbone(spec: BackboneSpec, weights: dict[str, Tensor], size: InputSpec, features: FeatureSpec) -> See:
    """Features of a frozen network."""
    backbone = build_backbone(spec, weights, height=size.height, width=size.width)
    rows, columns = grid_of(size, features)
    return lambda pictures: to_grid(backbone.stages(pictures, features.levels), rows, columns)


def see_plain(size: InputSpec, features: FeatureSpec) -> See:
    """Colours, and their gradients at SCALES, where there are no weights."""
    rows, columns = grid_of(size, features)
    return lambda pictures: to_grid(_plain_maps(pictures), rows, columns)


def grid_of(size: InputSpec, features: FeatureSpec) -> tuple[int, int]:
    """Rows and columns of cells."""
    return max(1, size.height // features.stride), max(1, size.width // features.stride)


@torch.no_grad()
def suspect(pictures: Pictures, groups: Sequence[int], see: See, features: FeatureSpec) -> list[Suspicion]:
    """In the order of `pictures`; `groups` names a number for each, the same for copies of one."""
    grids = torch.cat([see(batch).half() for batch in _batches(pictures)])  # half of the memory, and enough to rank
    pooled = replace(features, statistics="pooled")  # wherever a part lies
    folds = np.array(groups) % FOLDS
    maps = torch.empty(len(grids), *grids.shape[-2:])
    for fold in np.unique(folds):
        field = GaussianField(pooled, channels=grids.shape[1], rows=grids.shape[2], columns=grids.shape[3])
        others = torch.from_numpy(np.flatnonzero(folds != fold))
        field.fit(_parts(grids[others[:: max(1, len(others) // 128)]]), _parts(grids[others]))
        mine = torch.from_numpy(np.flatnonzero(folds == fold))
        maps[mine] = torch.cat([field(part) for part in _parts(grids[mine])])
    scores = reduce_to_score(maps, "top-mean", top_fraction=TOP_FRACTION).double().numpy()
    return [
        Suspicion(float(score), float(z), each.numpy())
        for score, z, each in zip(scores, _modified_z(np.log(scores + 1e-9)), maps, strict=True)
    ]


def _plain_maps(pictures: Tensor) -> list[Tensor]:
    maps = [pictures]
    for scale in SCALES:
        smooth = F.avg_pool2d(pictures.mean(dim=1, keepdim=True), scale)
        down = F.pad(smooth.diff(dim=2).abs(), (0, 0, 0, 1))
        right = F.pad(smooth.diff(dim=3).abs(), (0, 1, 0, 0))
        maps.append(torch.cat((smooth, down, right), dim=1))
    return maps


def _modified_z(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    centre = np.median(values)
    spread = np.median(np.abs(values - centre))
    return np.asarray(0.6745 * (values - centre) / max(float(spread), 1e-3))


def _batches(pictures: Pictures) -> Iterator[Tensor]:
    for start in range(0, len(pictures), BATCH):
        yield stack(list(pictures[start : start + BATCH]), torch.device("cpu"))


def _parts(grids: Tensor) -> Iterator[Tensor]:
    for part in torch.split(grids, BATCH):
        yield part.float()
