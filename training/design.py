"""TrainConfig and good pictures → the spec of the detector that will be fitted, and its backbone's weights.

In: a configuration, the store's backbones, training pictures (N,H,W,3) uint8, or windows of them, at least one.
Refuses: a saliency whose backbone is not in the store (`UnknownBackbone`), combinations that cannot be (`SpecError`),
statistics that do not fit into memory (`StatisticsTooLarge`).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from detector.backbone import build_backbone, create_network
from detector.build import build_detector
from detector.errors import SpecError
from detector.pipeline import stack
from detector.scale import estimate_mosaic_scale
from detector.spec import (
    BackboneSpec,
    DetectorSpec,
    EvidenceMap,
    EvidenceSpec,
    FaderSpec,
    SaliencyKind,
    SaliencySpec,
)
from model_store.backbones import BackboneStore
from training.config import TrainConfig
from training.fit_checks import check_masks
from training.rebuild import masks_of
from training.statistics_size import settle_statistics

SCALE_PICTURES = 32  # the mosaic scale is estimated from the mean over this many
ANY_SCALE = 2  # of a detector that never makes a mosaic: it only makes masks, hides nothing, or removes

Weights = Mapping[str, Tensor]


def choose_spec(
    config: TrainConfig, backbones: BackboneStore, pictures: npt.NDArray[np.uint8]
) -> tuple[DetectorSpec, Weights | None]:
    """Resolve every `auto` of the configuration; the weights are the backbone's, None where none is used."""
    backbone = _backbone(config, backbones)
    kind = _saliency_kind(config, backbone)
    hides_by_it = kind in ("attention", "activation")
    if backbone is None and (hides_by_it or "backbone" in config.evidence.maps):
        raise SpecError(f"{kind!r} saliency or this evidence needs a backbone: python -m model_store import-backbone")
    used = backbone if hides_by_it or "backbone" in config.evidence.maps or config.features == "auto" else None
    weights = None if used is None else backbones.load(used.digest)
    spec = _fitting(_spec(config, used, kind, ANY_SCALE), config, weights)
    if config.mosaic_scale != "auto":
        return replace(spec, mosaic_scale=config.mosaic_scale), weights
    if kind == "none" or spec.saliency.hide_as == "removed":
        return spec, weights
    sample = pictures[:SCALE_PICTURES]
    masks = masks_of(build_detector(spec, weights), sample)  # of windows of large pictures: by themselves
    check_masks(masks, kind)
    scale = estimate_mosaic_scale(stack(list(sample), torch.device("cpu")), masks)
    return replace(spec, mosaic_scale=scale), weights


def _fitting(spec: DetectorSpec, config: TrainConfig, weights: Weights | None) -> DetectorSpec:
    """With statistics that fit into memory."""
    backbone = None
    if spec.backbone is not None and weights is not None:
        backbone = build_backbone(spec.backbone, weights, height=spec.input.height, width=spec.input.width)
    return settle_statistics(spec, backbone, auto=config.statistics == "auto")


def _backbone(config: TrainConfig, backbones: BackboneStore) -> BackboneSpec | None:
    return backbones.default() if config.backbone is None else backbones.find(config.backbone)


def _saliency_kind(config: TrainConfig, backbone: BackboneSpec | None) -> SaliencyKind:
    """`auto` is attention for a ViT, as in EAR; else spectral, which costs no pass through a backbone."""
    if config.saliency.kind != "auto":
        return config.saliency.kind
    is_vit = backbone is not None and hasattr(create_network(backbone.name, backbone.pad_type), "cls_token")
    return "attention" if is_vit else "spectral"


def _spec(config: TrainConfig, backbone: BackboneSpec | None, kind: SaliencyKind, mosaic_scale: int) -> DetectorSpec:
    return DetectorSpec(
        input=config.input,
        backbone=backbone,
        saliency=_saliency(config, kind),
        mosaic_scale=mosaic_scale,
        unet=config.unet,
        fader=_fader(config),
        evidence=_evidence(config, backbone),
        tiles=config.tiles,
    )


def _evidence(config: TrainConfig, backbone: BackboneSpec | None) -> EvidenceSpec:
    """The maps of the configuration and, where it leaves features to us, those that are to be had."""
    evidence = config.evidence
    if config.features == "as-told":
        return evidence
    if backbone is None:
        return _with_map(evidence, "filters")
    deepest = len(config.unet.widths) - 1
    levels = tuple(level for level in evidence.encoder.levels if level <= deepest) or (deepest,)
    evidence = _with_map(evidence, "encoder")
    evidence = replace(evidence, encoder=replace(evidence.encoder, levels=levels))
    levels = _backbone_levels(backbone, evidence.backbone.levels)
    evidence = _with_map(evidence, "backbone")
    return replace(evidence, backbone=replace(evidence.backbone, levels=levels))


def _with_map(evidence: EvidenceSpec, name: EvidenceMap) -> EvidenceSpec:
    return evidence if name in evidence.maps else replace(evidence, maps=(*evidence.maps, name))


def _backbone_levels(backbone: BackboneSpec, given: tuple[int, ...]) -> tuple[int, ...]:
    """A CNN's stages as given; of a ViT, whose blocks all have one size, half, three quarters and almost its depth."""
    network: Any = create_network(backbone.name, backbone.pad_type)
    depth = len(network.feature_info)
    if hasattr(network, "cls_token"):
        return tuple(sorted({depth // 2 - 1, 3 * depth // 4 - 1, depth - 2}))
    return tuple(level for level in given if level < depth) or (depth - 1,)


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
