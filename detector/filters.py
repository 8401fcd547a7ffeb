"""A fixed bank of oriented wavelets as a source of features: it needs no weights and no training.

In: pictures (B,3,H,W) in [0, 1]. Out: maps (B,C,h,w). Refuses nothing. A scattering transform of two orders (Mallat
2012; Bruna and Mallat 2013): the modulus of Morlet wavelets of every octave and direction says how much runs which way,
and the modulus of wavelets of the next octave over each of those maps says how that varies. The wavelets follow from
the spec by formula, so an artifact holds none.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from detector.spec import FilterSpec

SIDE = 9  # px of a wavelet; coarser octaves see a smaller picture
WAVELENGTH = 4.0  # px
SIGMA = 1.6  # px along the wave: 0.4 of its length, as in scattering networks
SLANT = 0.6  # how much further a wavelet reaches across its wave
EPSILON = 1e-12  # inside the root: the modulus of a flat place has no slope
BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


class FilterBank(nn.Module):
    """Wavelets, and the blur that halves a picture."""

    wavelets: Tensor
    blur: Tensor

    def __init__(self, spec: FilterSpec) -> None:
        super().__init__()
        taps = torch.tensor(BINOMIAL)
        self.spec = spec
        self.register_buffer("wavelets", morlets(spec.orientations), persistent=False)
        self.register_buffer("blur", torch.outer(taps, taps).view(1, 1, len(taps), -1), persistent=False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """(B,3,H,W) → colours (B,3,h,w); of each octave (B,L,h,w) and, but for the coarsest, (B,L*L,h,w)."""
        grey, maps = pictures.mean(dim=1, keepdim=True), [self._in_cells(_opponent(pictures), 0)]
        for octave in range(max(self.spec.levels) + 1):
            if octave in self.spec.levels:
                first = self._modulus(grey)
                maps.append(self._in_cells(first, octave))
                if octave < max(self.spec.levels):
                    maps.append(self._in_cells(self._modulus(self._halve(first)), octave + 1))
            grey = self._halve(grey)
        return maps

    def _in_cells(self, maps: Tensor, octave: int) -> Tensor:
        """Averaged over the cells of the grid where they fit, so that no fine map of a large picture has to be kept."""
        cell = self.spec.stride >> octave
        fits = cell > 1 and not (maps.shape[-2] % cell or maps.shape[-1] % cell or self.spec.stride % (1 << octave))
        return F.avg_pool2d(maps, cell) if fits else maps

    def _modulus(self, maps: Tensor) -> Tensor:
        """|maps * wavelets|: (B,C,h,w) → (B,C*L,h,w), the border continued."""
        batch, _, height, width = maps.shape
        padded = F.pad(maps, (SIDE // 2,) * 4, mode="replicate")
        waves = F.conv2d(padded.flatten(0, 1).unsqueeze(1), self.wavelets)
        even, odd = waves.chunk(2, dim=1)
        modulus = (even.square() + odd.square() + EPSILON).sqrt()
        return modulus.reshape(batch, -1, height, width)

    def _halve(self, maps: Tensor) -> Tensor:
        """(B,C,h,w) → (B,C,⌈h/2⌉,⌈w/2⌉) behind a binomial filter, so that no finer octave folds back."""
        channels = maps.shape[1]
        padded = F.pad(maps, (len(BINOMIAL) // 2,) * 4, mode="replicate")
        # not by rows and columns: torch computes so narrow a filter to other bits where a picture is alone
        return F.conv2d(padded, self.blur.expand(channels, -1, -1, -1), stride=2, groups=channels)


def morlets(orientations: int) -> Tensor:
    """(2L,1,SIDE,SIDE): even halves, one per direction, then odd ones; blind to flat places, the moduli sum to 1."""
    reach = torch.arange(SIDE, dtype=torch.float64) - SIDE // 2
    y, x = torch.meshgrid(reach, reach, indexing="ij")
    wavelets = []
    for step in range(orientations):
        angle = math.pi * step / orientations
        along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
        window = torch.exp(-(along.square() + (SLANT * across).square()) / (2 * SIGMA**2))
        wave = torch.polar(window, 2 * math.pi / WAVELENGTH * along)
        wave = wave - window * (wave.sum() / window.sum())
        wavelets.append(wave / wave.abs().sum())
    halves = torch.stack(wavelets)
    return torch.cat((halves.real, halves.imag)).unsqueeze(1).float()


def _opponent(pictures: Tensor) -> Tensor:
    """Grey, red against green, yellow against blue: of a grey picture the last two are exactly 0."""
    red, green, blue = pictures[:, :1], pictures[:, 1:2], pictures[:, 2:]
    return torch.cat((pictures.mean(dim=1, keepdim=True), red - green, (red + green) / 2 - blue), dim=1)
