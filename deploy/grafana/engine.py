"""The engine, for engineers: requests, stages, queues, workers, models, the ledger, deliveries, disks."""

from panel import ALARM, ILL, ON_OFF, PART, PRODUCT, RATE, WELL, WHERE, Dashboard, Panel, average, quantile

ENGINE = Dashboard(
    "engine",
    "Engine",
    (
        (
            Panel(
                "Workers",
                "Alive, of those wanted",
                "stat",
                4,
                (("inspect_workers_up", "up"), ("inspect_workers_wanted", "wanted")),
                steps=ON_OFF,
            ),
            Panel(
                "Version",
                "That serves; 0: none loads",
                "stat",
                8,
                (
                    (f"inspect_serving_version{PRODUCT}", "{{product}}"),
                    (f"-inspect_version_refused{PRODUCT} < 0", "{{product}}: a new one is refused"),
                ),
                steps=ON_OFF,
            ),
            Panel(
                "Golden difference",
                "Of scores, at the last load",
                "stat",
                8,
                ((f"inspect_golden_delta{PRODUCT}", "{{product}}"),),
                steps=((None, WELL), (5e-5, ILL)),
            ),
            Panel(
                "Quarantined",
                "Pictures that killed workers",
                "stat",
                4,
                (("inspect_quarantined_pictures", "pictures"),),
                steps=ALARM,
            ),
        ),
        (
            Panel(
                "Requests a second",
                "By route and status",
                "timeseries",
                12,
                ((f"sum by (route, status) (rate(inspect_requests_total{RATE}))", "{{route}} {{status}}"),),
                "reqps",
            ),
            Panel(
                "Errors a minute",
                "By product and code",
                "timeseries",
                12,
                (
                    (
                        f'sum by (product, code) (rate(inspect_errors_total{{product=~"$product|"}}{RATE})) * 60 > 0',
                        "{{product}} {{code}}",
                    ),
                ),
            ),
        ),
        (
            Panel(
                "Time of a part, median and 95 %",
                "From admission to answer",
                "timeseries",
                12,
                (
                    (
                        quantile(0.5, "inspect_stage_seconds", "product", '{product=~"$product", stage="total"}'),
                        "{{product}} median",
                    ),
                    (
                        quantile(0.95, "inspect_stage_seconds", "product", '{product=~"$product", stage="total"}'),
                        "{{product}} 95 %",
                    ),
                ),
                "s",
            ),
            Panel(
                "Time by stage",
                "Average",
                "timeseries",
                12,
                (
                    (
                        average("inspect_stage_seconds", "stage", PRODUCT),
                        "{{stage}}",
                    ),
                ),
                "s",
            ),
        ),
        (
            Panel(
                "Pictures held",
                "And those that no worker has taken",
                "timeseries",
                8,
                ((f"inspect_held_pictures{PRODUCT}", "{{product}}"), ("inspect_queue_length", "waiting")),
            ),
            Panel(
                "Oldest picture", "Age", "timeseries", 8, ((f"inspect_oldest_seconds{PRODUCT}", "{{product}}"),), "s"
            ),
            Panel(
                "Bytes held",
                "Of parts, and of bodies that are coming or have no answer yet; each at most INSPECT_QUEUE_BYTES",
                "timeseries",
                8,
                ((f"inspect_held_bytes{PRODUCT}", "{{product}}"), ("inspect_upload_bytes", "uploads")),
                "bytes",
            ),
        ),
        (
            Panel(
                "Batch",
                "Average size that a picture was scored in",
                "timeseries",
                8,
                (
                    (
                        average("inspect_batch_pictures", "product", PRODUCT),
                        "{{product}}",
                    ),
                ),
            ),
            Panel(
                "Deadlines missed a minute",
                "",
                "timeseries",
                8,
                ((f"sum by (product) (rate(inspect_deadline_missed_total{PRODUCT}{RATE})) * 60", "{{product}}"),),
            ),
            Panel(
                "Worker restarts",
                "In 15 minutes",
                "timeseries",
                8,
                (
                    ("increase(inspect_worker_restarts_total[15m])", "{{device}}"),
                    ("increase(inspect_worker_hangs_total[15m])", "{{device}} of them hung"),
                    ("increase(inspect_out_of_memory_total[15m])", "{{device}} batches without room"),
                ),
            ),
        ),
        (
            Panel(
                "Loads and evictions",
                "In 15 minutes",
                "timeseries",
                6,
                (
                    (f"increase(inspect_loads_total{PRODUCT}[15m])", "{{device}} {{product}} loaded"),
                    (f"increase(inspect_evictions_total{PRODUCT}[15m])", "{{device}} {{product}} made room"),
                ),
            ),
            Panel(
                "Time of a load",
                "Average since the start",
                "timeseries",
                6,
                ((f"inspect_load_seconds_total{PRODUCT} / inspect_loads_total{PRODUCT}", "{{device}} {{product}}"),),
                "s",
            ),
            Panel(
                "Share of a device",
                "In which it scored the product",
                "timeseries",
                6,
                ((f"rate(inspect_lease_seconds_total{PRODUCT}{RATE})", "{{device}} {{product}}"),),
                "percentunit",
            ),
            Panel(
                "Weights in memory", "By worker", "timeseries", 6, (("inspect_resident_bytes", "{{device}}"),), "bytes"
            ),
        ),
        (
            Panel(
                "Oldest record without a commit",
                "Its age; each part waits for its own",
                "timeseries",
                6,
                (("inspect_ledger_oldest_seconds", "{{instance}}"),),
                "s",
            ),
            Panel(
                "Records in the journal",
                "That wait for the database",
                "timeseries",
                6,
                (("inspect_spooled", "{{instance}}"),),
            ),
            Panel(
                "Records a minute",
                "Verdicts, and errors in their place, by this service and those that share its ledger",
                "timeseries",
                6,
                ((f"deriv(inspect_ledger_seq{RATE}) * 60", "{{instance}}"),),
            ),
            Panel(
                "Replays, and errors without a record",
                "In 15 minutes",
                "timeseries",
                6,
                (
                    ("increase(inspect_replays_total[15m])", "{{instance}} replays"),
                    ("increase(inspect_errors_unrecorded_total[15m])", "{{instance}} not recorded"),
                ),
            ),
        ),
        (
            Panel(
                "Waiting for a receiver",
                "Verdicts that a target has not got",
                "timeseries",
                6,
                (("inspect_delivery_waiting", "{{target}}"),),
            ),
            Panel(
                "Oldest of them",
                "Age of the verdict that is being tried",
                "timeseries",
                6,
                (("inspect_delivery_oldest_seconds", "{{target}}"),),
                "s",
            ),
            Panel(
                "Deliveries a minute",
                "And tries that failed",
                "timeseries",
                6,
                (
                    (f"rate(inspect_delivered_total{RATE}) * 60", "{{target}}"),
                    (f"rate(inspect_delivery_failed_attempts_total{RATE}) * 60", "{{target}} failed"),
                ),
            ),
            Panel(
                "Put aside",
                "Verdicts that a receiver refused too often",
                "stat",
                6,
                (("inspect_delivery_dead_letters", "{{target}}"),),
                steps=ALARM,
            ),
        ),
        (
            Panel(
                "Device memory",
                "Used, of what there is; NVIDIA only",
                "timeseries",
                8,
                (
                    ("inspect_device_memory_used_bytes", "{{device}} used"),
                    ("inspect_device_memory_bytes", "{{device}}"),
                ),
                "bytes",
            ),
            Panel(
                "Device busy",
                "NVIDIA only",
                "timeseries",
                8,
                (("inspect_device_busy_ratio", "{{device}}"),),
                "percentunit",
            ),
            Panel(
                "Memory of the service",
                "Its own process",
                "timeseries",
                8,
                (('process_resident_memory_bytes{job="inspect"}', "{{instance}}"),),
                "bytes",
            ),
        ),
        (
            Panel(
                "Score drift: PSI",
                "And its limit",
                "timeseries",
                8,
                ((f"inspect_drift_psi{PART}", WHERE), (f"inspect_drift_psi_limit{PART}", f"{WHERE} limit")),
            ),
            Panel(
                "Score drift: Kolmogorov-Smirnov",
                "And its limit",
                "timeseries",
                8,
                ((f"inspect_drift_ks{PART}", WHERE), (f"inspect_drift_ks_limit{PART}", f"{WHERE} limit")),
            ),
            Panel(
                "CUSUM of rejects",
                "And its limit",
                "timeseries",
                8,
                ((f"inspect_reject_cusum{PART}", WHERE), (f"inspect_reject_cusum_limit{PART}", f"{WHERE} limit")),
            ),
        ),
        (
            Panel(
                "Disk",
                "Free, of what there is",
                "timeseries",
                6,
                (("inspect_disk_free_bytes", "{{place}} free"), ("inspect_disk_bytes", "{{place}}")),
                "bytes",
            ),
            Panel(
                "Pictures and heatmaps kept",
                "What is on hold comes on top of the limits",
                "timeseries",
                6,
                (
                    ("inspect_picture_bytes", "{{instance}} pictures"),
                    ("inspect_error_picture_bytes", "{{instance}} pictures of errors"),
                    ("inspect_heatmap_bytes", "{{instance}} heatmaps"),
                ),
                "bytes",
            ),
            Panel(
                "Pictures and heatmaps lost",
                "In 15 minutes; the disk or the bucket refused them",
                "timeseries",
                6,
                (
                    ("increase(inspect_pictures_lost_total[15m])", "{{instance}} pictures"),
                    ("increase(inspect_heatmaps_lost_total[15m])", "{{instance}} heatmaps"),
                ),
            ),
            Panel(
                "Keys or certificate not readable",
                "1: the file has changed and cannot be read; what was read before is in use",
                "stat",
                6,
                (("inspect_stale_file", "{{file}}"),),
                steps=ALARM,
            ),
        ),
    ),
)
