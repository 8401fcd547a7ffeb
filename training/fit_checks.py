"""A fit that has gone wrong stops here, with advice: better than a version that finds nothing.

In: saliency masks (N,1,H,W), or a fitted detector and its pictures (N,H,W,3) uint8. Out: nothing.
Refuses: masks that hide nothing, or everything, in every picture (`SaliencyEmpty`, `SaliencyFull`), reconstructions
that do not depend on the picture, or show one flat colour (`ReconstructionConstant`).
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from detector.pipeline import Detector, stack
from detector.spec import SaliencyKind
from training.errors import ReconstructionConstant, SaliencyEmpty, SaliencyFull

LOOKS_AT_THE_PICTURE: frozenset[SaliencyKind] = frozenset({"attention", "activation", "spectral"})
LOOKED_AT = 32  # pictures that are reconstructed again
FOLLOWS = (
    0.002  # of the pictures' own deviation, at least; after a single epoch it was 0.016, of a dead network 1e-6 (ours)
)
NOISE = 1 / 255  # deviation of pictures, in [0, 1], below which there is nothing to follow


def check_masks(masks: Tensor, kind: SaliencyKind) -> None:
    """`whole`, `none` and the like hide the same everywhere on purpose and are not looked at."""
    if kind not in LOOKS_AT_THE_PICTURE:
        return
    if not masks.any():
        raise SaliencyEmpty(
            f"{kind} saliency hides nothing in any of {len(masks)} training pictures, so there is nothing to learn: "
            "lower saliency.threshold_sigmas, or set saliency.kind to another one (whole hides everything)"
        )
    if masks.all():
        raise SaliencyFull(
            f"{kind} saliency hides all of each of {len(masks)} training pictures: raise saliency.threshold_sigmas, or "
            "say so with saliency.kind=whole"
        )


@torch.inference_mode()
def check_reconstructions(detector: Detector, pictures: npt.NDArray[np.uint8]) -> None:
    """Before the attenuator is fitted; pictures that hardly differ themselves, or are flat, prove nothing."""
    device = next(detector.unet.parameters()).device
    batch = stack(list(pictures[:LOOKED_AT]), device)
    drawn = torch.cat([detector.rebuild(part, detector.saliency(part)).mean(dim=0) for part in torch.split(batch, 1)])
    for name, deviation in (("from picture to picture", _across), ("from place to place", _inside)):
        own, theirs = deviation(batch), deviation(drawn)
        if own > NOISE and not theirs > FOLLOWS * own:
            raise ReconstructionConstant(
                f"the reconstruction network draws the same whatever it sees: it varies by {theirs:.1e} {name}, the "
                f"pictures by {own:.1e}; lower fit.learning_rate or raise fit.epochs, and start over with --fresh"
            )


def _across(pictures: Tensor) -> float:
    """Deviation of a pixel over the pictures (N,3,H,W), pooled; 0 for one picture."""
    return float(pictures.var(dim=0, correction=0).mean().sqrt())


def _inside(pictures: Tensor) -> float:
    """Deviation of a picture over its pixels, pooled over channels and pictures."""
    return float(pictures.var(dim=(2, 3), correction=0).mean().sqrt())
