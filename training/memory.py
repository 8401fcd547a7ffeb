"""What the networks make of pictures, kept while several kinds of statistics are tried on the same ones.

In: a detector whose networks change no more, batches (B,3,H,W). Out: what the detector says of them; its networks see
each picture once, as long as there is room, in whatever batch it comes. Refuses nothing.
"""

import hashlib
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from detector.evidence.evidence import Clues
from detector.pipeline import Detector
from detector.spec import FEATURES, FeatureSource

ROOM = 1 << 30  # bytes, on the detector's device; a picture of 256 px takes 1 to 2 MB


class Eye(Protocol):
    """A detector, or one that remembers."""

    def raw_evidence(self, pictures: Tensor) -> Tensor:
        """`Detector.raw_evidence`."""

    def feature_grid(self, pictures: Tensor, source: FeatureSource) -> Tensor:
        """`Detector.feature_grid`."""


class Memory:
    """An eye that looks once; the detector's evidence may be another one each time."""

    def __init__(self, detector: Detector, room: int = ROOM) -> None:
        self._detector = detector
        self._room = room
        self._kept: dict[tuple[str, bytes], Tensor] = {}

    def feature_grid(self, pictures: Tensor, source: FeatureSource) -> Tensor:
        """`Detector.feature_grid`, (B,C,h,w)."""
        return self._recall(source, pictures, lambda missing: self._detector.feature_grid(missing, source))

    @torch.inference_mode()
    def raw_evidence(self, pictures: Tensor) -> Tensor:
        """`Detector.raw_evidence`, (B,M,H,W)."""
        evidence = self._detector.evidence
        grids = {source: self.feature_grid(pictures, source) for source in FEATURES if source in evidence.spec.maps}
        rebuilt = self._recall("rebuilt", pictures, self._rebuild).transpose(0, 1) if evidence.spec.residuals else None
        return evidence.raw(Clues(pictures, rebuilt, grids))

    def _rebuild(self, pictures: Tensor) -> Tensor:
        """(B,V,3,H,W)."""
        return self._detector.rebuild(pictures, self._detector.saliency(pictures)).transpose(0, 1)

    def _recall(self, what: str, pictures: Tensor, look: Callable[[Tensor], Tensor]) -> Tensor:
        """One row for each picture; those that are not known are looked at together."""
        names = [(what, hashlib.sha256(picture.cpu().numpy()).digest()) for picture in pictures]
        new = [place for place, name in enumerate(names) if name not in self._kept]
        rows = {name: self._kept[name] for name in names if name in self._kept}
        if new:
            for place, row in zip(new, look(pictures[new]), strict=True):
                rows[names[place]] = row
                self._keep(names[place], row)
        return torch.stack([rows[name] for name in names])

    def _keep(self, name: tuple[str, bytes], row: Tensor) -> None:
        size = row.numel() * row.element_size()
        if size <= self._room:
            self._room -= size
            self._kept[name] = row.clone()  # not the batch that it is part of
