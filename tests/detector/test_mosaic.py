"""The hint (EAR eq. 1)."""

import numpy as np
import pytest
import torch

from detector.mosaic import hide, mosaic
from tests.reference import maths


@pytest.mark.parametrize("scale", [1, 2, 5, 8, 30])
def test_tiles_are_means_also_where_the_scale_does_not_divide_the_sides(scale: int) -> None:
    picture = torch.rand(1, 1, 19, 23, generator=torch.Generator().manual_seed(0))
    expected = maths.mosaic(picture[0, 0].double().numpy(), scale)
    np.testing.assert_allclose(mosaic(picture, scale)[0, 0].numpy(), expected, atol=1e-6)


def test_pixels_outside_the_mask_are_untouched() -> None:
    picture = torch.rand(2, 3, 16, 16)
    mask = torch.zeros(2, 1, 16, 16)
    mask[:, :, :8] = 1
    hint = hide(picture, mask, 4)
    assert torch.equal(hint[:, :, 8:], picture[:, :, 8:])
    assert torch.equal(hint[:, :, :8], mosaic(picture, 4)[:, :, :8])
