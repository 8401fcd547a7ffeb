"""How parts lie against where good ones do, and maps moved by it, there and back.

In: maps (B,C,H,W). Out: maps of the same shape, and which of their pixels are known. Refuses nothing.
A shift is by whole pixels and copies them. A turn has to interpolate, and does so once.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


class Motion(Protocol):
    """Of a batch of pictures, each its own."""

    def move(self, maps: Tensor) -> Tensor:
        """(B,C,H,W) → (B,C,H,W), every part where good ones lie; the border goes on beyond it."""

    def is_known(self, maps: Tensor) -> Tensor:
        """(B,1,H,W) bool: which pixels of `move(maps)` stood in `maps`, and do not only go on with its border."""

    def inverse(self) -> "Motion":
        """The motion back."""


@dataclass(frozen=True)
class Shift:
    """By whole pixels: what a picture loses at one edge is all that it loses."""

    offsets: Tensor
    """(B,2) int64: rows down and columns right by which a part lies from where it should."""

    def move(self, maps: Tensor) -> Tensor:
        """Pixel (y,x) is what stood at (y,x) + offset."""
        rows, columns = self._sources(maps)
        height, width = maps.shape[-2:]
        batch = torch.arange(len(maps), device=maps.device).view(-1, 1, 1)
        moved = maps.permute(0, 2, 3, 1)[
            batch, rows.clamp(0, height - 1).unsqueeze(2), columns.clamp(0, width - 1).unsqueeze(1)
        ]
        return moved.permute(0, 3, 1, 2).contiguous()

    def is_known(self, maps: Tensor) -> Tensor:
        """As of any motion."""
        rows, columns = self._sources(maps)
        height, width = maps.shape[-2:]
        in_rows, in_columns = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
        return (in_rows.unsqueeze(2) & in_columns.unsqueeze(1)).unsqueeze(1)

    def inverse(self) -> "Shift":
        """The shift back."""
        return Shift(-self.offsets)

    def _sources(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (B,H) and columns (B,W) that pixels are taken from; some may lie outside."""
        height, width = maps.shape[-2:]
        rows = torch.arange(height, device=maps.device) + self.offsets[:, :1]
        return rows, torch.arange(width, device=maps.device) + self.offsets[:, 1:]


@dataclass(frozen=True)
class Turn:
    """About the middle of the picture, and a shift of any part of a pixel."""

    matrices: Tensor
    """(B,2,3) float32, rows before columns: what lies at p from the middle stood at A · p + t."""

    def move(self, maps: Tensor) -> Tensor:
        """Bilinear."""
        places = self._sources(maps)
        return F.grid_sample(maps, places, mode="bilinear", padding_mode="border", align_corners=False)

    def is_known(self, maps: Tensor) -> Tensor:
        """As of any motion."""
        return (self._sources(maps).abs() <= 1).all(dim=3).unsqueeze(1)

    def inverse(self) -> "Turn":
        """The turn back."""
        back = torch.linalg.inv(self.matrices[:, :, :2])
        return Turn(torch.cat((back, -back @ self.matrices[:, :, 2:]), dim=2))

    def _sources(self, maps: Tensor) -> Tensor:
        """(B,H,W,2), columns before rows, in halves of the sides from the middle: grid_sample's measure."""
        height, width = maps.shape[-2:]
        rows = torch.arange(height, device=maps.device) - (height - 1) / 2
        columns = torch.arange(width, device=maps.device) - (width - 1) / 2
        matrices = self.matrices[:, :, None, None, :]
        sources = matrices[..., 0] * rows[:, None] + matrices[..., 1] * columns + matrices[..., 2]
        return torch.stack((sources[:, 1] / (width / 2), sources[:, 0] / (height / 2)), dim=3)
