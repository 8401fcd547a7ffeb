"""How a batch of pictures is hidden and rebuilt while the reconstruction network is fitted.

In: a detector, its training pictures (N,H,W,3) uint8, how it is run. Out: a function from a batch to reconstructions.
Refuses: masks that hide nothing or everything in every picture (`SaliencyEmpty`, `SaliencyFull`).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from detector.pipeline import Detector
from detector.saliency.disjoint import DisjointSaliency, assemble, disjoint_masks
from training.batches import batches
from training.config import FitConfig
from training.fit_checks import check_masks
from training.precision import reconstructor

Pictures = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]
Rebuild = Callable[[Tensor, Rows, torch.Generator], Tensor]


def rebuilder(detector: Detector, images: Pictures, config: FitConfig, masks: Tensor | None = None) -> Rebuild:
    """(B,3,H,W), their rows in `images`, a generator → (B,3,H,W), skips open: the attenuator comes after.

    Pictures are hidden behind their own masks, which are made once or given as (N,1,H,W) float32, or behind disjoint
    ones dealt anew (RIAD).
    """
    reconstruct = reconstructor(detector.unet, config)

    def rebuild(pictures: Tensor, hidden: Tensor) -> Tensor:
        return reconstruct(detector.hints(pictures, hidden))

    if isinstance(detector.saliency, DisjointSaliency):
        return _dealer(detector, rebuild)
    hidden = masks_of(detector, images) if masks is None else masks
    check_masks(hidden, detector.spec.saliency.kind)
    return lambda pictures, rows, _: rebuild(pictures, hidden[rows].to(pictures.device))


@torch.no_grad()
def masks_of(detector: Detector, images: Pictures) -> Tensor:
    """A mask for every picture, once for the whole fit: (N,1,H,W) float32 on the CPU; disjoint masks in turn."""
    if isinstance(detector.saliency, DisjointSaliency):
        return detector.saliency.cycle(len(images)).cpu()
    device = next(detector.unet.parameters()).device
    return torch.cat([detector.saliency(batch).cpu() for batch in batches(images, device)])


def _dealer(detector: Detector, rebuild: Callable[[Tensor, Tensor], Tensor]) -> Rebuild:
    """One cell side for a batch, drawn; all of its sets are hidden in turn."""
    spec = detector.spec.saliency.disjoint

    def deal(pictures: Tensor, _: Rows, random: torch.Generator) -> Tensor:
        cell = spec.cells[int(torch.randint(len(spec.cells), (), generator=random))]
        seed = int(torch.randint(2**31, (), generator=random))
        height, width = pictures.shape[-2:]
        masks = disjoint_masks(height, width, cell=cell, sets=spec.sets, seed=seed)
        return assemble(pictures, masks.to(pictures.device), rebuild)

    return deal
