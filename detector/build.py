"""The only file that joins parts and numbers: spec (and weights) → Detector.

Refuses: a spec that no detector can be built from (`SpecError`), tensors that do not fit it (`WeightsMismatch`).
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from detector.backbone import Backbone, build_backbone
from detector.errors import SpecError, WeightsMismatch
from detector.evidence.evidence import Evidence
from detector.evidence.standardise import Standardiser
from detector.fader import Fader
from detector.pipeline import Detector
from detector.saliency.activation import ActivationSaliency
from detector.saliency.attention import AttentionSaliency
from detector.saliency.disjoint import DisjointSaliency
from detector.saliency.spectral import SpectralSaliency
from detector.saliency.whole import ConstantSaliency
from detector.spec import DetectorSpec, FaderSpec
from detector.unet import UNet

SHARED = "saliency."  # the frozen backbone: stored once for all products, never in an artifact


def build_detector(spec: DetectorSpec, backbone_weights: Mapping[str, Tensor] | None = None) -> Detector:
    """An untrained detector in eval mode; `backbone_weights` is asked for when the saliency uses a backbone."""
    detector = Detector(
        spec,
        saliency=_saliency(spec, backbone_weights),
        unet=UNet(spec.unet.widths, spec.unet.kernel),
        fader=None if spec.fader is None else _fader(spec.fader),
        evidence=_evidence(spec),
    )
    return detector.eval()


def detector_weights(detector: Detector) -> dict[str, Tensor]:
    """What an artifact stores: contiguous copies on the CPU of all tensors but the frozen backbone's."""
    return {
        name: tensor.detach().cpu().contiguous().clone()
        for name, tensor in detector.state_dict().items()
        if not name.startswith(SHARED)
    }


def load_detector_weights(detector: Detector, weights: Mapping[str, Tensor]) -> None:
    """Fill `detector` in place; every tensor must be there, of its shape and dtype, finite, and none left over."""
    wanted = {name: tensor for name, tensor in detector.state_dict().items() if not name.startswith(SHARED)}
    if missing := sorted(wanted.keys() - weights.keys()):
        raise WeightsMismatch(f"{len(missing)} tensors are missing: {', '.join(missing[:3])}")
    if unknown := sorted(weights.keys() - wanted.keys()):
        raise WeightsMismatch(f"{len(unknown)} tensors belong to no part: {', '.join(unknown[:3])}")
    for name, tensor in weights.items():
        _check_tensor(name, tensor, wanted[name])
    detector.load_state_dict(dict(weights), strict=False)


def _check_tensor(name: str, tensor: Tensor, wanted: Tensor) -> None:
    if tensor.shape != wanted.shape or tensor.dtype != wanted.dtype:
        raise WeightsMismatch(
            f"{name} is {tensor.dtype} {tuple(tensor.shape)}; the spec needs {wanted.dtype} {tuple(wanted.shape)}"
        )
    if not torch.isfinite(tensor).all():
        raise WeightsMismatch(f"{name} holds NaN or infinity")


def _saliency(spec: DetectorSpec, weights: Mapping[str, Tensor] | None) -> nn.Module:
    sigmas = spec.saliency.threshold_sigmas
    match spec.saliency.kind:
        case "attention":
            return AttentionSaliency(_backbone(spec, weights), sigmas)
        case "activation":
            return ActivationSaliency(_backbone(spec, weights), sigmas)
        case "spectral":
            return SpectralSaliency(sigmas)
        case "whole":
            return ConstantSaliency(1.0)
        case "none":
            return ConstantSaliency(0.0)
        case "disjoint":
            return DisjointSaliency(spec.saliency.disjoint, height=spec.input.height, width=spec.input.width)


def _backbone(spec: DetectorSpec, weights: Mapping[str, Tensor] | None) -> Backbone:
    if spec.backbone is None or weights is None:
        raise SpecError(f"saliency {spec.saliency.kind!r} needs the weights of its backbone")
    return build_backbone(spec.backbone, weights, height=spec.input.height, width=spec.input.width)


def _fader(spec: FaderSpec) -> Fader:
    return Fader(patch=spec.patch, hidden=spec.hidden, slope=spec.slope, shift=spec.shift)


def _evidence(spec: DetectorSpec) -> Evidence:
    evidence, size = spec.evidence, spec.input
    standardiser = Standardiser(evidence.standardise, len(evidence.maps), height=size.height, width=size.width)
    return Evidence(evidence, standardiser)
