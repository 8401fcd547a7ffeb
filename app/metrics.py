"""What Prometheus scrapes. One registry per service, so that two in one process (tests) do not share counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from starlette.types import ASGIApp, Message, Receive, Scope, Send

disable_created_metrics()  # type: ignore[no-untyped-call] # a second series per counter that nobody graphs

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
RATIOS = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2, 3, 5, 10)


class Metrics:
    """All collectors."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        here = self.registry
        self.requests = Counter("inspect_requests", "HTTP answers.", ["route", "status"], registry=here)
        self.verdicts = Counter("inspect_verdicts", "Verdicts given.", ["product", "verdict"], registry=here)
        self.errors = Counter("inspect_errors", "Problems answered, by stable code.", ["code"], registry=here)
        self.stages = Histogram(
            "inspect_stage_seconds", "Seconds per stage.", ["product", "stage"], buckets=SECONDS, registry=here
        )
        self.ratio = Histogram(
            "inspect_score_ratio", "Score over the ng threshold.", ["product"], buckets=RATIOS, registry=here
        )
        self.heatmap_bytes = Gauge("inspect_heatmap_bytes", "Heatmaps that are kept, bytes.", registry=here)
        self.heatmaps_lost = Counter(
            "inspect_heatmaps_lost", "Heatmaps that the disk or the bucket refused.", registry=here
        )
        self.picture_bytes = Gauge("inspect_picture_bytes", "Pictures that are kept, bytes.", registry=here)
        self.pictures_lost = Counter(
            "inspect_pictures_lost", "Pictures that the disk or the bucket refused.", registry=here
        )
        self.deadlines = Counter("inspect_deadline_missed", "Pictures not scored in time.", ["product"], registry=here)
        self.unrecorded = Counter(
            "inspect_errors_unrecorded", "Errors of inspections that the ledger did not take.", registry=here
        )
        self.replays = Counter("inspect_replays", "Verdicts given again to a repeated request.", registry=here)
        self.quarantined = Gauge("inspect_quarantined_pictures", "Pictures that killed workers.", registry=here)
        self.held = Gauge("inspect_held_pictures", "Pictures that have come and have no answer.", registry=here)
        self.held_bytes = Gauge("inspect_held_bytes", "Bytes of those pictures, as they came.", registry=here)
        self.queue = Gauge("inspect_queue_length", "Pictures that wait.", registry=here)
        self.workers = Gauge("inspect_workers_up", "Workers that are alive.", registry=here)
        self.restarts = Counter("inspect_worker_restarts", "Workers started again.", registry=here)
        self.restarts_seen = 0  # of the pool, when they were last counted
        self.resident = Gauge("inspect_resident_bytes", "Weights in memory, bytes.", ["device"], registry=here)
        self.golden = Gauge("inspect_golden_delta", "Largest golden score difference.", ["product"], registry=here)


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
