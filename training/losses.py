"""What the reconstruction network and the attenuator minimise.

In: pictures and reconstructions (B,3,H,W) in [0, 1], or errors per patch (B,N). Out: scalars.
Every term of EAR's loss lies in [0, 1], so that LAMP's logarithm is defined from the first step.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import mse_loss, relu, softplus

from detector.msgms import msgms_distance
from detector.ssim import ssim_distance

EAR_SCALES, RIAD_SCALES = 3, 4  # of MSGMS
PAIR_MARGIN = 1.0  # Yoo & Kweon's
LAMP_CEILING = 1 - 1e-6  # -log(1 - L) is infinite at 1


@dataclass(frozen=True)
class ReconstructionLoss:
    """What is minimised and its three terms, each a mean over the batch in [0, 1]."""

    total: Tensor
    l2: Tensor
    ssim: Tensor
    msgms: Tensor


def reconstruction_loss(pictures: Tensor, reconstructions: Tensor, *, lamp: bool) -> ReconstructionLoss:
    """Mean of L2, (1 - SSIM) / 2 and MSGMS (EAR eq. 4, equal weights: ours), through LAMP (EAR eq. 5) if asked for."""
    l2, ssim, msgms = _terms(pictures, reconstructions, EAR_SCALES)
    combined = (l2 + ssim + msgms) / 3
    amplified = -torch.log1p(-combined.clamp(max=LAMP_CEILING)) if lamp else combined
    return ReconstructionLoss(amplified.mean(), l2.mean(), ssim.mean(), msgms.mean())


def riad_loss(pictures: Tensor, reconstructions: Tensor) -> ReconstructionLoss:
    """L2 + (1 - SSIM) + MSGMS over four scales, all weights 1 (RIAD): of the picture put together from all sets."""
    l2, ssim, msgms = (term.mean() for term in _terms(pictures, reconstructions, RIAD_SCALES))
    return ReconstructionLoss(l2 + 2 * ssim + msgms, l2, ssim, msgms)  # `ssim` is (1 - SSIM) / 2


def relative_loss(predicted: Tensor, errors: Tensor) -> Tensor:
    """Over all pairs of patches of one picture: (B,N) predictions, (B,N) true errors → scalar.

    HPM (Wang et al. 2023), one of two candidates for FADeR's eq. loss_rank: of each pair, the patch with the larger
    error shall be predicted larger. Ties count for nothing; the errors get no gradient.
    """
    difference = predicted[:, :, None] - predicted[:, None, :]
    larger = (errors[:, :, None] > errors[:, None, :]).to(predicted.dtype)
    # each pair stands twice, once each way round: counting only the larger-first one counts it once
    return (softplus(-difference) * larger).sum() / larger.sum().clamp(min=1)


def pairwise_loss(predicted: Tensor, errors: Tensor) -> Tensor:
    """Over one pair for each two patches, the first with the last: (B,N), (B,N) → scalar; N patches in random order.

    Yoo & Kweon 2019, the other candidate, with patches of one picture for its pictures of one batch: a pair costs
    nothing once the larger error is predicted larger by the margin. Ties count for nothing (ours).
    """
    pairs = predicted.shape[1] // 2
    sign = torch.sign(errors - errors.flip(1))[:, :pairs]
    difference = (predicted - predicted.flip(1))[:, :pairs]
    cost = relu(PAIR_MARGIN - sign * difference) * sign.abs()
    return cost.sum() / sign.abs().sum().clamp(min=1)


def regression_loss(predicted: Tensor, errors: Tensor) -> Tensor:
    """Mean square distance to the errors in standard deviations of their picture: (B,N), (B,N) → scalar.

    The plain way, without ranks, as HPM's absolute variant: a picture's own mean and deviation are taken out.
    """
    centred = errors - errors.mean(dim=1, keepdim=True)
    deviation = errors.std(dim=1, keepdim=True, correction=0).clamp(min=torch.finfo(errors.dtype).eps)
    return mse_loss(predicted, centred / deviation)


def _terms(pictures: Tensor, reconstructions: Tensor, scales: int) -> tuple[Tensor, Tensor, Tensor]:
    """L2, (1 - SSIM) / 2 and MSGMS of each picture, (B,) in [0, 1]."""
    l2 = (pictures - reconstructions).square().mean(dim=(1, 2, 3))
    ssim = ssim_distance(pictures, reconstructions).mean(dim=(1, 2))
    msgms = msgms_distance(pictures, reconstructions, scales).mean(dim=(1, 2))
    return l2, ssim, msgms
