"""How long a fit may take → how many epochs the reconstruction network gets.

In: "90s", "10m", "1h" or a number of seconds; what the epochs so far took. Out: seconds; a number of epochs, planned
anew after each epoch, so that a cosine ends where the budget does. Refuses: what is no duration (`ValueError`, which
the configuration translates), a budget that one epoch and the stages after it do not fit in (`BudgetTooShort`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from training.errors import BudgetTooShort

UNITS = {"s": 1, "m": 60, "h": 3600}
DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smh])")
RECENT = 5  # epochs whose mean says what the next one takes: a shared machine gets faster and slower

# What the stages after the reconstruction network cost, in pictures of an epoch, from above. Measured at 64 and 128 px
# on a CPU: scoring a picture took 0.4 to 0.6 of fitting it, and an epoch of the attenuator 0.02.
SCORING, ATTENUATOR = 0.7, 0.1
DRAWN = 40  # pictures that the report and the golden test score again
FIXED_S = 5.0  # charts, files


@dataclass(frozen=True)
class Workload:
    """How many pictures each stage handles."""

    train: int
    hold_out: int
    calibrate: int
    test: int
    fader_epochs: int
    kinds: int = 1
    """Of statistics, that are fitted and compared."""

    @property
    def after(self) -> float:
        """All that comes after the reconstruction network, in epochs of it."""
        scored = 2 * self.hold_out + 2 * self.calibrate + self.test + DRAWN
        scored += (self.kinds - 1) * (self.train + 3 * self.hold_out)
        return (SCORING * scored + ATTENUATOR * self.fader_epochs * self.hold_out) / self.train


@dataclass(frozen=True)
class Budget:
    """Wall-clock seconds for all of a fit, what of them is gone before its first epoch, and the work."""

    seconds: float
    gone: float
    work: Workload

    def plan(self, epoch_seconds: Sequence[float]) -> int:
        """Epochs in all, given what each of those before took, in this process or an earlier one; at least one."""
        usual = _usual(epoch_seconds)
        left = self.seconds - self.gone - sum(epoch_seconds) - self.work.after * usual - FIXED_S
        if left < 0 and len(epoch_seconds) == 1:
            raise BudgetTooShort(
                f"one epoch takes {usual:.0f} s and what comes after the last about "
                f"{self.work.after * usual + FIXED_S:.0f} s, so {self.seconds:.0f} s is too short; start over with "
                f"--fresh and ten epochs: --time-budget {self._for_epochs(10, usual):.0f}s"
            )
        return len(epoch_seconds) + max(0, int(left / usual))

    def _for_epochs(self, count: int, usual: float) -> float:
        return self.gone + (count + self.work.after) * usual + FIXED_S


def parse_duration(value: object) -> float:
    """`"10m"` → 600.0; a number is seconds already."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str) and (found := DURATION.fullmatch(value.strip())):
        seconds = float(found[1]) * UNITS[found[2]]
    else:
        raise ValueError(f"{value!r} is no duration; say 90s, 10m or 1h")
    if seconds <= 0:
        raise ValueError(f"{value!r} leaves no time")
    return seconds


def _usual(epoch_seconds: Sequence[float]) -> float:
    """What an epoch takes; the first warms caches up and compiles, and counts only while it is the only one."""
    recent = list(epoch_seconds[1:] or epoch_seconds)[-RECENT:]
    return sum(recent) / len(recent)
