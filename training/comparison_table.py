"""A `Comparison` → tables for the terminal, and the same as JSON for a program.

In: a `Comparison`. Out: rich tables; a JSON object that holds every picture. Refuses nothing.
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.table import Table

from detector.verdict import Verdict
from training.compare import Comparison, Pair, Rate, Side

SHOWN = 20  # pictures whose verdict stays; those that flip are all shown
NONE = "–"


def figures_table(comparison: Comparison) -> Table:
    """Figures of both versions side by side."""
    before, after = comparison.before, comparison.after
    table = Table("figure", before.version, after.version)
    for (name, old), (_, new) in zip(_figures(before), _figures(after), strict=True):
        table.add_row(name, old, new)
    correlation = comparison.rank_correlation
    table.add_row("rank correlation", NONE if correlation is None else f"{correlation:.3f}", "")
    return table


def pairs_table(comparison: Comparison) -> Table:
    """Every flip, then the pictures whose score moved farthest among the others; paths are never cut."""
    flips = len(comparison.flips)
    shown = comparison.pairs[: flips + SHOWN]
    left_out = len(comparison.pairs) - len(shown)
    table = Table(title=f"{flips} of {len(comparison.pairs)} verdicts flip")
    scores = (f"score {side.version}" for side in (comparison.before, comparison.after))
    for column in ("picture", *scores, "verdict", "rank", "meaning"):
        table.add_column(column, overflow="fold")
    for pair in shown:
        table.add_row(*_row(pair), style="bold" if pair.is_flip else "")
    if left_out:
        table.caption = f"{left_out} more whose verdict stays: --json lists them"
    return table


def to_json(comparison: Comparison) -> dict[str, Any]:
    """All of it; `flip` is `ok→ng` and the like, null where the verdict stays."""
    return {
        "before": asdict(comparison.before),
        "after": asdict(comparison.after),
        "rank_correlation": comparison.rank_correlation,
        "warnings": list(comparison.warnings),
        "flips": len(comparison.flips),
        "pictures": [_picture(pair) for pair in comparison.pairs],
    }


def meaning(pair: Pair) -> str:
    """What a flip does to the line, in words; empty where it changes neither a false reject nor an escape."""
    wrong = Verdict.OK if pair.before.is_defective else Verdict.NG
    name = "escape" if pair.before.is_defective else "false reject"
    if not pair.is_flip or wrong not in {pair.before.verdict, pair.after.verdict}:
        return ""
    return f"a new {name}" if pair.after.verdict == wrong else f"no {name} any more"


def _figures(side: Side) -> Iterator[tuple[str, str]]:
    yield "ng above", f"{side.ng_above:.6g}"
    yield "review above", f"{side.review_above:.6g}"
    yield "promise", f"{side.promise:.2%}, set on {side.calibration_pictures} pictures"
    yield f"false rejects of {side.good}", f"{side.false_rejects} {_percent(side.false_reject_rate)}".rstrip()
    yield f"escapes of {side.defective}", str(side.escapes)
    yield "image AUROC", _share(side.image_auroc)


def _percent(rate: Rate | None) -> str:
    return "" if rate is None else f"= {rate.value:.1%} (95 %: {rate.low:.1%} to {rate.high:.1%})"


def _share(rate: Rate | None) -> str:
    return NONE if rate is None else f"{rate.value:.3f} (95 %: {rate.low:.3f} to {rate.high:.3f})"


def _row(pair: Pair) -> tuple[str, ...]:
    old, new = pair.before, pair.after
    verdict = _flip(pair) or new.verdict
    return old.path, f"{old.score:.4g}", f"{new.score:.4g}", verdict, f"{pair.rank_change:+g}", meaning(pair)


def _flip(pair: Pair) -> str | None:
    return f"{pair.before.verdict}→{pair.after.verdict}" if pair.is_flip else None


def _picture(pair: Pair) -> dict[str, Any]:
    return {
        "path": pair.before.path,
        "label": pair.before.label,
        "scores": [pair.before.score, pair.after.score],
        "verdicts": [pair.before.verdict, pair.after.verdict],
        "rank_change": pair.rank_change,
        "flip": _flip(pair),
    }
