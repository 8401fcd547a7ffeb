"""Masks: one threshold rule, four sources."""

import numpy as np
import pytest
import timm
import torch

from detector.backbone import Backbone
from detector.saliency.activation import ActivationSaliency
from detector.saliency.attention import AttentionSaliency
from detector.saliency.mask import threshold_mask
from detector.saliency.spectral import SpectralSaliency, spectral_residual
from detector.saliency.whole import ConstantSaliency
from detector.spec import BackboneSpec

HALF = (0.5, 0.5, 0.5)


def backbone(name: str) -> Backbone:
    torch.manual_seed(0)
    network = timm.create_model(name, pretrained=False, num_classes=0)
    return Backbone(network, BackboneSpec(name=name, digest="0" * 64, mean=HALF, std=HALF))


def test_a_pixel_is_salient_above_the_mean_plus_0_674_deviations_of_its_own_picture() -> None:
    saliency = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * torch.tensor([1, 5, 9]).view(
        3, 1, 1, 1
    )
    mask = threshold_mask(saliency, sigmas=0.674, height=8, width=8, mode="nearest")
    for picture, got in zip(saliency.numpy(), mask.numpy(), strict=True):
        assert np.array_equal(got, picture > picture.mean() + 0.674 * picture.std())


@torch.no_grad()
def test_cls_attention_equals_that_of_the_whole_network() -> None:
    """timm's unfused attention with a hook on the softmax output computes everything; ours only the CLS row."""
    body = backbone("vit_tiny_patch16_224")
    pictures = torch.rand(2, 3, 224, 224)
    last = body.network.blocks[-1].attn
    last.fused_attn = False
    captured: list[torch.Tensor] = []
    last.attn_drop.register_forward_hook(lambda _, __, output: captured.append(output))
    body.network((pictures - 0.5) / 0.5)
    expected = captured[0][:, :, 0, 1:].mean(dim=1).reshape(2, 1, 14, 14)
    torch.testing.assert_close(body.cls_attention(pictures), expected)


@torch.no_grad()
def test_attention_mask_is_made_of_whole_patches() -> None:
    mask = AttentionSaliency(backbone("vit_tiny_patch16_224"), 0.674)(torch.rand(1, 3, 224, 224))
    patches = mask.reshape(14, 16, 14, 16)
    assert torch.equal(patches.amin(dim=(1, 3)), patches.amax(dim=(1, 3)))
    assert 0 < mask.mean() < 0.5


@torch.no_grad()
def test_activation_mask_covers_a_part_of_the_picture() -> None:
    mask = ActivationSaliency(backbone("mobilenetv2_050"), 0.674)(torch.rand(2, 3, 64, 64))
    assert mask.shape == (2, 1, 64, 64)
    assert 0 < mask.mean() < 0.5


def test_spectral_mask_finds_the_odd_one_out() -> None:
    y, x = torch.meshgrid(torch.arange(128), torch.arange(128), indexing="ij")
    noise = torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(0))
    picture = (0.5 + 0.05 * noise).expand(1, 3, 128, 128).clone()
    picture[:, :, 40:52, 80:92] = 0.9
    mask = SpectralSaliency(0.674)(picture)
    inside = ((y >= 36) & (y < 56) & (x >= 76) & (x < 96)).expand(1, 1, 128, 128)
    assert mask[inside].mean() > 0.8
    assert mask[~inside].mean() < 0.1


def test_borders_that_differ_draw_no_spectral_mask_to_themselves() -> None:
    """A lamp at the right: in the endless wall of a Fourier transform, the one border that stands out."""
    texture = torch.randn(16, 1, 128, 128, generator=torch.Generator().manual_seed(0))
    pictures = (0.05 * texture + torch.linspace(0.2, 0.8, 128)).expand(16, 3, 128, 128)
    covered = SpectralSaliency(0.674)(pictures).mean(dim=(0, 1, 2))
    assert max(covered[:8].mean(), covered[-8:].mean()) < covered[8:-8].mean()
    assert 0.5 < covered[8:64].mean() / covered[64:-8].mean() < 2


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_a_flat_picture_has_a_finite_saliency(level: float) -> None:
    assert torch.isfinite(spectral_residual(torch.full((1, 3, 96, 64), level))).all()


@pytest.mark.parametrize("hidden", [0.0, 1.0])
def test_constant_masks_do_not_look_at_the_picture(hidden: float) -> None:
    assert torch.equal(ConstantSaliency(hidden)(torch.rand(2, 3, 8, 4)), torch.full((2, 1, 8, 4), hidden))
