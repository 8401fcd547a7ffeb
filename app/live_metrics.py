"""What is looked up when Prometheus asks: queues, deliveries, workers, products, drift, disks.

In: the parts of a running service. Out: metric families of app/metric_list.py. Refuses nothing: a disk or a device that
cannot be asked is left out. Looked up each time, so that a product that has gone leaves no stale series behind.
"""

import asyncio
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.admission import Admission, Held
from app.catalog import Catalog
from app.delivery.deliveries import Deliveries
from app.delivery.state import TargetState
from app.drift import CAUSES, Drift, DriftReport
from app.followed import Followed
from app.keeping import Keeping
from app.lane import Lane
from app.ledger.ledger import Ledger
from app.load_tally import LoadTally
from app.metric_list import BY_NAME
from app.metrics import Metrics
from app.nvml import DeviceLoad, read_devices
from app.pool import Pool
from app.quarantine import Quarantine
from app.status import Run, why_not_ready
from model_store.errors import ArtifactError

FOLLOWED = ("keys", "certificate")  # 0 also where there is none
Labelled = tuple[tuple[str, ...], float]
"""Values of the labels, and the value."""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The parts that are asked."""

    run: Run
    pool: Pool
    admission: Admission
    catalog: Catalog
    quarantine: Quarantine
    keeping: Keeping
    drift: Drift
    ledger: Ledger
    deliveries: Deliveries
    followed: Sequence[Followed]
    metrics: Metrics
    places: dict[str, Path]
    """`data`, `models` → a folder of each."""


@dataclass(frozen=True)
class _Read:
    """What had to be asked of disks and drivers."""

    products: tuple[str, ...]
    disks: dict[str, tuple[int, int]]
    """Place → bytes, free bytes."""
    devices: list[DeviceLoad]


class Snapshot(Collector):
    """The counted metrics, and the live ones of one moment: what an encoder of prometheus_client takes."""

    def __init__(self, sources: Sources, read: _Read) -> None:
        self._sources = sources
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """All families."""
        sources, read = self._sources, self._read
        for product in read.products:
            if sources.catalog.served(product) is not None:
                sources.metrics.begin(product)
        yield from sources.metrics.registry.collect()
        for families in (_queues(sources, read), _workers(sources), _products(sources, read), _places(sources, read)):
            yield from families
        yield from _deliveries(sources)
        yield from _files(sources)
        yield from _devices(read)
        yield from _drift(sources, read)


async def take_snapshot(sources: Sources) -> Snapshot:
    """Ask disks and drivers beside the event loop, the rest when it is encoded."""
    return Snapshot(sources, await asyncio.to_thread(_read, sources))


def _read(sources: Sources) -> _Read:
    try:
        products = sources.catalog.products()
    except ArtifactError:
        products = ()
    disks = {}
    for place, folder in sources.places.items():
        try:
            usage = shutil.disk_usage(folder)
        except OSError:
            continue
        disks[place] = usage.total, usage.free
    return _Read(products, disks, read_devices(dict.fromkeys(lane.device for lane in sources.pool.lanes)))


def _family(name: str, values: Iterable[Labelled]) -> Metric:
    metric = BY_NAME[name]
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(name, metric.says, labels=metric.labels)
    for labels, value in values:
        family.add_metric(labels, value)
    return family


def _one(name: str, value: float) -> Metric:
    return _family(name, [((), value)])


def _queues(sources: Sources, read: _Read) -> Iterator[Metric]:
    """By product that serves; what senders made up is counted together, under no name."""
    admission, now = sources.admission, time.monotonic()
    held: dict[str, list[Held]] = {name: [] for name in ("", *filter(sources.catalog.served, read.products))}
    for product, its in admission.products.items():
        held.setdefault(product if sources.catalog.served(product) else "", []).append(its)
    yield _one("inspect_queue_length", sources.pool.waiting)
    measures: dict[str, Callable[[Held], float]] = {
        "inspect_held_pictures": len,
        "inspect_held_bytes": lambda its: its.bytes,
    }
    for name, measure in measures.items():
        yield _family(name, [((product,), sum(map(measure, all_its))) for product, all_its in held.items()])
    oldest = {product: max((its.oldest_s(now) for its in all_its), default=0.0) for product, all_its in held.items()}
    yield _family("inspect_oldest_seconds", [((product,), age) for product, age in oldest.items()])
    yield _one("inspect_upload_bytes", admission.uploads)
    yield _one("inspect_ledger_seq", sources.ledger.feed.head)
    yield _one("inspect_ledger_oldest_seconds", sources.ledger.oldest_s(now))
    yield _one("inspect_spooled", sources.ledger.spooled)


def _deliveries(sources: Sources) -> Iterator[Metric]:
    """By target; what waits is said by the one service that delivers, of several on a ledger."""
    states = sources.deliveries.states()
    waits: dict[str, Callable[[TargetState], float]] = {
        "inspect_delivery_waiting": lambda state: state.waiting,
        "inspect_delivery_oldest_seconds": lambda state: state.oldest_s,
        "inspect_delivery_dead_letters": lambda state: state.dead,
    }
    for name, measure in waits.items():
        yield _family(name, [((state.target,), measure(state)) for state in states if state.serves])
    yield _family("inspect_delivered", [((state.target,), state.delivered) for state in states])
    yield _family("inspect_delivery_failed_attempts", [((state.target,), state.failed) for state in states])


def _workers(sources: Sources) -> Iterator[Metric]:
    pool = sources.pool
    yield _one("inspect_ready", not why_not_ready(sources.run, pool, sources.catalog, sources.ledger))
    yield _one("inspect_workers_up", pool.workers_up)
    yield _one("inspect_workers_wanted", len(pool.lanes))
    counts: dict[str, Callable[[Lane], float]] = {
        "inspect_worker_restarts": lambda lane: lane.restarts,
        "inspect_worker_hangs": lambda lane: lane.hangs,
        "inspect_out_of_memory": lambda lane: lane.out_of_memory,
        "inspect_resident_bytes": lambda lane: lane.residency.bytes,
    }
    for name, count in counts.items():
        yield _family(name, _summed(((lane.device,), count(lane)) for lane in pool.lanes))
    tallies: dict[str, Callable[[LoadTally], Mapping[str, float]]] = {
        "inspect_loads": lambda tally: tally.loads,
        "inspect_evictions": lambda tally: tally.evictions,
        "inspect_load_seconds": lambda tally: tally.seconds,
        "inspect_lease_seconds": lambda tally: tally.leased,
    }
    for name, tally in tallies.items():
        its = ((lane.device, dict(tally(lane.tally))) for lane in pool.lanes)
        yield _family(name, _summed(((device, product), n) for device, one in its for product, n in one.items()))


def _summed(values: Iterable[Labelled]) -> Iterable[Labelled]:
    """Of several workers on one device."""
    sums: dict[tuple[str, ...], float] = {}
    for labels, value in values:
        sums[labels] = sums.get(labels, 0) + value
    return sums.items()


def _products(sources: Sources, read: _Read) -> Iterator[Metric]:
    versions = dict.fromkeys(sources.catalog.failures.keys() & set(read.products), 0)
    versions |= {name: served.ref.version for name in read.products if (served := sources.catalog.served(name))}
    yield _family("inspect_serving_version", [((name,), version) for name, version in versions.items()])
    refused = [((name,), name in sources.catalog.failures) for name in read.products]
    yield _family("inspect_version_refused", refused)
    yield _family("inspect_golden_delta", [((name,), delta) for name, delta in sources.pool.golden_delta.items()])
    yield _one("inspect_quarantined_pictures", len(sources.quarantine))


def _places(sources: Sources, read: _Read) -> Iterator[Metric]:
    yield _one("inspect_heatmap_bytes", sources.keeping.heatmaps.store.bytes)
    yield _one("inspect_picture_bytes", sources.keeping.pictures.store.bytes)
    yield _one("inspect_error_picture_bytes", sources.keeping.errors.store.bytes)
    yield _family("inspect_disk_bytes", [((place,), total) for place, (total, _) in read.disks.items()])
    yield _family("inspect_disk_free_bytes", [((place,), free) for place, (_, free) in read.disks.items()])


def _files(sources: Sources) -> Iterator[Metric]:
    stale = dict.fromkeys(FOLLOWED, False) | {file.name: file.trouble is not None for file in sources.followed}
    yield _family("inspect_stale_file", [((name,), is_stale) for name, is_stale in stale.items()])


def _devices(read: _Read) -> Iterator[Metric]:
    if not read.devices:
        return
    yield _family("inspect_device_memory_bytes", [((load.device,), load.memory_bytes) for load in read.devices])
    yield _family("inspect_device_memory_used_bytes", [((load.device,), load.used_bytes) for load in read.devices])
    yield _family("inspect_device_busy_ratio", [((load.device,), load.busy) for load in read.devices])


def _drift(sources: Sources, read: _Read) -> Iterator[Metric]:
    reports = [(name, report) for name in read.products for report in sources.drift.reports(name)]

    def family(name: str, value: Callable[[DriftReport], float | None]) -> Metric:
        found = [((product, report.station), value(report)) for product, report in reports]
        return _family(name, [(labels, number) for labels, number in found if number is not None])

    yield _family(
        "inspect_drift_alarm",
        [((name, report.station, cause), report.cause == cause) for name, report in reports for cause in CAUSES],
    )
    for field in ("psi", "psi_limit", "ks", "ks_limit"):
        yield family(f"inspect_drift_{field}", partial(_of_scores, field))
    yield family("inspect_reject_ewma_ratio", lambda report: report.rejects.ewma)
    yield family("inspect_reject_ewma_limit_ratio", lambda report: report.rejects.ewma_limit)
    yield family("inspect_reject_cusum", lambda report: report.rejects.cusum)
    yield family("inspect_reject_cusum_limit", lambda report: report.rejects.cusum_limit)
    yield _family(
        "inspect_image_shift",
        [
            ((name, report.station, measure), shift)
            for name, report in reports
            for measure, shift in report.pictures.shifts.items()
        ],
    )


def _of_scores(field: str, report: DriftReport) -> float | None:
    """None before there are enough scores."""
    return None if report.scores is None else float(getattr(report.scores, field))
