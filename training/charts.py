"""Figures of a run → charts as SVG text that can stand inside a page.

In: epoch records, scores of good and defective parts, the calibration. Out: `Chart`. Refuses nothing: the caller leaves
out a chart whose numbers are not there. An SVG here refers to nothing outside itself, and lines differ by dash too.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import AsinhLocator, MaxNLocator
from sklearn.metrics import roc_curve

from detector.calibration import Calibration
from training.fit import EpochRecord
from training.fit_fader import FaderEpoch
from training.metrics import auroc

# Okabe & Ito 2008, as detector/heatmap.py: told apart with every kind of colour blindness
GOOD_COLOUR, DEFECT_COLOUR, REVIEW_COLOUR, NG_COLOUR = "#0072B2", "#E69F00", "#009E73", "#D55E00"
DEFECT_EDGE = "#8a5f00"
GREY = "#6b7280"
LOSS_LINES = (("loss", "-", NG_COLOUR), ("l2", "--", GOOD_COLOUR), ("ssim", "-.", DEFECT_COLOUR), ("msgms", ":", GREY))
SIZE = (5.4, 3.3)  # inches; the page scales it
BINS = 40
FAR_TAIL = 12  # scores beyond this many ng thresholds squeeze the rest into one bin: the axis turns logarithmic
STYLE: Any = {  # Any: the stubs want each key as a literal of their own
    "svg.fonttype": "none",  # text stays text: it can be found, read aloud and takes a tenth of the bytes
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "grid.color": "#e5e7eb",
    "axes.axisbelow": True,
    "legend.frameon": False,
}

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Chart:
    """A drawing, and the same in words."""

    svg: str
    alt: str


@mpl.rc_context(STYLE)
def loss_chart(epochs: Sequence[EpochRecord]) -> Chart:
    """Loss and its three terms over the epochs of the reconstruction network, at least one."""
    figure, axes = _blank("epoch", "loss (logarithmic)")
    for name, dash, colour in LOSS_LINES:
        _plot_epochs(axes, [getattr(record, name) for record in epochs], name, dash, colour)
    axes.set_yscale("log")
    _legend_above(axes)
    return Chart(
        _to_svg(figure, "loss"),
        f"Loss of the reconstruction network: {epochs[0].loss:.4f} in epoch 1, {epochs[-1].loss:.4f} in epoch "
        f"{len(epochs)}, the last.",
    )


@mpl.rc_context(STYLE)
def attenuator_chart(epochs: Sequence[FaderEpoch]) -> Chart:
    """Ranking loss and rank correlation over the epochs of the attenuator, at least one."""
    figure, axes = _blank("epoch", "ranking loss, correlation")
    losses, correlations = [record.loss for record in epochs], [record.rank_correlation for record in epochs]
    _plot_epochs(axes, losses, "ranking loss", "-", NG_COLOUR)
    _plot_epochs(axes, correlations, "rank correlation", "--", GOOD_COLOUR)
    _legend_above(axes)
    return Chart(
        _to_svg(figure, "attenuator"),
        f"Ranking loss of the attenuator: {losses[0]:.3f} in epoch 1, {losses[-1]:.3f} in epoch {len(epochs)}, the "
        f"last; rank correlation {correlations[-1]:.3f} there.",
    )


@mpl.rc_context(STYLE)
def roc_chart(good: Values, defective: Values, calibration: Calibration) -> Chart:
    """Share of defective parts found over share of good parts lost, and where both thresholds lie on it."""
    figure, axes = _blank("good parts above the threshold", "defective parts above it")
    scores = np.concatenate((good, defective))
    truth = np.repeat([False, True], (len(good), len(defective)))
    false_rate, true_rate, _ = roc_curve(truth, scores)
    area = auroc(scores, truth)
    axes.plot((0, 1), (0, 1), ":", color=GREY, label="guessing")
    axes.plot(false_rate, true_rate, "-", color=GOOD_COLOUR, label=f"this model, area {area:.3f}")
    for name, threshold, marker, colour in _thresholds(calibration):
        lost, found = float(np.mean(good > threshold)), float(np.mean(defective > threshold))
        label = f"{name}: {found:.1%} found, {lost:.1%} lost"
        axes.plot([lost], [found], marker, color=colour, markersize=8, linestyle="none", label=label, clip_on=False)
    axes.set(xlim=(0, 1), ylim=(0, 1.01))
    axes.legend(loc="lower right")
    return Chart(_to_svg(figure, "roc"), f"ROC curve of the test pictures; the area under it is {area:.3f}.")


@mpl.rc_context(STYLE)
def histogram(good: Values, defective: Values, calibration: Calibration) -> Chart:
    """How many good and defective parts have which score, with both thresholds; `defective` may be empty."""
    figure, axes = _blank("anomaly score", "pictures")
    edges = _edges(np.concatenate((good, defective)), calibration, axes)
    axes.hist(good, edges, color=GOOD_COLOUR, alpha=0.75, label=f"good ({len(good)})")
    if len(defective):
        axes.hist(
            defective,
            edges,
            histtype="stepfilled",
            facecolor=DEFECT_COLOUR + "99",
            edgecolor=DEFECT_EDGE,
            hatch="////",
            label=f"defective ({len(defective)})",
        )
    _draw_thresholds(axes, calibration)
    _legend_above(axes)
    return Chart(
        _to_svg(figure, "histogram"),
        f"Histogram of the scores of {len(good)} good and {len(defective)} defective pictures; review above "
        f"{calibration.review_above:.4g}, ng above {calibration.ng_above:.4g}.",
    )


@mpl.rc_context(STYLE)
def brightness_chart(values: Sequence[float], outliers: Sequence[float]) -> Chart:
    """Mean brightness, 0 … 255, of good pictures, at least one; those of `outliers` are marked."""
    figure, axes = _blank("mean brightness", "good pictures")
    axes.hist(values, BINS, color=GOOD_COLOUR, label=f"all ({len(values)})")
    axes.plot(
        outliers, np.zeros(len(outliers)), "v", color=NG_COLOUR, clip_on=False, label=f"outliers ({len(outliers)})"
    )
    _legend_above(axes)
    return Chart(
        _to_svg(figure, "brightness"),
        f"Mean brightness of {len(values)} good pictures, from {min(values):.0f} to {max(values):.0f} of 255; "
        f"{len(outliers)} are outliers.",
    )


@mpl.rc_context(STYLE)
def suspicion_chart(values: Sequence[float], limit: float) -> Chart:
    """Robust deviations of the scores of good pictures, at least one."""
    figure, axes = _blank("robust deviations of log(score)", "good pictures")
    axes.hist(values, BINS, color=GOOD_COLOUR)
    axes.axvline(limit, color=NG_COLOUR, linewidth=1.8)
    beyond = sum(value > limit for value in values)
    return Chart(
        _to_svg(figure, "suspicion"),
        f"Scores of {len(values)} good pictures, in robust deviations from the middle one; {beyond} lie beyond "
        f"{limit:g}.",
    )


def _blank(x_label: str, y_label: str) -> tuple[Figure, Axes]:
    figure = Figure(SIZE, layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel=x_label, ylabel=y_label)
    return figure, axes


def _plot_epochs(axes: Axes, values: Sequence[float], label: str, dash: str, colour: str) -> None:
    """One line from epoch 1 on; a single epoch is a dot, or nothing would be seen."""
    marker = "." if len(values) == 1 else None
    axes.plot(range(1, len(values) + 1), values, dash, color=colour, label=label, marker=marker)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _legend_above(axes: Axes) -> None:
    axes.legend(ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.14))


def _draw_thresholds(axes: Axes, calibration: Calibration) -> None:
    """A labelled line each, one label below the other and towards the middle, where there is room."""
    axes.set_ylim(0, axes.get_ylim()[1] * 1.3)
    for row, (name, threshold, _, colour) in enumerate(_thresholds(calibration)):
        axes.axvline(threshold, color=colour, linestyle="-" if name == "ng" else "--", linewidth=1.8)
        share = axes.transAxes.inverted().transform(axes.transData.transform((threshold, 0)))[0]
        side, offset = ("left", 4) if share < 0.5 else ("right", -4)
        axes.annotate(
            f"{name} above {threshold:.4g}",
            (threshold, 0.98 - 0.09 * row),
            (offset, 0),
            xycoords=axes.get_xaxis_transform(),
            textcoords="offset points",
            ha=side,
            va="top",
            color=colour,
            weight="bold",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )


def _thresholds(calibration: Calibration) -> tuple[tuple[str, float, str, str], ...]:
    """Name, value, marker and colour; one where there is no review band."""
    ng = ("ng", calibration.ng_above, "s", NG_COLOUR)
    if calibration.review_above == calibration.ng_above:
        return (ng,)
    return ("review", calibration.review_above, "o", REVIEW_COLOUR), ng


def _edges(scores: Values, calibration: Calibration, axes: Axes) -> list[float]:
    """Bin edges over all scores and thresholds; turns the axis logarithmic beyond the threshold for a far tail."""
    low = min(float(scores.min()), calibration.review_above)
    high = max(float(scores.max()), calibration.ng_above)
    high = high if high > low else low + 1.0
    width = calibration.ng_above - calibration.map_floor
    edges = np.linspace(low, high, BINS + 1)
    if high - calibration.map_floor > FAR_TAIL * width:
        axes.set_xscale("asinh", linear_width=width, base=0)
        axes.xaxis.set_major_locator(AsinhLocator(width, numticks=6, base=0))
        axes.xaxis.set_major_formatter("{x:g}")
        edges = width * np.sinh(np.linspace(np.arcsinh(low / width), np.arcsinh(high / width), BINS + 1))
    axes.set_xlim(edges[0], edges[-1])
    bounds: list[float] = edges.tolist()
    return bounds


def _to_svg(figure: Figure, salt: str) -> str:
    """The <svg> element alone; `salt` keeps the ids inside apart from those of other charts in one page."""
    file = io.StringIO()
    no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with mpl.rc_context({"svg.hashsalt": salt}):
        figure.savefig(file, format="svg", metadata=no_metadata, transparent=True)
    text = file.getvalue()
    return text[text.index("<svg") :]  # without the XML declaration and a DOCTYPE that names a file on the web
