"""What a search tries: mosaic scale, kernel, learning rate, schedule.

In: a configuration, and the mosaic scale that it comes to. Out: a `Space`; values drawn by an Optuna trial, under the
dotted names that `--set` takes; the configuration with such values. Refuses: values that no configuration can hold
(`ConfigInvalid`). What the configuration says itself is always in the space, and is tried first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.trial import Trial

from training.config import TrainConfig, parse_config

MOSAIC_SCALES = (2, 4, 8, 16, 32, 64)  # px: EAR Table 1
KERNELS = (3, 5)  # EAR Table 2
LEARNING_RATES = (1e-5, 1e-2)  # EAR's 1e-5, 1e-4 and 1e-3, and what short fits on a CPU need (ours)
SCHEDULES = ("fixed", "warm-up", "sgdr")  # EAR Table 2
MOSAIC_SCALE, KERNEL, LEARNING_RATE, SCHEDULE = "mosaic_scale", "unet.kernel", "fit.learning_rate", "fit.schedule"

Values = Mapping[str, Any]  # dotted name → value


@dataclass(frozen=True)
class Space:
    """Choices by dotted name, the range of the learning rate, and where the search starts."""

    choices: Mapping[str, tuple[Any, ...]]
    learning_rates: tuple[float, float]
    first: Values
    """What the configuration itself says."""


def space_of(config: TrainConfig, mosaic_scale: int) -> Space:
    """`mosaic_scale` is the configuration's own, resolved; it is not searched where nothing hides behind a mosaic."""
    own: dict[str, Any] = {KERNEL: config.unet.kernel, SCHEDULE: config.fit.schedule}
    choices: dict[str, tuple[Any, ...]] = {KERNEL: KERNELS, SCHEDULE: SCHEDULES}
    if config.saliency.kind != "none" and config.saliency.hide_as == "mosaic":
        largest = min(config.input.height, config.input.width) // 2
        own[MOSAIC_SCALE] = mosaic_scale
        choices[MOSAIC_SCALE] = tuple(scale for scale in MOSAIC_SCALES if scale <= largest)
    rate, (low, high) = config.fit.learning_rate, LEARNING_RATES
    return Space(
        choices={name: _with_own(known, own[name]) for name, known in choices.items()},
        learning_rates=(min(low, rate), max(high, rate)),
        first={**own, LEARNING_RATE: rate},
    )


def suggest(trial: Trial, space: Space) -> dict[str, Any]:
    """Values that the trial's sampler draws."""
    values = {name: trial.suggest_categorical(name, choices) for name, choices in space.choices.items()}
    low, high = space.learning_rates
    return {**values, LEARNING_RATE: trial.suggest_float(LEARNING_RATE, low, high, log=True)}


def with_values(config: TrainConfig, values: Values) -> TrainConfig:
    """`config` with `values` in place of its own."""
    fields = config.model_dump(mode="json")
    for name, value in values.items():
        *tables, key = name.split(".")
        table = fields
        for part in tables:
            table = table[part]
        table[key] = value
    return parse_config(fields, what="a configuration on trial")


def _with_own(known: tuple[Any, ...], own: Any) -> tuple[Any, ...]:
    return known if own in known else (*known, own)
