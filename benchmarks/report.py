"""Figures → a table on stdout; `<out>/<name>.json`, `.md` and `.svg`, with the machine they were measured on."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from plot import Row, draw


def publish(out: Path, name: str, rows: Sequence[Row], *, note: str = "") -> None:
    """Print and write `rows`, all with the keys of the first."""
    table = to_markdown(rows)
    print(f"\n{name}\n\n{table}\n{note}", flush=True)
    out.mkdir(parents=True, exist_ok=True)
    measured = {"name": name, "rows": list(rows), "note": note, "machine": machine()}
    (out / f"{name}.json").write_text(json.dumps(measured, indent=1) + "\n")
    (out / f"{name}.md").write_text(f"# {name}\n\n{table}\n\n{note}\n\nMachine: {describe(machine())}\n")
    if (picture := draw(rows, name)) is not None:
        (out / f"{name}.svg").write_text(picture)


def to_markdown(rows: Sequence[Row]) -> str:
    """A table in Markdown."""
    heads = list(rows[0])
    lines = [heads, ["---"] * len(heads), *([_cell(row[head]) for head in heads] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> dict[str, object]:
    """What a figure depends on."""
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "cpu": cpu.partition(":")[2].strip(),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "torch": version("torch"),
        "settings": {key: value for key, value in os.environ.items() if key.startswith(("OMP_", "INSPECT_"))},
    }


def describe(facts: Mapping[str, object]) -> str:
    """One line."""
    return ", ".join(f"{name} {value}" for name, value in facts.items() if value)


def _cell(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
