"""TrainConfig and good pictures → the spec of the detector that will be fitted, and its backbone's weights.

In: a configuration, the store's backbones, training pictures (N,H,W,3) uint8, at least one.
Refuses: a saliency whose backbone is not in the store (`UnknownBackbone`), combinations that cannot be (`SpecError`).
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from detector.backbone import create_network
from detector.build import build_detector
from detector.errors import SpecError
from detector.pipeline import stack
from detector.scale import estimate_mosaic_scale
from detector.spec import BackboneSpec, DetectorSpec, FaderSpec, SaliencyKind, SaliencySpec
from model_store.backbones import BackboneStore
from training.config import TrainConfig
from training.fit_checks import check_masks
from training.rebuild import masks_of

SCALE_PICTURES = 32  # the mosaic scale is estimated from the mean over this many
ANY_SCALE = 2  # of a detector that never makes a mosaic: it only makes masks, hides nothing, or removes

Weights = Mapping[str, Tensor]


def choose_spec(
    config: TrainConfig, backbones: BackboneStore, pictures: npt.NDArray[np.uint8]
) -> tuple[DetectorSpec, Weights | None]:
    """Resolve every `auto` of the configuration; the weights are the backbone's, None where none is used."""
    backbone = _backbone(config, backbones)
    kind = _saliency_kind(config, backbone)
    used = backbone if kind in ("attention", "activation") else None
    if kind in ("attention", "activation") and used is None:
        raise SpecError(f"saliency {kind!r} needs a backbone: python -m model_store import-backbone")
    weights = None if used is None else backbones.load(used.digest)
    spec = _spec(config, used, kind, ANY_SCALE)
    if config.mosaic_scale != "auto":
        return _spec(config, used, kind, config.mosaic_scale), weights
    if kind == "none" or spec.saliency.hide_as == "removed":
        return spec, weights
    sample = pictures[:SCALE_PICTURES]
    masks = masks_of(build_detector(spec, weights), sample)
    check_masks(masks, kind)
    scale = estimate_mosaic_scale(stack(list(sample), torch.device("cpu")), masks)
    return _spec(config, used, kind, scale), weights


def _backbone(config: TrainConfig, backbones: BackboneStore) -> BackboneSpec | None:
    return backbones.default() if config.backbone is None else backbones.find(config.backbone)


def _saliency_kind(config: TrainConfig, backbone: BackboneSpec | None) -> SaliencyKind:
    """`auto` is attention for a ViT, activation for a CNN, spectral without a backbone."""
    if config.saliency.kind != "auto":
        return config.saliency.kind
    if backbone is None:
        return "spectral"
    return "attention" if hasattr(create_network(backbone.name, backbone.pad_type), "cls_token") else "activation"


def _spec(config: TrainConfig, backbone: BackboneSpec | None, kind: SaliencyKind, mosaic_scale: int) -> DetectorSpec:
    return DetectorSpec(
        input=config.input,
        backbone=backbone,
        saliency=_saliency(config, kind),
        mosaic_scale=mosaic_scale,
        unet=config.unet,
        fader=_fader(config),
        evidence=config.evidence,
    )


def _saliency(config: TrainConfig, kind: SaliencyKind) -> SaliencySpec:
    given = config.saliency
    return SaliencySpec(
        kind=kind, threshold_sigmas=given.threshold_sigmas, hide_as=given.hide_as, disjoint=given.disjoint
    )


def _fader(config: TrainConfig) -> FaderSpec | None:
    fader = config.fader
    if not fader.enabled:
        return None
    levels = tuple(range(len(config.unet.widths) - 1)) if fader.levels == "all" else fader.levels
    return FaderSpec(patch=fader.patch, hidden=fader.hidden, levels=levels, slope=fader.slope, shift=fader.shift)
