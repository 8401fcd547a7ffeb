"""Has something changed since calibration, and is it the lamp or the product?

In: score and image health of each part, by product and station. Out: `DriftReport`s. Refuses nothing.
Three views of the same parts: scores of good-judged ones against the calibration sample (app/score_distance.py), the
reject rate (app/control_chart.py), pictures as pictures (app/health_chart.py). A lamp that fades, or a shutter that was
turned, scales every pixel: the mean moves and the contrast, a ratio, does not. Whatever else moves is the product's, or
the lens's. Control limits belong to a revision of the thresholds: other ones are no change of the line, so the last
parts are judged again by them and the charts go on from there. What a restart needs is in the ledger
(app/drift_memory.py). Belongs to the event loop: no lock.
"""

from collections import deque
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from pydantic import BaseModel

from app.catalog import Served
from app.control_chart import CUSUM_LIMIT, LEARN, RejectChart
from app.health_chart import HealthChart, Shifts
from app.image_health import ImageHealth
from app.ledger.past import RECALL, LearnedRate, Past, PastPart
from app.ledger.record import timestamp
from app.score_distance import Distance, compare
from app.stations import Stations
from app.work import ModelRef
from detector.calibration import Calibration
from detector.image_health import HealthReference
from detector.verdict import Verdict, judge

WINDOW = 200  # good-judged parts whose scores are compared
LEAST = 50  # of them, and of the calibration sample, before anything is said
SUSPECT = (
    0.5  # shift of the mean, 3 standard deviations of its EWMA: enough where the scores say that something is wrong
)

Cause = Literal["none", "lamp", "product"]
CAUSES: tuple[Literal["lamp", "product"], ...] = ("lamp", "product")


class ScoreDrift(BaseModel):
    """Scores of the last good-judged parts beside those of calibration; out of control when both pass their limits."""

    parts: int
    psi: float
    psi_limit: float
    ks: float
    ks_limit: float


class RejectDrift(BaseModel):
    """`rate` is what is normal here, None while it is learned; out of control when either chart passes its limit."""

    rate: float | None
    ewma: float
    ewma_limit: float | None
    cusum: float
    cusum_limit: float


class PictureDrift(BaseModel):
    """Average of late and at calibration; `shifts` are multiples of what is tolerated, out of control beyond ±1."""

    now: dict[str, float] | None
    calibrated: dict[str, float] | None
    shifts: dict[str, float]


class DriftReport(BaseModel):
    """One product at one station; `cause` is what to look at first, `reasons` are for a person."""

    station: str
    version: int
    parts: int
    cause: Cause
    reasons: list[str]
    scores: ScoreDrift | None
    rejects: RejectDrift
    pictures: PictureDrift


class Monitor:
    """One product at one station, since its version began to serve there."""

    def __init__(self, calibration: Calibration, health: HealthReference | None, rate: float | None) -> None:
        """`rate`: share of rejects that is normal under these thresholds; None where it is to be learned."""
        self.recall: deque[PastPart] = deque(maxlen=RECALL)
        self.parts = 0
        self.rejects = RejectChart(calibration.promise, rate)
        self._pictures = HealthChart(health)
        self._use(calibration)

    def add(self, part: PastPart) -> None:
        """The next part. One that was judged by thresholds of before says nothing about rejects under these."""
        self.parts += 1
        self.recall.append(part)
        verdict = judge(part.score, self.calibration).verdict
        if part.threshold_revision == self.calibration.revision:
            self.rejects.add(verdict == Verdict.NG)
        self._pictures.add(ImageHealth(part.mean, part.contrast, part.sharpness, part.saturated_share))
        if verdict == Verdict.OK:
            self._window.append(part.score)

    def judge_by(self, calibration: Calibration) -> None:
        """Go on under another revision: what is normal by it is learned from the last parts, judged again."""
        self.rejects = RejectChart(calibration.promise, None)
        for part in list(self.recall)[-LEARN:]:
            self.rejects.add(judge(part.score, calibration).verdict == Verdict.NG)
        self._use(calibration)

    def _use(self, calibration: Calibration) -> None:
        """The reference is cut where the window is cut, which only holds parts that are judged ok."""
        self.calibration = calibration
        self._reference = np.array([score for score in calibration.scores if score <= calibration.review_above])
        scores = (part.score for part in self.recall)
        self._window = deque((score for score in scores if judge(score, calibration).verdict == Verdict.OK), WINDOW)

    def report(self, station: str, version: int) -> DriftReport:
        """Where everything stands."""
        distance, shifts, rejects = self._distance(), self._pictures.shifts, self.rejects
        now, reference = self._pictures.now, self._pictures.reference
        reasons = _reasons(distance, rejects, shifts)
        return DriftReport(
            station=station,
            version=version,
            parts=self.parts,
            cause=diagnose(distance, rejects, shifts),
            reasons=reasons,
            scores=None if distance is None else ScoreDrift(parts=len(self._window), **asdict(distance)),
            rejects=RejectDrift(
                rate=rejects.rate,
                ewma=rejects.ewma,
                ewma_limit=rejects.ewma_limit,
                cusum=rejects.cusum,
                cusum_limit=CUSUM_LIMIT,
            ),
            pictures=PictureDrift(
                now=None if now is None else asdict(now),
                calibrated=None if reference is None else asdict(reference.centre),
                shifts=asdict(shifts),
            ),
        )

    def _distance(self) -> Distance | None:
        if min(len(self._window), len(self._reference)) < LEAST:
            return None
        return compare(self._reference, np.array(self._window))


