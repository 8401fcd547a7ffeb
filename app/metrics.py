"""What Prometheus scrapes. One registry per service, so that two in one process (tests) do not share counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

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
        self.queue = Gauge("inspect_queue_length", "Pictures that wait.", registry=here)
        self.workers = Gauge("inspect_workers_up", "Workers that are alive.", registry=here)
        self.restarts = Counter("inspect_worker_restarts", "Workers started again.", registry=here)
        self.restarts_seen = 0  # of the pool, when they were last counted
        self.golden = Gauge("inspect_golden_delta", "Largest golden score difference.", ["product"], registry=here)
