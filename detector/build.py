"""The only file that joins parts and numbers: spec (and weights) → Detector.

Refuses: a spec that no detector can be built from (`SpecError`), tensors that do not fit it (`WeightsMismatch`).
"""

from collections.abc import Iterator, Mapping

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from detector.align import Aligner
from detector.backbone import Backbone, build_backbone
from detector.errors import SpecError, WeightsMismatch
from detector.evidence.evidence import Evidence, Field
from detector.evidence.gaussian import GaussianField
from detector.evidence.nearest import NearestField
from detector.evidence.standardise import Standardiser
from detector.fader import Fader
from detector.filters import FilterBank
from detector.pipeline import Detector
from detector.saliency.activation import ActivationSaliency
from detector.saliency.attention import AttentionSaliency
from detector.saliency.disjoint import DisjointSaliency
from detector.saliency.spectral import SpectralSaliency
from detector.saliency.whole import ConstantSaliency
from detector.spec import TILE_STEP, DetectorSpec, FaderSpec, FeatureSource, FeatureSpec, InputSpec
from detector.turn import Turner, thumbnail_size
from detector.unet import UNet

SHARED = ("backbone.", "saliency.")  # the frozen backbone: stored once for all products, never in an artifact


def build_detector(spec: DetectorSpec, backbone_weights: Mapping[str, Tensor] | None = None) -> Detector:
    """An untrained detector in eval mode; `backbone_weights` is asked for when the spec names a backbone."""
    return join_parts(spec, _backbone(spec, backbone_weights))


def join_parts(spec: DetectorSpec, backbone: Backbone | None, *, most_bytes: int | None = None) -> Detector:
    """The same around a backbone of this spec that is there already, and that others may hold too.

    Raises `WeightsMismatch` before it allocates statistics of more than `most_bytes`, where that is given.
    """
    if spec.tiles is not None and backbone is not None:
        _check_tiles(spec, backbone)
    if most_bytes is not None and (needed := statistics_bytes(spec, backbone)) > most_bytes:
        raise WeightsMismatch(f"the spec asks for {needed} bytes of statistics; the weights have {most_bytes}")
    detector = Detector(
        spec,
        saliency=_saliency(spec, backbone),
        unet=UNet(spec.unet.widths, spec.unet.kernel),
        fader=None if spec.fader is None else _fader(spec.fader),
        backbone=backbone,
        filters=FilterBank(spec.evidence.filters) if "filters" in spec.evidence.maps else None,
        evidence=build_evidence(spec, backbone),
        aligner=_aligner(spec),
    )
    return detector.eval()


def _check_tiles(spec: DetectorSpec, backbone: Backbone) -> None:
    if isinstance(backbone.network, VisionTransformer):
        raise SpecError("a ViT looks at all of a picture at once; tiles need a convolutional backbone, or none")
    coarsest = backbone.reduction(spec.evidence.backbone.levels)
    if TILE_STEP % coarsest or spec.input.height % coarsest or spec.input.width % coarsest:
        raise SpecError(
            f"with tiles, a backbone's cells of {coarsest} px must divide {TILE_STEP} px and both sides of the input, "
            f"{spec.input.width}x{spec.input.height}"
        )


def detector_weights(detector: Detector) -> dict[str, Tensor]:
    """What an artifact stores: contiguous copies on the CPU of all tensors but the frozen backbone's."""
    return {
        name: tensor.detach().cpu().contiguous().clone()
        for name, tensor in detector.state_dict().items()
        if not name.startswith(SHARED)
    }


def load_detector_weights(detector: Detector, weights: Mapping[str, Tensor]) -> None:
    """Make these tensors, not copies, those of `detector`, which moves to their device with them.

    Every one must be there, of its shape and dtype, finite, and none left over.
    """
    wanted = {name: tensor for name, tensor in detector.state_dict().items() if not name.startswith(SHARED)}
    if missing := sorted(wanted.keys() - weights.keys()):
        raise WeightsMismatch(f"{len(missing)} tensors are missing: {', '.join(missing[:3])}")
    if unknown := sorted(weights.keys() - wanted.keys()):
        raise WeightsMismatch(f"{len(unknown)} tensors belong to no part: {', '.join(unknown[:3])}")
    for name, tensor in weights.items():
        _check_tensor(name, tensor, wanted[name])
    detector.load_state_dict(dict(weights), strict=False, assign=True)


