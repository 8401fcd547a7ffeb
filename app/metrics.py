"""What is counted where it happens. One registry per service, so that two in one process (tests) share no counts.

In: answers, verdicts, errors. Out: collectors of app/metric_list.py. Refuses nothing. What is looked up when Prometheus
asks is in app/live_metrics.py. Worker processes count nothing themselves: what they did comes back with their answers,
so there is one registry, no multiprocess files, and exemplars work.
"""

from collections.abc import Iterable
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, Summary, disable_created_metrics
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.image_health import ImageHealth
from app.metric_list import BY_NAME
from app.stages import STAGES
from app.stations import Stations
from detector.calibration import Calibration
from detector.verdict import Verdict

disable_created_metrics()  # type: ignore[no-untyped-call] # a second series per counter that nobody graphs

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
RATIOS = (0, 0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2, 3, 5, 10)
BATCHES = (1, 2, 4, 8, 16, 32, 64)

T = TypeVar("T", Counter, Histogram, Summary)


class Metrics:
    """All collectors that are counted."""

    def __init__(self, deadlines_s: Iterable[float] = (), codes: Iterable[str] = ()) -> None:
        """`deadlines_s` become edges of the latency buckets; `codes` are those that start at zero."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._codes = tuple(codes)
        self._begun: set[tuple[str, str]] = set()
        self.stations = Stations()
        seconds = sorted({*SECONDS, *deadlines_s})
        self.requests = self._make(Counter, "inspect_requests")
        self.errors = self._make(Counter, "inspect_errors")
        self.deadlines = self._make(Counter, "inspect_deadline_missed")
        self.stages = self._make(Histogram, "inspect_stage_seconds", buckets=seconds)
        self.verdicts = self._make(Counter, "inspect_verdicts")
        self.ratio = self._make(Histogram, "inspect_score_ratio", buckets=RATIOS)
        self.batch = self._make(Histogram, "inspect_batch_pictures", buckets=BATCHES)
        self.heatmaps_lost = self._make(Counter, "inspect_heatmaps_lost")
        self.pictures_lost = self._make(Counter, "inspect_pictures_lost")
        self.unrecorded = self._make(Counter, "inspect_errors_unrecorded")
        self.replays = self._make(Counter, "inspect_replays")
        self.health = {
            measure: self._make(Summary, f"inspect_image_{measure}")
            for measure in ("mean", "contrast", "sharpness", "saturated_share")
        }
        for code in self._codes:
            self.errors.labels("", code)

    def begin(self, product: str, station: str = "") -> None:
        """Start the series of a product that serves at zero: `increase()` would not see the first one of them."""
        if (product, station) in self._begun:
            return
        self._begun.add((product, station))
        for verdict in (*Verdict, "error"):
            self.verdicts.labels(product, station, str(verdict))
        self.ratio.labels(product, station)
        if not station:
            for stage in STAGES:
                self.stages.labels(product, stage)
            self.deadlines.labels(product)
            self.batch.labels(product)
            for code in self._codes:
                self.errors.labels(product, code)

    def observe_picture(self, product: str, station: str, health: ImageHealth) -> None:
        """The health of one part's picture."""
        for measure, summary in self.health.items():
            summary.labels(product, station).observe(getattr(health, measure))

    def _make(self, kind: type[T], name: str, **options: Any) -> T:
        metric = BY_NAME[name]
        return kind(name, metric.says, metric.labels, registry=self.registry, **options)


def score_ratio(score: float, calibration: Calibration) -> float:
    """0 for a typical good part, 1 on the ng threshold, whatever the sign of either; see app/metric_list.py."""
    scores = calibration.scores  # ascending
    zero = (scores[(len(scores) - 1) // 2] + scores[len(scores) // 2]) / 2
    if zero >= calibration.ng_above:  # more than half of the sample are equal, or over a threshold that was changed
        zero = calibration.map_floor
    return (score - zero) / (calibration.ng_above - zero)


class RequestCount:
    """Middleware that counts each answer by its route's template, never by what the sender wrote."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._requests = metrics.requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection; what is not HTTP passes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500  # what an error that no table knows is answered with, outside of here

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            route = getattr(scope.get("route"), "path", "unknown")
            self._requests.labels(route, str(status)).inc()
