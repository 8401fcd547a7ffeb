"""A table of figures → one SVG: a panel of bars for every column of numbers, so that ratios are seen at a glance.

In: rows with the keys of the first. Out: SVG text that refers to nothing outside itself, or nothing where there is no
number. Texts of a row become its label.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Row = Mapping[str, object]

PANELS = 4  # columns of numbers that are drawn, from the left
COLOUR, GREY = "#0072B2", "#6b7280"  # Okabe & Ito 2008
STYLE: Any = {"svg.fonttype": "none", "svg.hashsalt": "inspect-line", "font.size": 8, "axes.edgecolor": GREY}


def draw(rows: Sequence[Row], title: str) -> str | None:
    """SVG text."""
    numbers = [head for head in rows[0] if all(_is_number(row[head]) for row in rows)][:PANELS]
    if not numbers:
        return None
    labels = [
        ", ".join(str(row[head]) for head in row if not _is_number(row[head])) or str(at) for at, row in enumerate(rows)
    ]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3 + 2 * len(numbers), 0.8 + 0.32 * len(rows)), layout="constrained")
        figure.suptitle(title, fontsize=9, color=GREY)
        for axes, head in zip(figure.subplots(1, len(numbers), sharey=True, squeeze=False)[0], numbers, strict=True):
            _panel(axes, head, labels, [float(str(row[head])) for row in rows])
        figure.axes[0].invert_yaxis()  # they share it: the first row on top
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def _panel(axes: Axes, head: str, labels: Sequence[str], values: Sequence[float]) -> None:
    places = range(len(values))
    bars = axes.barh(places, values, color=COLOUR, height=0.6)
    axes.bar_label(bars, [f"{value:.4g}" for value in values], padding=2, fontsize=7)
    axes.set_yticks(places, labels)
    axes.set_title(head, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.25)
    axes.xaxis.set_visible(False)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
