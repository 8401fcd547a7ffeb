"""results.jsonl → the table of README.md, between its two marker lines; what stands outside them stays.

In: the rows that run.py appended. Out: README.md, rewritten. Refuses: a README without the markers.
Rows that differ in the seed alone are one line: the mean, and the range where there are several seeds. Of two rows of
one command on the same data and machine the later one counts.
"""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
BEGIN, END = "<!-- table.py writes below -->", "<!-- table.py writes above -->"
HEAD = (
    "product",
    "method",
    "image AUROC",
    "AP",
    "F1",
    "pixel AUROC",
    "AUPRO",
    "false rejects (95 %)",
    "misses",
    "training, min",
    "picture, ms",
    "artifact, MB",
    "px",
    "seeds",
    "run",
)
MISSING = "–"  # the product has no masks

Row = dict[str, Any]


def main() -> None:
    """Rewrite the part between the markers."""
    readme = FOLDER / "README.md"
    before, begin, rest = readme.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"{readme} needs the lines {BEGIN} and {END}")
    rows = [json.loads(line) for line in (FOLDER / "results.jsonl").read_text("utf-8").splitlines()]
    readme.write_text(f"{before}{BEGIN}\n\n{render(rows)}\n{END}{after}", "utf-8")


def render(rows: Sequence[Row]) -> str:
    """The table, one line per product, method and setting; then what was run, where and on what, by number."""
    lines: dict[tuple[str, ...], dict[int, Row]] = {}
    for row in sorted(rows, key=lambda row: row["product"]):  # stable: methods in the order they were first run
        lines.setdefault(line_of(row), {})[row["seed"]] = row
    runs = {key: number for number, key in enumerate(lines, start=1)}
    table = [HEAD, ["---"] * len(HEAD)]
    table += [cells([seeds[seed] for seed in sorted(seeds)], runs[key]) for key, seeds in lines.items()]
    notes = [f"{runs[key]}. {origin(seeds[max(seeds)])}" for key, seeds in lines.items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in table) + "\n\n" + "\n".join(notes) + "\n"


def line_of(row: Row) -> tuple[str, ...]:
    """What two rows share that are one line."""
    settings = json.dumps(row["settings"], sort_keys=True)
    return row["product"], row["method"], str(row["size"]), settings, row["data_digest"], row["hardware"], row["note"]


def cells(rows: Sequence[Row], run: int) -> list[str]:
    """One line of the table, from its seeds."""
    first, figures = rows[0], [row["figures"] for row in rows]
    low = min(each["false_reject_rate_low"] for each in figures)
    high = max(each["false_reject_rate_high"] for each in figures)
    names = ("image_auroc", "image_ap", "f1", "pixel_auroc", "aupro")
    return [
        first["product"],
        first["method"],
        *(spread([each[name] for each in figures], "{:.3f}") for name in names),
        f"{percent(figures, 'false_reject_rate')} ({100 * low:.1f}–{100 * high:.1f})",
        percent(figures, "miss_rate"),
        spread([row["minutes"] for row in rows], "{:.1f}"),
        spread([row["milliseconds_p50"] for row in rows], "{:.0f}"),
        spread([row["artifact_bytes"] / 1e6 for row in rows], "{:.1f}"),
        str(first["size"]),
        ", ".join(str(row["seed"]) for row in rows),
        str(run),
    ]


def percent(figures: Sequence[dict[str, Any]], name: str) -> str:
    """A rate over the seeds."""
    return spread([100 * each[name] for each in figures], "{:.1f}") + " %"


def spread(values: Sequence[float | None], form: str) -> str:
    """The mean, and in brackets the lowest and highest of several seeds that differ."""
    there = [value for value in values if value is not None]
    if not there:
        return MISSING
    low, mean, high = (form.format(value) for value in (min(there), sum(there) / len(there), max(there)))
    return mean if low == high else f"{mean} ({low}–{high})"


def origin(row: Row) -> str:
    """The command of the last seed, the pictures, the machine, the day."""
    pictures, note = row["pictures"], f"; {row['note']}" if row["note"] else ""
    parts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in pictures.items())
    return (
        f"`{re.sub(' --seed [0-9]+', ' --seed N', row['command'])}`: pictures {row['data_digest'][:12]} ({parts}); "
        f"backbone {row['backbone'] or 'none'}; {row['hardware']}; {row['date']}{note}"
    )


if __name__ == "__main__":
    main()
