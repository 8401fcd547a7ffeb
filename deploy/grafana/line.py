"""The line, for operators: are parts inspected, how many are rejected, and has something changed?"""

from panel import ALARM, ON_OFF, PART, RATE, SHIFT, WHERE, Dashboard, Panel, average, quantile

JUDGED = PART.replace("}", ', verdict!="error"}')


def _share(verdict: str) -> str:
    given = f'sum by (product) (increase(inspect_verdicts_total{{verdict="{verdict}", product=~"$product", '
    return f'{given}station=~"$station"}}[15m])) / sum by (product) (increase(inspect_verdicts_total{JUDGED}[15m]))'


def _picture(title: str, measure: str, says: str, unit: str = "short") -> Panel:
    return Panel(
        title,
        says,
        "timeseries",
        6,
        ((average(f"inspect_image_{measure}", "product, station", PART), "{{product}} {{station}}"),),
        unit,
    )


LINE = Dashboard(
    "line",
    "Line",
    (
        (
            Panel("Service", "1 while it answers", "stat", 3, (('up{job="inspect"}', "{{instance}}"),), steps=ON_OFF),
            Panel(
                "Ready", "1 while parts can be inspected", "stat", 3, (("inspect_ready", "{{instance}}"),), steps=ON_OFF
            ),
            Panel(
                "Parts a minute",
                "Verdicts given",
                "stat",
                6,
                ((f"sum by (product) (rate(inspect_verdicts_total{JUDGED}{RATE})) * 60", "{{product}}"),),
            ),
            Panel(
                "Rejected",
                "Share of parts judged ng in 15 minutes",
                "stat",
                6,
                ((_share("ng"), "{{product}}"),),
                "percentunit",
            ),
            Panel(
                "To review",
                "Share of parts between the thresholds in 15 minutes",
                "stat",
                6,
                ((_share("review"), "{{product}}"),),
                "percentunit",
            ),
        ),
        (
            Panel(
                "What is wrong now",
                "Alerts that fire; the runbook of each is in docs/operations.md",
                "table",
                12,
                (('ALERTS{alertstate="firing", alertname=~"Inspect.*"}', ""),),
            ),
            Panel(
                "Lamp or product",
                "Red while drift points there",
                "state-timeline",
                12,
                ((f"inspect_drift_alarm{PART}", f"{WHERE} {{{{cause}}}}"),),
                steps=ALARM,
            ),
        ),
        (
            Panel(
                "Verdicts a minute",
                "By verdict",
                "timeseries",
                12,
                ((f"sum by (verdict) (rate(inspect_verdicts_total{PART}{RATE})) * 60", "{{verdict}}"),),
            ),
            Panel(
                "Reject rate and its control limit",
                "EWMA; over the limit the process has changed",
                "timeseries",
                12,
                (
                    (f"inspect_reject_ewma_ratio{PART}", WHERE),
                    (f"inspect_reject_ewma_limit_ratio{PART}", f"{WHERE} limit"),
                ),
                "percentunit",
            ),
        ),
        (
            Panel(
                "Scores against the threshold",
                "0 is a typical good part, 1 the ng threshold; median and worst twentieth",
                "timeseries",
                12,
                (
                    (quantile(0.5, "inspect_score_ratio", "product", PART), "{{product}} median"),
                    (quantile(0.95, "inspect_score_ratio", "product", PART), "{{product}} 95 %"),
                ),
            ),
            Panel(
                "Pictures against calibration",
                "In tolerances; beyond ±1 look at lamp and lens",
                "timeseries",
                12,
                ((f"inspect_image_shift{PART}", f"{WHERE} {{{{measure}}}}"),),
                steps=SHIFT,
            ),
        ),
        (
            _picture("Brightness", "mean", "Mean luminance, 0 … 1"),
            _picture("Contrast", "contrast", "Of a picture, as a ratio"),
            _picture("Sharpness", "sharpness", "0 is blurred"),
            _picture("Clipped pixels", "saturated_share", "Too much light", "percentunit"),
        ),
    ),
)
