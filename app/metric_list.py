"""Every metric of the service, once: app/metrics.py and app/live_metrics.py make them, docs/metrics.md prints them.

A metric is here when something sets it, never before. Base units; labels, not generated names; no label holds what a
sender made up, beyond the bounded stations of app/stations.py.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram", "summary"]
GROUPS = ("Requests", "Parts", "Pictures", "Queue", "Ledger", "Delivery", "Workers", "Products", "Drift", "Disk")
SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
    "summary": ("_sum", "_count"),
}
PART = ("product", "station")


@dataclass(frozen=True)
class Metric:
    """One metric, without the suffix that its kind adds."""

    name: str
    kind: Kind
    group: str
    says: str
    labels: tuple[str, ...] = ()
    only: str = ""
    """When it is there, where it is not always."""

    @property
    def series(self) -> tuple[str, ...]:
        """Names that a query may use."""
        return tuple(self.name + suffix for suffix in SUFFIXES[self.kind])


METRICS = (
    Metric("inspect_requests", "counter", "Requests", "HTTP answers.", ("route", "status")),
    Metric(
        "inspect_errors",
        "counter",
        "Requests",
        "Problems answered, by stable code; `product` is empty where none that serves was named.",
        ("product", "code"),
    ),
    Metric("inspect_deadline_missed", "counter", "Requests", "Pictures not scored in time.", ("product",)),
    Metric(
        "inspect_stage_seconds",
        "histogram",
        "Requests",
        "Seconds per stage of a part that got its verdict: decode, queue, device, pool (both and the way there), post "
        "(regions, drawing), keep, ledger, total. Each deadline of the settings is a bucket's edge.",
        ("product", "stage"),
    ),
    Metric(
        "inspect_verdicts",
        "counter",
        "Parts",
        "Verdicts given: ok, review, ng; error in the place of one.",
        (*PART, "verdict"),
    ),
    Metric(
        "inspect_score_ratio",
        "histogram",
        "Parts",
        "(score − m) / (ng_above − m): 1 is the ng threshold, 0 a typical good part. m is the median "
        "calibration score; where that is no lower than ng_above, the map floor. Right for scores of any sign; "
        "below 0 counts as 0.",
        PART,
    ),
    Metric("inspect_image_mean", "summary", "Pictures", "Luminance of a picture, 0 … 1.", PART),
    Metric("inspect_image_contrast", "summary", "Pictures", "Standard deviation of luminance over its mean.", PART),
    Metric("inspect_image_sharpness", "summary", "Pictures", "Neighbours' difference: 0 blurred … 1 noise.", PART),
    Metric("inspect_image_saturated_share", "summary", "Pictures", "Share of clipped pixels, 0 … 1.", PART),
    Metric("inspect_heatmaps_lost", "counter", "Disk", "Heatmaps that the disk or the bucket refused."),
    Metric("inspect_pictures_lost", "counter", "Disk", "Pictures that the disk or the bucket refused."),
    Metric("inspect_stale_file", "gauge", "Disk", "1: cannot be read, the content of before is used.", ("file",)),
    Metric("inspect_queue_length", "gauge", "Queue", "Pictures that no worker has taken."),
    Metric("inspect_held_pictures", "gauge", "Queue", "Pictures that have come and have no answer.", ("product",)),
    Metric("inspect_held_bytes", "gauge", "Queue", "Bytes of those pictures, as they came.", ("product",)),
    Metric("inspect_oldest_seconds", "gauge", "Queue", "Age of the oldest of them; 0 for none.", ("product",)),
    Metric("inspect_upload_bytes", "gauge", "Queue", "Bytes of bodies that are coming or have no answer yet."),
    Metric(
        "inspect_batch_pictures",
        "histogram",
        "Queue",
        "Pictures in the batch that a picture was scored in, itself included.",
        ("product",),
    ),
    Metric("inspect_ledger_seq", "gauge", "Ledger", "Number of the newest verdict that can be read."),
    Metric(
        "inspect_ledger_oldest_seconds",
        "gauge",
        "Ledger",
        "Age of the oldest record that waits for its commit; 0 for none. How long commits take: stage `ledger` of "
        "inspect_stage_seconds.",
    ),
    Metric("inspect_spooled", "gauge", "Ledger", "Records in the journal, that wait for the database."),
    Metric("inspect_errors_unrecorded", "counter", "Ledger", "Errors answered that the ledger did not take."),
    Metric("inspect_replays", "counter", "Ledger", "Verdicts given again to a repeated request."),
    Metric(
        "inspect_delivery_waiting",
        "gauge",
        "Delivery",
        "Verdicts that a target has not got; of the service that delivers, where several share a ledger.",
        ("target",),
    ),
    Metric(
        "inspect_delivery_oldest_seconds",
        "gauge",
        "Delivery",
        "Age of the oldest verdict that is being tried; 0 for none.",
        ("target",),
    ),
    Metric("inspect_delivered", "counter", "Delivery", "Verdicts that a target has taken.", ("target",)),
    Metric("inspect_delivery_failed_attempts", "counter", "Delivery", "Tries that failed.", ("target",)),
    Metric(
        "inspect_delivery_dead_letters", "gauge", "Delivery", "Verdicts put aside after too many refusals.", ("target",)
    ),
    Metric("inspect_ready", "gauge", "Workers", "1 while /readyz is true."),
    Metric("inspect_workers_up", "gauge", "Workers", "Workers whose process is alive."),
    Metric("inspect_workers_wanted", "gauge", "Workers", "Workers that there should be."),
    Metric("inspect_worker_restarts", "counter", "Workers", "Workers started again.", ("device",)),
    Metric("inspect_worker_hangs", "counter", "Workers", "Workers killed because they did not answer.", ("device",)),
    Metric("inspect_out_of_memory", "counter", "Workers", "Batches that had no room on a device.", ("device",)),
    Metric("inspect_resident_bytes", "gauge", "Workers", "Weights in the memory of a device's workers.", ("device",)),
    Metric("inspect_loads", "counter", "Workers", "Models loaded and proved.", ("device", "product")),
    Metric("inspect_load_seconds", "counter", "Workers", "Seconds that those loads took.", ("device", "product")),
    Metric(
        "inspect_lease_seconds",
        "counter",
        "Workers",
        "Seconds in which a worker scored the product; its rate is the share of a device that the product takes.",
        ("device", "product"),
    ),
    Metric("inspect_evictions", "counter", "Workers", "Models that made room for another.", ("device", "product")),
    Metric(
        "inspect_device_memory_used_bytes",
        "gauge",
        "Workers",
        "Of the whole device, whoever uses it.",
        ("device",),
        "NVIDIA",
    ),
    Metric("inspect_device_memory_bytes", "gauge", "Workers", "What the device has.", ("device",), "NVIDIA"),
    Metric(
        "inspect_device_busy_ratio",
        "gauge",
        "Workers",
        "Share of the last moment in which a kernel ran, 0 … 1.",
        ("device",),
        "NVIDIA",
    ),
    Metric(
        "inspect_serving_version",
        "gauge",
        "Products",
        "Version that serves; 0 where the active one was tried and does not load.",
        ("product",),
    ),
    Metric(
        "inspect_version_refused",
        "gauge",
        "Products",
        "1: the store's active version was tried and does not serve; the one before it goes on, where there was one.",
        ("product",),
    ),
    Metric(
        "inspect_golden_delta", "gauge", "Products", "Largest golden score difference at the last load.", ("product",)
    ),
    Metric("inspect_quarantined_pictures", "gauge", "Products", "Pictures that killed workers, put away for an hour."),
    Metric(
        "inspect_drift_alarm",
        "gauge",
        "Drift",
        "1 while `cause` is what drift points to: lamp or product.",
        (*PART, "cause"),
    ),
    Metric(
        "inspect_drift_psi", "gauge", "Drift", "Population stability index of good-judged scores.", PART, "50 parts"
    ),
    Metric("inspect_drift_psi_limit", "gauge", "Drift", "What it may be.", PART, "50 parts"),
    Metric("inspect_drift_ks", "gauge", "Drift", "Kolmogorov-Smirnov distance of the same scores.", PART, "50 parts"),
    Metric("inspect_drift_ks_limit", "gauge", "Drift", "What it may be.", PART, "50 parts"),
    Metric("inspect_reject_ewma_ratio", "gauge", "Drift", "Share of ng parts, the last hundred counting most.", PART),
    Metric("inspect_reject_ewma_limit_ratio", "gauge", "Drift", "Its upper control limit.", PART, "a known rate"),
    Metric("inspect_reject_cusum", "gauge", "Drift", "CUSUM of rejects, nats.", PART),
    Metric("inspect_reject_cusum_limit", "gauge", "Drift", "What it may be.", PART),
    Metric(
        "inspect_image_shift",
        "gauge",
        "Drift",
        "Average of late less that of calibration, in tolerances; beyond ±1 is out of control. "
        "Measures: mean, contrast, sharpness, saturated_share.",
        (*PART, "measure"),
    ),
    Metric("inspect_heatmap_bytes", "gauge", "Disk", "Heatmaps that are kept."),
    Metric("inspect_picture_bytes", "gauge", "Disk", "Pictures that are kept."),
    Metric("inspect_error_picture_bytes", "gauge", "Disk", "Pictures of errors that are kept."),
    Metric("inspect_disk_bytes", "gauge", "Disk", "Size of the disk under `data` and under `models`.", ("place",)),
    Metric("inspect_disk_free_bytes", "gauge", "Disk", "Of that, what the service may still fill.", ("place",)),
)
ONLY = {
    "NVIDIA": "on CUDA devices, with `pip install 'inspect-line[nvml]'`",
    "50 parts": "after 50 good-judged parts, for a product calibrated on as many",
    "a known rate": "once the normal rate is stated (`INSPECT_REJECT_RATES`) or learned from 300 parts",
}
BY_NAME = {metric.name: metric for metric in METRICS}
