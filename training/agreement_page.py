"""A measurement system analysis → one HTML page for whoever releases the station.

In: the service's answer on agreement. Out: the page. Refuses: what training/agreement.py draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from training.agreement import CONFIDENCE, LIMITS, Agreement, Figure, Limit, Study, analyse, parts_needed
from training.page import render

PAGE = "agreement.html"
UNEVEN = 2.0  # ratio of shares looked at, from which the parts looked at say little of all parts
GRADES = {
    "acceptable": "acceptable",
    "marginal": "marginal: may need improvement",
    "unacceptable": "not acceptable",
}


@dataclass(frozen=True)
class Row:
    """One verdict: how many, and how many of them people looked at."""

    verdict: str
    parts: int
    looked_at: int
    good: int
    defective: int


def write_agreement_page(agreement: Agreement, out: Path) -> list[Study]:
    """Analyse and write; the studies that are on the page."""
    studies = analyse(agreement)
    rows = [
        Row(verdict, it.parts, it.looked_at, it.looked_at - it.defective, it.defective)
        for verdict, it in agreement.looked.items()
    ]
    page = render(
        PAGE,
        {"number": _number, "interval": _interval, "grade": _grade},
        product=agreement.product,
        written=datetime.now(UTC),
        facts=_facts(agreement),
        studies=studies,
        rows=rows,
        limits=[(limit, *_words(limit)) for limit in LIMITS],
        uneven=_uneven(rows),
        confidence=CONFIDENCE,
        misses_needed=parts_needed(LIMITS[1].acceptable),
        alarms_needed=parts_needed(LIMITS[2].acceptable),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page, "utf-8")
    return studies


def _facts(agreement: Agreement) -> dict[str, str]:
    return {
        "Version": "every version" if agreement.version is None else f"{agreement.product}@{agreement.version}",
        "From": agreement.since or "the beginning",
        "Until": agreement.until or "now",
        "Parts": f"{sum(it.parts for it in agreement.looked.values())} with a verdict, "
        f"{sum(it.looked_at for it in agreement.looked.values())} of them looked at by people",
    }


def _uneven(rows: Sequence[Row]) -> bool:
    """Whether one verdict was looked at so much more often that the plain figures mislead."""
    shares = [row.looked_at / row.parts for row in rows if row.parts]
    return min(shares, default=1.0) * UNEVEN < max(shares, default=1.0)


def _words(limit: Limit) -> tuple[str, str]:
    sign = "≥" if limit.more_is_better else "≤"
    return f"{sign} {_number(limit.acceptable, limit)}", f"{sign} {_number(limit.marginal, limit)}"


def _number(value: float, limit: Limit) -> str:
    return f"{value:.2f}" if limit.name == "Kappa" else f"{value:.1%}"


def _interval(figure: Figure) -> str:
    return f"{_number(figure.low, figure.limit)} to {_number(figure.high, figure.limit)}"


def _grade(figure: Figure) -> str:
    return GRADES[figure.grade] + ("" if figure.sure else ", not shown yet")