class Drift:
    """All monitors."""

    def __init__(self, stations: Stations, rates: dict[str, float]) -> None:
        """`rates`: product → reject rate that is normal under calibrated thresholds; learned for the others."""
        self._stations = stations
        self._rates = rates
        self._monitors: dict[tuple[str, str], tuple[ModelRef, Monitor]] = {}

    def add(self, served: Served, calibration: Calibration, part: PastPart) -> None:
        """One part, judged by `calibration`; another version begins anew, for its scores are others."""
        key = served.ref.product, self._stations.label(served.ref.product, part.station)
        known = self._monitors.get(key)
        if known is None or known[0] != served.ref:
            known = self._monitors[key] = served.ref, self._monitor(served, calibration, None)
        monitor = known[1]
        if calibration.revision > monitor.calibration.revision:
            monitor.judge_by(calibration)
        monitor.add(part)

    def restore(self, served: Served, calibration: Calibration, past: Past) -> None:
        """Put what the ledger knows of a version before what has come since; nothing is left of other versions."""
        ref = served.ref
        mine = {key: known for key, known in self._monitors.items() if key[0] == ref.product}
        since = [part for known, monitor in mine.values() if known == ref for part in monitor.recall]
        for key in mine:
            del self._monitors[key]
        rates = {rate.station: rate.rate for rate in past.rates if rate.revision == calibration.revision}
        for part in [*past.parts, *(part for part in since if not 0 < part.seq <= past.last_seq)]:
            station = self._stations.label(ref.product, part.station)
            if (ref.product, station) not in self._monitors:
                monitor = self._monitor(served, calibration, rates.get(station))
                self._monitors[ref.product, station] = ref, monitor
            self.add(served, calibration, part)

    def learned(self) -> list[LearnedRate]:
        """Every reject rate that is normal because it was learned."""
        now = timestamp(datetime.now(UTC))
        return [
            LearnedRate(ref.digest, station, monitor.calibration.revision, rate, now)
            for (_, station), (ref, monitor) in self._monitors.items()
            if (rate := monitor.rejects.learned) is not None
        ]

    def _monitor(self, served: Served, calibration: Calibration, learned: float | None) -> Monitor:
        """A stated rate is about the calibrated thresholds, and comes before one that was learned under them."""
        manifest = served.manifest
        is_calibrated = calibration.revision == manifest.calibration.revision
        stated = self._rates.get(served.ref.product) if is_calibrated else None
        return Monitor(calibration, manifest.image_health, learned if stated is None else stated)

    def reports(self, product: str) -> list[DriftReport]:
        """By station, those that have sent parts since the start."""
        return [
            monitor.report(station, ref.version)
            for (name, station), (ref, monitor) in sorted(self._monitors.items(), key=lambda item: item[0])
            if name == product
        ]


def diagnose(distance: Distance | None, rejects: RejectChart, shifts: Shifts) -> Cause:
    """The lamp first: what it does to scores and rejects is no change of the product."""
    has_effect = rejects.is_out or (distance is not None and distance.is_out)
    is_scaled = abs(shifts.mean) > (SUSPECT if has_effect else 1) and abs(shifts.contrast) <= 1
    if is_scaled or shifts.saturated_share > 1:
        return "lamp"
    moved = any(abs(shift) > 1 for shift in (shifts.mean, shifts.contrast, shifts.sharpness))
    return "product" if has_effect or moved else "none"


def _reasons(distance: Distance | None, rejects: RejectChart, shifts: Shifts) -> list[str]:
    reasons = []
    if distance is not None and distance.is_out:
        reasons.append(f"scores of good-judged parts are not those of calibration (PSI {distance.psi:.2f})")
    if rejects.is_out:
        reasons.append(f"{rejects.ewma:.1%} of parts are rejected, {rejects.rate or 0:.1%} is normal here")
    for measure, shift in asdict(shifts).items():
        if abs(shift) > 1:
            reasons.append(f"{measure} of the pictures is {shift:+.1f} tolerances off")
    return reasons
