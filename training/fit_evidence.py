"""Stage 3: what is normal, place by place: the statistics of evidence from good pictures.

In: a detector whose networks are fitted, good pictures (N,H,W,3) uint8. Out: its evidence's buffers, set in place.
Feature distributions come from the pictures that the networks were fitted on, of which there are most; what evidence
is measured in, from held-out ones, since it is smaller on the former. Once that is known, `fit_fields` may learn from
both: a distribution of a hundred directions needs every good picture there is.
Refuses: too few of either (`CalibrationError`).
"""

from collections.abc import Iterator

from torch import Tensor

from detector.evidence.gaussian import GaussianField
from detector.pipeline import Detector, stack
from detector.spec import FEATURES
from training.rebuild import Pictures

BATCH_SIZE = 16
DIRECTIONS_FROM = 128  # pictures, evenly spread: enough for some hundred channels at a few hundred places each


def fit_evidence(detector: Detector, fitted: Pictures, held_out: Pictures) -> None:
    """After both networks, since the attenuator changes the reconstructions."""
    fit_fields(detector, fitted)
    fit_scale(detector, held_out)


def fit_scale(detector: Detector, held_out: Pictures) -> None:
    """Only what evidence is measured in; the distributions of features stay."""
    detector.evidence.standardiser.fit(detector.raw_evidence(batch) for batch in _batches(detector, held_out))


def fit_fields(detector: Detector, pictures: Pictures) -> None:
    """Only the distributions of features, from all these good pictures; what evidence is measured in stays."""
    some = pictures[:: max(1, len(pictures) // DIRECTIONS_FROM)][:DIRECTIONS_FROM]
    for source in FEATURES:
        if source in detector.spec.evidence.maps:
            field: GaussianField = detector.evidence.fields[source]  # type: ignore[assignment]
            field.fit(
                (detector.feature_grid(batch, source) for batch in _batches(detector, some)),
                (detector.feature_grid(batch, source) for batch in _batches(detector, pictures)),
            )


def _batches(detector: Detector, pictures: Pictures) -> Iterator[Tensor]:
    device = next(detector.unet.parameters()).device
    for start in range(0, len(pictures), BATCH_SIZE):
        yield stack(list(pictures[start : start + BATCH_SIZE]), device)
