"""The reconstruction network (EAR 4.1; METHOD.md 2.3).

In: hints (B,3,H,W) in [0, 1], and a gate for each skip connection. Out: reconstructions (B,3,H,W) in (0, 1).
Sides must be multiples of 2 ** (number of widths - 1). Knows no numbers: `build` does.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

CHANNELS = 3


def convolution(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """conv → BN → LeakyReLU, the unit of which the whole network is made."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2),
        nn.BatchNorm2d(channels_out),
        nn.LeakyReLU(inplace=True),
    )


class Encoder(nn.Module):
    """Two convolutions, after which the skip leaves, and one of stride 2."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            convolution(channels_in, channels_out, kernel), convolution(channels_out, channels_out, kernel)
        )
        self.down = convolution(channels_out, channels_out, kernel, stride=2)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """(B,C,H,W) → skip (B,D,H,W), maps for the next level (B,D,H/2,W/2)."""
        skip = self.features(maps)
        return skip, self.down(skip)


class Decoder(nn.Module):
    """Nearest x2 and a convolution, then two convolutions over the result beside the skip."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int) -> None:
        super().__init__()
        self.up = nn.Sequential(nn.Upsample(scale_factor=2), convolution(channels_in, channels_out, kernel))
        self.merge = nn.Sequential(
            convolution(2 * channels_out, channels_out, kernel), convolution(channels_out, channels_out, kernel)
        )

    def forward(self, maps: Tensor, skip: Tensor) -> Tensor:
        """(B,C,H/2,W/2) and (B,D,H,W) → (B,D,H,W)."""
        merged: Tensor = self.merge(torch.cat((self.up(maps), skip), dim=1))
        return merged


class UNet(nn.Module):
    """One encoder and decoder per width but the last, which is the bottleneck's."""

    def __init__(self, widths: Sequence[int], kernel: int) -> None:
        super().__init__()
        *levels, deepest = widths
        inputs = (CHANNELS, *levels[:-1])
        self.encoders = nn.ModuleList(
            Encoder(before, width, kernel) for before, width in zip(inputs, levels, strict=True)
        )
        self.bottleneck = nn.Sequential(convolution(levels[-1], deepest, kernel), convolution(deepest, deepest, kernel))
        # finest first, like the encoders; each is fed by the width one level deeper
        self.decoders = nn.ModuleList(
            Decoder(deeper, width, kernel) for width, deeper in zip(levels, widths[1:], strict=True)
        )
        # sigmoid is ours: the author's clamp has no gradient outside [0, 1]
        self.picture = nn.Sequential(nn.Conv2d(levels[0], CHANNELS, kernel, padding=kernel // 2), nn.Sigmoid())

    def forward(self, hints: Tensor, gates: Sequence[Tensor | None]) -> Tensor:
        """(B,3,H,W) → (B,3,H,W). gates[l], (B,1,H/2^l,W/2^l) in [0, 1], multiplies skip l; None lets it pass."""
        *skips, maps = self.encode(hints)
        for decoder, skip, gate in zip(reversed(self.decoders), reversed(skips), reversed(gates), strict=True):
            maps = decoder(maps, skip if gate is None else skip * gate)
        reconstructions: Tensor = self.picture(maps)
        return reconstructions

    def open_gates(self) -> tuple[None, ...]:
        """Gates that let every skip connection pass: the plain EAR network."""
        return (None,) * len(self.encoders)

    def encode(self, hints: Tensor) -> list[Tensor]:
        """(B,3,H,W) → what the encoder sees, finest first: every skip, then the bottleneck."""
        maps, seen = hints, []
        for encoder in self.encoders:
            skip, maps = encoder(maps)
            seen.append(skip)
        return [*seen, self.bottleneck(maps)]
