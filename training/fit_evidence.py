"""Stage 3: what is normal, place by place: the statistics of evidence from good pictures.

In: a detector whose networks are fitted, good pictures (N,H,W,3) uint8. Out: its evidence's buffers, set in place.
Feature distributions come from the pictures that the networks were fitted on, of which there are most; what evidence
is measured in, from held-out ones, since it is smaller on the former. Once that is known, `fit_fields` may learn from
both: a distribution of a hundred directions needs every good picture there is.
Refuses: too few of either (`CalibrationError`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from detector.evidence.evidence import Field
from detector.pipeline import Detector
from detector.spec import FEATURES, FeatureSource
from training.batches import Picture, batches
from training.memory import Eye
from training.rebuild import Pictures

DIRECTIONS_FROM = 128  # pictures, evenly spread: enough for some hundred channels at a few hundred places each
FEWEST_FOR_DIRECTIONS = 16  # of large ones, which have many more places


@dataclass(frozen=True)
class _Grids:
    """Feature vectors (B,C,h,w) of pictures, asked for anew each time that they are gone through."""

    eye: Eye
    source: FeatureSource
    pictures: Pictures | Sequence[Picture]
    device: torch.device

    def __iter__(self) -> Iterator[Tensor]:
        return (self.eye.feature_grid(batch, self.source) for batch in batches(self.pictures, self.device))


def fit_evidence(detector: Detector, fitted: Pictures, held_out: Pictures, eye: Eye | None = None) -> None:
    """After both networks, since the attenuator changes the reconstructions. `eye` looks in place of the detector."""
    fit_fields(detector, fitted, eye)
    fit_scale(detector, held_out, eye)


def fit_scale(detector: Detector, held_out: Pictures, eye: Eye | None = None) -> None:
    """Only what evidence is measured in; the distributions of features stay."""
    device, eye = next(detector.unet.parameters()).device, eye or detector
    detector.evidence.standardiser.fit(eye.raw_evidence(batch) for batch in batches(held_out, device))


def fit_fields(detector: Detector, pictures: Pictures | Sequence[Picture], eye: Eye | None = None) -> None:
    """Only the distributions of features, from all these good pictures; what evidence is measured in stays."""
    device, eye = next(detector.unet.parameters()).device, eye or detector
    count = DIRECTIONS_FROM if detector.spec.tiles is None else FEWEST_FOR_DIRECTIONS
    some = pictures[:: max(1, len(pictures) // count)][:count]
    for source in FEATURES:
        if source in detector.spec.evidence.maps:
            field: Field = detector.evidence.fields[source]  # type: ignore[assignment]
            field.fit(_Grids(eye, source, some, device), _Grids(eye, source, pictures, device))
