"""The attenuator (FADeR)."""

import torch

from detector.fader import Fader, gates_for_levels


def make_fader() -> Fader:
    torch.manual_seed(0)
    return Fader(patch=8, hidden=64, slope=2.0, shift=3.0)


def test_it_is_the_two_layer_mlp_of_12417_parameters() -> None:
    assert sum(tensor.numel() for tensor in make_fader().parameters()) == 12_417


@torch.no_grad()
def test_the_convolutions_equal_an_mlp_on_flattened_patches() -> None:
    fader = make_fader()
    hint = torch.rand(1, 3, 16, 16)
    patch = hint[:, :, 8:, :8].reshape(1, -1)
    hidden = torch.nn.functional.gelu(patch @ fader.first.weight.flatten(1).T + fader.first.bias)
    expected = hidden @ fader.second.weight.flatten(1).T + fader.second.bias
    torch.testing.assert_close(fader(hint)[0, 0, 1, 0], expected[0, 0])


@torch.no_grad()
def test_a_larger_predicted_error_closes_the_gate_further() -> None:
    fader = make_fader()
    hints = torch.rand(4, 3, 32, 32)
    predicted = fader(hints)
    fader.standardise(predicted)
    order = predicted.flatten().argsort()
    gates = fader.gate(hints).flatten()[order]
    assert (gates.diff() <= 0).all()
    assert 0 < gates[-1] < gates[0] < 1


@torch.no_grad()
def test_ordinary_good_patches_pass_and_extraordinary_ones_are_cut() -> None:
    fader = make_fader()
    hints = torch.rand(4, 3, 32, 32)
    fader.standardise(fader(hints))
    assert fader.gate(hints).median() > 0.99
    fader.mean -= 10 * fader.deviation  # now every patch is predicted 10 deviations worse than good ones
    assert fader.gate(hints).max() < 0.1


def test_each_attenuated_level_gets_a_gate_of_its_own_size() -> None:
    gates = gates_for_levels(torch.rand(2, 1, 4, 6), (0, 2), skips=3, height=32, width=48)
    assert [None if gate is None else tuple(gate.shape) for gate in gates] == [(2, 1, 32, 48), None, (2, 1, 8, 12)]
