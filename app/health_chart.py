"""Image health of late against the pictures of calibration: which measure has moved, in multiples of what is tolerated.

In: the health of each part's picture. Out: `Shifts`. Refuses nothing. Where a manifest has no reference, from before it
was measured, the first LEARN pictures are one.
An EWMA (λ = 0.05, some 40 pictures) of a process in control has a standard deviation of 0.16 between-picture spreads
(√(λ / (2 − λ))), so a limit of one whole spread is no matter of chance: it says that the average picture of now lies
where one picture in three lay at calibration. The usual 3 of its own standard deviations would be passed with each
new lot, and by the error of a reference of some 80 pictures (Jones, Champ & Rigdon 2001, Technometrics 43).
"""

from dataclasses import asdict, dataclass

from app.control_chart import Ewma
from app.image_health import ImageHealth
from detector.image_health import HealthReference, summarise

WEIGHT = 0.05
LEARN = 100
LEAST_SHARE = 0.05
"""Of the centre: a drawn or a very steady picture has no spread, and a lamp is allowed to flicker."""
LEAST_SATURATED = 0.01
"""Of the pixels; the spread of a share near 0 says little."""
FARTHEST = 3.0
"""Tolerances that one picture counts at most (winsorised): shares have long tails, and one picture is no drift."""
TINY = 1e-9  # a reference of black pictures divides by nothing
MEASURES = ("mean", "contrast", "sharpness", "saturated_share")


@dataclass(frozen=True)
class Shifts:
    """Distance of each measure from its centre, in multiples of its tolerance; beyond ±1 it is out of control."""

    mean: float = 0.0
    contrast: float = 0.0
    sharpness: float = 0.0
    saturated_share: float = 0.0


class HealthChart:
    """An EWMA for each measure."""

    def __init__(self, reference: HealthReference | None) -> None:
        self.reference = reference
        self._learned: list[ImageHealth] = []
        self._charts = {measure: Ewma(0.0, WEIGHT) for measure in MEASURES}

    def add(self, health: ImageHealth) -> None:
        """The next picture."""
        if self.reference is None:
            self._learned.append(health)
            if len(self._learned) == LEARN:
                self.reference, self._learned = summarise(self._learned), []
            return
        centre, values = asdict(self.reference.centre), asdict(health)
        for measure, tolerance in _tolerances(self.reference).items():
            shift = (values[measure] - centre[measure]) / tolerance
            self._charts[measure].add(max(-FARTHEST, min(FARTHEST, shift)))

    @property
    def shifts(self) -> Shifts:
        """All 0 while the reference is learned."""
        return Shifts(**{measure: chart.value for measure, chart in self._charts.items()})

    @property
    def now(self) -> ImageHealth | None:
        """The averages of late; None while the reference is learned."""
        if self.reference is None:
            return None
        centre, tolerances = asdict(self.reference.centre), _tolerances(self.reference)
        return ImageHealth(
            **{measure: centre[measure] + self._charts[measure].value * tolerances[measure] for measure in MEASURES}
        )


def _tolerances(reference: HealthReference) -> dict[str, float]:
    """Spread between pictures, or what is allowed where there is hardly any."""
    centre, spread = asdict(reference.centre), asdict(reference.spread)
    least = {measure: LEAST_SHARE * centre[measure] for measure in MEASURES} | {"saturated_share": LEAST_SATURATED}
    return {measure: max(spread[measure], least[measure], TINY) for measure in MEASURES}