def _check_tensor(name: str, tensor: Tensor, wanted: Tensor) -> None:
    if tensor.shape != wanted.shape or tensor.dtype != wanted.dtype:
        raise WeightsMismatch(
            f"{name} is {tensor.dtype} {tuple(tensor.shape)}; the spec needs {wanted.dtype} {tuple(wanted.shape)}"
        )
    if not torch.isfinite(tensor).all():
        raise WeightsMismatch(f"{name} holds NaN or infinity")


def _aligner(spec: DetectorSpec) -> Aligner | Turner | None:
    if spec.align is None:
        return None
    kind = Turner if spec.align.turn else Aligner
    return kind(spec.align, height=spec.input.height, width=spec.input.width)


def _saliency(spec: DetectorSpec, backbone: Backbone | None) -> nn.Module:
    sigmas = spec.saliency.threshold_sigmas
    match spec.saliency.kind:
        case "attention":
            return AttentionSaliency(_needed(backbone), sigmas)
        case "activation":
            return ActivationSaliency(_needed(backbone), sigmas)
        case "spectral":
            return SpectralSaliency(sigmas)
        case "whole":
            return ConstantSaliency(1.0)
        case "none":
            return ConstantSaliency(0.0)
        case "disjoint":
            return DisjointSaliency(spec.saliency.disjoint, height=spec.input.height, width=spec.input.width)


def _backbone(spec: DetectorSpec, weights: Mapping[str, Tensor] | None) -> Backbone | None:
    if spec.backbone is None:
        return None
    if weights is None:
        raise SpecError(f"this detector needs the weights of its backbone {spec.backbone.name!r}")
    return build_backbone(spec.backbone, weights, height=spec.input.height, width=spec.input.width)


def _needed(backbone: Backbone | None) -> Backbone:
    if backbone is None:
        raise SpecError("saliency and evidence from a backbone need one")
    return backbone


def _fader(spec: FaderSpec) -> Fader:
    return Fader(patch=spec.patch, hidden=spec.hidden, slope=spec.slope, shift=spec.shift)


def build_evidence(spec: DetectorSpec, backbone: Backbone | None) -> Evidence:
    """The evidence stage alone, without statistics."""
    evidence, size = spec.evidence, spec.input
    standardiser = Standardiser(evidence.standardise, evidence.maps, height=size.height, width=size.width)
    fields: dict[str, Field] = {
        source: (NearestField if features.statistics == "nearest" else GaussianField)(
            features, channels=channels, rows=rows, columns=columns
        )
        for source, features, channels, (rows, columns) in _sources(spec, backbone)
    }
    return Evidence(evidence, fields, standardiser, tiles=spec.tiles)


def _sources(
    spec: DetectorSpec, backbone: Backbone | None
) -> Iterator[tuple[FeatureSource, FeatureSpec, int, tuple[int, int]]]:
    """Of every source of features that is read: its spec, its channels, the rows and columns of its grid."""
    evidence = spec.evidence
    if "encoder" in evidence.maps:
        channels = sum(spec.unet.widths[level] for level in evidence.encoder.levels)
        yield "encoder", evidence.encoder, channels, _grid(evidence.encoder, spec.input)
    if "filters" in evidence.maps:
        yield "filters", evidence.filters, evidence.filters.channels, _grid(evidence.filters, spec.input)
    if "backbone" in evidence.maps:
        channels = _needed(backbone).channels(evidence.backbone.levels)
        yield "backbone", evidence.backbone, channels, _grid(evidence.backbone, spec.input)


def _grid(spec: FeatureSpec, size: InputSpec) -> tuple[int, int]:
    return max(1, size.height // spec.stride), max(1, size.width // spec.stride)


def statistics_bytes(spec: DetectorSpec, backbone: Backbone | None) -> int:
    """Of the largest buffers: mean and deviation of a map, edges of good parts, whiteners and bank of a field."""
    per_location = spec.evidence.standardise == "per-location"
    total = 8 * len(spec.evidence.maps) * (spec.input.height * spec.input.width if per_location else 1)
    total += _edges_bytes(spec)
    for _, features, channels, (rows, columns) in _sources(spec, backbone):
        size = min(features.dimensions, channels)
        places = rows * columns if features.statistics == "per-location" else 1
        total += 2 * places * size**2 + (2 * features.bank * size if features.statistics == "nearest" else 0)
    return total


def _edges_bytes(spec: DetectorSpec) -> int:
    """Of the mean edges of good parts, on a thumbnail where parts turn."""
    if spec.align is None:
        return 0
    size = (spec.input.height, spec.input.width)
    rows, columns = thumbnail_size(*size) if spec.align.turn else size
    return 4 * rows * columns
