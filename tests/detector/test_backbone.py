"""Frozen timm networks by name, weights and input size."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file

from detector.backbone import build_backbone, create_network
from detector.errors import SpecError, WeightsMismatch
from detector.spec import BackboneSpec, PadType

HALF = (0.5, 0.5, 0.5)
SHARED = Path("../shared/weights/mobilenetv2_100_same.safetensors")


def spec(name: str, pad_type: PadType = "") -> BackboneSpec:
    return BackboneSpec(name=name, digest="0" * 64, mean=HALF, std=HALF, pad_type=pad_type)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(SpecError, match="no_such_network"):
        create_network("no_such_network", "")


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(WeightsMismatch, match="do not fit"):
        build_backbone(spec("mobilenetv2_050"), {"conv_stem.weight": torch.zeros(1)}, height=64, width=64)


def test_a_vit_takes_an_input_of_another_size_than_its_weights_were_made_for() -> None:
    weights = timm.create_model("vit_tiny_patch16_224", num_classes=0).state_dict()
    backbone = build_backbone(spec("vit_tiny_patch16_224"), weights, height=64, width=96)
    with torch.no_grad():
        assert backbone.cls_attention(torch.rand(1, 3, 64, 96)).shape == (1, 1, 4, 6)


@torch.no_grad()
def test_one_pass_gives_a_vit_s_attention_and_its_blocks_as_two_would() -> None:
    weights = timm.create_model("vit_tiny_patch16_224", num_classes=0).state_dict()
    backbone = build_backbone(spec("vit_tiny_patch16_224"), weights, height=64, width=96)
    pictures = torch.rand(2, 3, 64, 96)
    for levels in ((3, 11), (5, 10)):  # with the last block, and with the one before it, which the attention reads too
        attention, maps = backbone.attention_and_stages(pictures, levels)
        assert torch.equal(attention, backbone.cls_attention(pictures))
        assert all(map(torch.equal, maps, backbone.stages(pictures, levels)))


def test_an_input_that_is_no_multiple_of_the_patch_is_refused() -> None:
    weights = timm.create_model("vit_tiny_patch16_224", num_classes=0).state_dict()
    with pytest.raises(SpecError, match="divisible"):
        build_backbone(spec("vit_tiny_patch16_224"), weights, height=72, width=64)


def test_a_cnn_has_no_cls_attention() -> None:
    weights = timm.create_model("mobilenetv2_050", num_classes=0).state_dict()
    backbone = build_backbone(spec("mobilenetv2_050"), weights, height=64, width=64)
    with pytest.raises(SpecError, match="ViT"):
        backbone.cls_attention(torch.rand(1, 3, 64, 64))


def test_no_gradient_reaches_a_backbone() -> None:
    weights = timm.create_model("mobilenetv2_050", num_classes=0).state_dict()
    backbone = build_backbone(spec("mobilenetv2_050"), weights, height=64, width=64)
    assert not any(tensor.requires_grad for tensor in backbone.parameters())


@pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED} is not here")
def test_the_real_mobilenet_gives_maps_of_16_pixels_a_feature() -> None:
    network = create_network("mobilenetv2_100", "same")
    weights = network.state_dict() | {
        name: tensor for name, tensor in load_file(SHARED).items() if not name.startswith("classifier")
    }
    backbone = build_backbone(spec("mobilenetv2_100", "same"), weights, height=256, width=256)
    with torch.no_grad():
        features = backbone.deep_map(torch.rand(1, 3, 256, 256))
    assert features.shape == (1, 96, 16, 16)
    assert features.std() > 0.01
