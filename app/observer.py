"""A verdict → what is counted of it, and the charts that say whether the line drifts.

In: a record that is committed, and what it was made of. Out: series of app/metrics.py, samples of app/drift.py.
Refuses nothing.
"""

from structlog.contextvars import get_contextvars

from app.drift import Drift
from app.ledger.past import past_part
from app.ledger.record import Record
from app.metrics import Metrics, score_ratio
from app.scoring import Seen


class Observer:
    """Looks at each verdict once."""

    def __init__(self, metrics: Metrics, drift: Drift) -> None:
        self.metrics = metrics
        self._drift = drift

    def observe(self, record: Record, seen: Seen) -> None:
        """Count it; a trial is counted and not charted, because it says nothing about the line."""
        metrics, product, verdict = self.metrics, record.product, record.verdict
        station = metrics.stations.label(product, record.station)
        metrics.begin(product, station)
        trace = get_contextvars().get("trace_id")
        for stage, milliseconds in record.timings_ms.items():
            metrics.stages.labels(product, stage).observe(milliseconds / 1000, trace and {"trace_id": trace})
        metrics.verdicts.labels(product, station, verdict).inc()
        metrics.batch.labels(product).observe(seen.scored.batch_size)
        score = seen.scored.score
        metrics.ratio.labels(product, station).observe(max(0.0, score_ratio(score, seen.calibration)))
        metrics.observe_picture(product, station, seen.health)
        if not record.simulated:
            self._drift.add(seen.served, seen.calibration, past_part(record))
