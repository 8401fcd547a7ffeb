"""The reconstruction network (EAR 4.1)."""

import pytest
import torch

from detector.unet import UNet


@pytest.mark.parametrize(
    ("widths", "kernel", "parameters"),
    [
        ((64, 128, 256, 512), 3, 9_341_187),
        ((64, 128, 256, 512), 5, 25_927_939),
        ((64, 128, 256, 512, 512), 3, 25_865_475),
        ((64, 128, 256, 512, 512), 5, 71_812_355),
    ],
)
def test_parameter_counts_are_those_of_the_authors_class(widths: tuple[int, ...], kernel: int, parameters: int) -> None:
    with torch.device("meta"):
        network = UNet(widths, kernel)
    assert sum(tensor.numel() for tensor in network.parameters()) == parameters


@pytest.fixture
def network() -> UNet:
    torch.manual_seed(0)
    return UNet((4, 8, 16), 3).eval()


@torch.no_grad()
def test_reconstruction_has_the_size_of_the_hint_and_lies_within_0_and_1(network: UNet) -> None:
    reconstruction = network(torch.rand(2, 3, 32, 48), network.open_gates())
    assert reconstruction.shape == (2, 3, 32, 48)
    assert 0 <= reconstruction.min() <= reconstruction.max() <= 1


@torch.no_grad()
def test_a_gate_of_ones_passes_the_skip_untouched(network: UNet) -> None:
    hints = torch.rand(1, 3, 32, 32)
    ones = [torch.ones(1, 1, 32, 32), torch.ones(1, 1, 16, 16)]
    assert torch.equal(network(hints, ones), network(hints, network.open_gates()))


@torch.no_grad()
def test_closed_gates_carry_no_fine_detail(network: UNet) -> None:
    """A change too small for the bottleneck's first stride reaches the output only through the skips."""
    flat = torch.full((1, 3, 32, 32), 0.5)
    closed = [torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 16, 16)]
    captured: list[torch.Tensor] = []
    network.decoders[0].merge.register_forward_pre_hook(lambda _, inputs: captured.append(inputs[0]))
    network(flat, closed)
    skip_half = captured[0][:, captured[0].shape[1] // 2 :]
    assert torch.count_nonzero(skip_half) == 0
