"""Spec and weights → detector, and back."""

import dataclasses

import pytest
import timm
import torch

from detector.build import build_detector, detector_weights, join_parts, load_detector_weights
from detector.errors import SpecError, WeightsMismatch
from detector.pipeline import Detector, score_together
from detector.spec import (
    AlignSpec,
    BackboneSpec,
    DetectorSpec,
    EvidenceSpec,
    FaderSpec,
    FeatureSpec,
    InputSpec,
    SaliencySpec,
    UNetSpec,
)

HALF = (0.5, 0.5, 0.5)
TINY = DetectorSpec(
    input=InputSpec(height=32, width=32),
    mosaic_scale=4,
    unet=UNetSpec(widths=(4, 8)),
    fader=FaderSpec(patch=8, hidden=4, levels=(0,)),
)
WITH_BACKBONE = DetectorSpec(
    input=InputSpec(height=64, width=64),
    backbone=BackboneSpec(name="mobilenetv2_050", digest="0" * 64, mean=HALF, std=HALF),
    saliency=SaliencySpec(kind="activation"),
    unet=UNetSpec(widths=(4, 8)),
    fader=None,
)


def make_detector(seed: int) -> Detector:
    torch.manual_seed(seed)
    return build_detector(TINY)


def test_weights_carry_a_detector_over_exactly() -> None:
    first, second, pictures = make_detector(0), make_detector(1), torch.rand(2, 3, 32, 32)
    assert not torch.equal(first(pictures).score, second(pictures).score)
    load_detector_weights(second, detector_weights(first))
    assert torch.equal(first(pictures).score, second(pictures).score)


def test_a_detector_is_built_in_eval_mode() -> None:
    assert not any(module.training for module in make_detector(0).modules())


def test_the_frozen_backbone_is_never_among_the_weights() -> None:
    backbone = timm.create_model("mobilenetv2_050", num_classes=0).state_dict()
    weights = detector_weights(build_detector(WITH_BACKBONE, backbone))
    assert weights
    assert not [name for name in weights if "backbone" in name]


def test_a_backbone_saliency_without_its_weights_is_refused() -> None:
    with pytest.raises(SpecError, match="needs the weights"):
        build_detector(WITH_BACKBONE)


def test_a_missing_tensor_is_refused() -> None:
    weights = detector_weights(make_detector(0))
    del weights["fader.mean"]
    with pytest.raises(WeightsMismatch, match=r"missing: fader\.mean"):
        load_detector_weights(make_detector(1), weights)


def test_a_tensor_too_many_is_refused() -> None:
    weights = detector_weights(make_detector(0)) | {"extra": torch.zeros(1)}
    with pytest.raises(WeightsMismatch, match="no part: extra"):
        load_detector_weights(make_detector(1), weights)


@pytest.mark.parametrize("tensor", [torch.zeros(3), torch.zeros((), dtype=torch.float64)])
def test_another_shape_or_dtype_is_refused(tensor: torch.Tensor) -> None:
    weights = detector_weights(make_detector(0)) | {"fader.mean": tensor}
    with pytest.raises(WeightsMismatch, match="the spec needs"):
        load_detector_weights(make_detector(1), weights)


def test_a_tensor_with_nan_is_refused() -> None:
    weights = detector_weights(make_detector(0)) | {"fader.mean": torch.tensor(float("nan"))}
    with pytest.raises(WeightsMismatch, match="NaN"):
        load_detector_weights(make_detector(1), weights)


def test_statistics_that_the_weights_could_not_fill_are_not_allocated() -> None:
    spec = dataclasses.replace(
        TINY,
        input=InputSpec(height=4096, width=4096),
        evidence=EvidenceSpec(maps=("encoder",), encoder=FeatureSpec(levels=(0,), stride=1, dimensions=1024)),
    )
    with pytest.raises(WeightsMismatch, match="bytes of statistics"):
        join_parts(spec, None, most_bytes=1 << 20)


def test_products_of_one_backbone_see_alike_and_assess_apart() -> None:
    backbone = timm.create_model("mobilenetv2_050", num_classes=0).state_dict()
    spec = dataclasses.replace(WITH_BACKBONE, evidence=EvidenceSpec(maps=("l1", "backbone")))
    first = build_detector(spec, backbone)
    torch.manual_seed(7)
    second = build_detector(dataclasses.replace(spec, unet=UNetSpec(widths=(8, 8)), align=AlignSpec(reach=4)), backbone)
    assert first.spec.sight == second.spec.sight
    groups = [(first, torch.rand(2, 3, 64, 64)), (second, torch.rand(3, 3, 64, 64))]
    for (detector, pictures), together in zip(groups, score_together(groups), strict=True):
        alone = [detector(picture[None]) for picture in pictures]
        torch.testing.assert_close(together.score, torch.cat([it.score for it in alone]), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(together.heatmap, torch.cat([it.heatmap for it in alone]), rtol=1e-4, atol=1e-5)


def test_a_vit_that_makes_the_mask_and_is_evidence_runs_once() -> None:
    vit = BackboneSpec(name="vit_tiny_patch16_224", digest="0" * 64, mean=HALF, std=HALF)
    evidence = EvidenceSpec(maps=("l1", "backbone"), backbone=FeatureSpec(levels=(1, 3), stride=16, dimensions=8))
    spec = dataclasses.replace(WITH_BACKBONE, saliency=SaliencySpec(kind="attention"), backbone=vit, evidence=evidence)
    detector = build_detector(spec, timm.create_model("vit_tiny_patch16_224", num_classes=0).state_dict())
    passes: list[int] = []
    detector.saliency.backbone.network.blocks[0].register_forward_hook(lambda *_: passes.append(1))
    sight = detector.see(torch.rand(1, 3, spec.input.height, spec.input.width))
    assert (len(passes), len(sight.features)) == (1, 2)


def test_what_reads_no_backbone_or_another_one_is_seen_by_itself() -> None:
    assert TINY.sight is None
    other = dataclasses.replace(WITH_BACKBONE, input=InputSpec(height=96, width=64))
    assert WITH_BACKBONE.sight != other.sight
