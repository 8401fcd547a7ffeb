"""An ended search → a table for a person, a JSON object, and a TOML file that `fit --config` takes.

In: a `Search` in which at least one trial was finished. Out: text and objects; writes nothing. Refuses nothing.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState
from rich.box import SIMPLE
from rich.table import Table

from training.config import GIVEN_AS_OPTIONS, PRESETS, TrainConfig
from training.search import FAILED, IMAGE, PIXEL, Search, ended
from training.search_space import KERNEL, LEARNING_RATE, MOSAIC_SCALE, SCHEDULE, with_values
from training.trial import Bench

SHOWN = 10  # trials of the table
NAMES = (MOSAIC_SCALE, KERNEL, LEARNING_RATE, SCHEDULE)
COLUMNS = ("trial", "mean", "image", "pixel", "mosaic", "kernel", "rate", "schedule", "")  # 80 characters hold them


def ranked(search: Search) -> list[FrozenTrial]:
    """Best first; those that were stopped early or failed come last."""
    return sorted(ended(search.study), key=lambda trial: (trial.state is not TrialState.COMPLETE, -(trial.value or 0)))


def best_table(search: Search) -> Table:
    """The best trials, and the configuration as it stood: it was the first."""
    table = Table(*COLUMNS, title="AUROC on synthetic defects, best mean first", box=SIMPLE, collapse_padding=True)
    trials = ranked(search)
    for trial in trials[:SHOWN] + [trial for trial in trials[SHOWN:] if _is_first(trial, search)]:
        figures = [_figure(trial.value), *(_figure(trial.user_attrs.get(name)) for name in (IMAGE, PIXEL))]
        values = [f"{value:.1e}" if isinstance(value, float) else str(value) for value in _values(trial)]
        note = "as configured" if _is_first(trial, search) else outcome(trial)
        table.add_row(str(trial.number), *figures, *values, note)
    return table


def to_json(search: Search, bench: Bench) -> dict[str, Any]:
    """What search.json holds; `bench` is what the trials were fitted and marked on."""
    exam = bench.exam
    return {
        "objective": "mean of image AUROC (damaged against untouched pictures) and pixel AUROC, synthetic defects",
        "study": search.study.study_name,
        "pictures": {
            "train": len(bench.train),
            "statistics": len(exam.statistics),
            "good": len(exam.good),
            "damaged": len(exam.damaged),
        },
        "config": search.config.model_dump(mode="json"),
        "best_trial": search.study.best_trial.number,
        "trials": [_trial_json(trial) for trial in ranked(search)],
    }


def to_toml(search: Search, preset: str, base: TrainConfig) -> str:
    """`preset` with what the winner, and `--set` before it, changed in its configuration, which is `base`."""
    winner = with_values(search.config, search.study.best_trial.params)
    before, after = (config.model_dump(mode="json", exclude=set(GIVEN_AS_OPTIONS)) for config in (base, winner))
    extends = preset if (PRESETS / f"{preset}.toml").is_file() else str(Path(preset).resolve())
    study = search.study
    head = f"# Trial {study.best_trial.number} of {study.study_name}: objective {study.best_value:.4f}"
    return "\n".join([head, f"extends = {json.dumps(extends)}", *_toml_lines(_changed(before, after))]) + "\n"


def outcome(trial: FrozenTrial) -> str:
    """How the trial ended, for a person."""
    if FAILED in trial.user_attrs:
        return "failed"
    return "" if trial.state is TrialState.COMPLETE else "stopped early"


def _trial_json(trial: FrozenTrial) -> dict[str, Any]:
    """A trial that was stopped early has the figures of its last mark; one that failed at once has none."""
    return {
        "number": trial.number,
        "outcome": outcome(trial) or "finished",
        "objective": trial.value,
        **trial.user_attrs,
        "values": trial.params,
        "marks": {str(epochs): value for epochs, value in sorted(trial.intermediate_values.items())},
        "seconds": None if trial.duration is None else trial.duration.total_seconds(),
    }


def _is_first(trial: FrozenTrial, search: Search) -> bool:
    return dict(trial.params) == dict(search.space.first)


def _values(trial: FrozenTrial) -> list[Any]:
    return [trial.params.get(name, "") for name in NAMES]


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What differs, table by table."""
    changed: dict[str, Any] = {}
    for key, value in after.items():
        if isinstance(value, dict):
            changed |= {key: inner} if (inner := _changed(before[key], value)) else {}
        elif value != before[key]:
            changed[key] = value
    return changed


def _toml_lines(table: Mapping[str, Any], name: str = "") -> list[str]:
    """Plain keys, then tables; what JSON calls a string, number, truth value or list of them is TOML too."""
    plain = [f"{key} = {json.dumps(value)}" for key, value in table.items() if not isinstance(value, dict)]
    lines = ["", f"[{name}]", *plain] if name and plain else plain
    for key, value in table.items():
        if isinstance(value, dict):
            lines += _toml_lines(value, f"{name}.{key}" if name else key)
    return lines
