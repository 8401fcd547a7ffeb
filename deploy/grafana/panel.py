"""What a dashboard is made of, and queries that occur more than once. deploy/grafana/build.py draws them.

A row of panels is a tuple; widths in a row add up to 24. Queries name series of docs/metrics.md only; a test checks.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["stat", "timeseries", "state-timeline", "table"]
PART = '{product=~"$product", station=~"$station"}'
PRODUCT = '{product=~"$product"}'
RATE = "[$__rate_interval]"
WELL, ILL = "#0072B2", "#D55E00"  # blue and vermilion: told apart by who is colour-blind (Okabe & Ito)


@dataclass(frozen=True)
class Panel:
    """One panel; `queries` are (expression, legend)."""

    title: str
    says: str
    kind: Kind
    width: int
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    steps: tuple[tuple[float | None, str], ...] = ((None, WELL),)
    """From which value on the panel has a colour."""


@dataclass(frozen=True)
class Dashboard:
    """One page."""

    uid: str
    title: str
    rows: tuple[tuple[Panel, ...], ...]


ON_OFF = ((None, ILL), (1.0, WELL))
ALARM = ((None, WELL), (1.0, ILL))
SHIFT = ((None, ILL), (-1.0, WELL), (1.0, ILL))
WHERE = "{{product}} {{station}}"


def quantile(share: float, metric: str, labels: str, where: str) -> str:
    """Of a histogram, by `labels`."""
    return f"histogram_quantile({share}, sum by (le, {labels}) (rate({metric}_bucket{where}{RATE})))"


def average(metric: str, labels: str, where: str) -> str:
    """Of a histogram or summary, by `labels`."""
    total, count = (f"sum by ({labels}) (rate({metric}_{part}{where}{RATE}))" for part in ("sum", "count"))
    return f"{total} / {count}"
