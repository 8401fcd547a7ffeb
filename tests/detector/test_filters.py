"""The fixed bank of wavelets: what it sees, and that nothing of it has to be stored."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from detector.build import build_detector, detector_weights, load_detector_weights
from detector.errors import SpecError
from detector.evidence.features import to_grid
from detector.filters import EPSILON, SIDE, FilterBank, morlets
from detector.spec import DetectorSpec, EvidenceSpec, FilterSpec, InputSpec, UNetSpec
from tests.reference import maths

SMALL = FilterSpec(levels=(0, 1), orientations=4, stride=1)


def stripes(angle: float, wavelength: float = 4.0) -> torch.Tensor:
    """(1,3,48,64), grey, waves along `angle`."""
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(64.0), indexing="ij")
    wave = 0.5 + 0.4 * torch.sin(2 * math.pi / wavelength * (x * math.cos(angle) + y * math.sin(angle)))
    return wave.expand(1, 3, -1, -1)


def test_first_order_equals_numpy() -> None:
    picture = torch.rand(1, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    seen = FilterBank(SMALL)(picture)[1][0]
    waves = morlets(SMALL.orientations)[:, 0].double().numpy()
    expected = maths.modulus(picture[0].double().mean(dim=0).numpy(), waves)
    assert seen.shape == (4, 20, 24)
    np.testing.assert_allclose(seen.numpy(), np.maximum(expected, EPSILON**0.5), atol=1e-6)


def test_a_flat_picture_has_its_colour_and_nothing_else() -> None:
    colours, *moduli = FilterBank(SMALL)(torch.full((1, 3, 32, 32), 0.7))
    torch.testing.assert_close(colours[0, :, 0, 0], torch.tensor([0.7, 0.0, 0.0]))
    assert max(maps.max().item() for maps in moduli) < 1e-5


@pytest.mark.parametrize("step", range(4))
def test_stripes_are_seen_by_the_wavelet_that_runs_along_them(step: int) -> None:
    first = FilterBank(SMALL)(stripes(math.pi * step / 4))[1]
    assert first[0, :, 12:-12, 12:-12].mean(dim=(1, 2)).argmax().item() == step


@pytest.mark.parametrize(("wavelength", "strongest"), [(4.0, 0), (8.0, 1)])
def test_waves_twice_as_long_belong_to_the_next_octave(wavelength: float, strongest: int) -> None:
    _, fine, _, coarse = FilterBank(SMALL)(stripes(0.0, wavelength))
    means = [maps[0, 0].mean().item() for maps in (fine, coarse)]
    assert means[strongest] > 1.5 * means[1 - strongest]


def test_second_order_tells_waves_that_come_and_go_from_steady_ones() -> None:
    steady = stripes(0.0)
    beating = 0.5 + (steady - 0.5) * (0.5 + 0.5 * torch.sin(torch.arange(64.0) * 2 * math.pi / 16))
    bank = FilterBank(SMALL)
    second = [bank(picture)[2][0, 0, 8:-8, 8:-8].mean() for picture in (steady, beating)]
    assert second[1] > 5 * second[0]


def test_a_picture_alone_has_the_bits_that_it_has_among_others() -> None:
    pictures = torch.rand(5, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    bank = FilterBank(FilterSpec(levels=(0, 1, 2, 3, 4), orientations=6))
    for together, alone in zip(bank(pictures), bank(pictures[2:3]), strict=True):
        assert torch.equal(together[2:3], alone)


def test_maps_come_averaged_over_the_cells_of_the_grid_where_these_fit() -> None:
    bank, cells = FilterBank(SMALL), FilterBank(replace(SMALL, stride=8))
    picture = torch.rand(1, 3, 32, 48)
    for fine, coarse in zip(bank(picture), cells(picture), strict=True):
        torch.testing.assert_close(coarse, to_grid([fine], 4, 6))
    assert cells(torch.rand(1, 3, 33, 48))[1].shape == (1, 4, 33, 48)


def test_channels_are_as_announced_and_the_smallest_input_reaches_the_coarsest_octave() -> None:
    spec = FilterSpec(levels=(1, 3, 5), orientations=3)
    seen = FilterBank(spec)(torch.rand(1, 3, 32, 32))
    assert sum(maps.shape[1] for maps in seen) == spec.channels == 3 + 3 * 3 + 2 * 9


def test_an_artifact_holds_statistics_but_no_wavelet() -> None:
    evidence = EvidenceSpec(maps=("filters",), filters=replace(SMALL, stride=8))
    spec = DetectorSpec(
        input=InputSpec(height=32, width=48), unet=UNetSpec(widths=(4, 8)), fader=None, evidence=evidence
    )
    detector, again = build_detector(spec), build_detector(spec)
    weights = detector_weights(detector)
    assert not any(SIDE in tensor.shape or name.startswith("filters") for name, tensor in weights.items())
    assert weights["evidence.fields.filters.mean"].shape == (4 * 6, 27)
    load_detector_weights(again, weights)
    pictures = torch.rand(2, 3, 32, 48)
    assert torch.equal(again(pictures).heatmap, detector(pictures).heatmap)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [({"levels": (0, 6)}, "octaves"), ({"levels": (0,), "orientations": 0}, "orientations"), ({"levels": ()}, "depth")],
)
def test_a_bank_that_cannot_be_is_refused(wrong: dict[str, object], reason: str) -> None:
    with pytest.raises(SpecError, match=reason):
        FilterSpec(**wrong)  # type: ignore[arg-type]
