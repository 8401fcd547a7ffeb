"""Does a promised false-reject rate hold? Thresholds for 5, 2 and 1 % from calibration pictures, on good test parts.

In: folders of calibrated and evaluated runs (--runs, each with its scores.json). Out: a row for each product and
promise: how many good test parts were rejected, with the 95 % interval (Clopper-Pearson) of that rate, and whether the
promise is in it or above it. A promise that the sample cannot support is said so, with how many pictures would.
`exchanged`: the mean over random splits of all good scores, calibration and test together, into samples of the same
sizes: what the rule does where test parts are of the calibration's kind, whatever these test parts are.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from detector.calibration import conformal_quantile
from detector.errors import PromiseTooSmall
from training.data import GOOD
from training.run import SCORES

PROMISES = (0.05, 0.02, 0.01)
SPLITS = 2000
CONFIDENCE = 0.95

Scores = npt.NDArray[np.float64]


def main() -> None:
    """Rows of every run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="folders of runs, such as var/runs/plate")
    options = parser.parse_args()
    print("| run | promise | rejected | rate (95 %) | kept | exchanged |\n|---|---|---|---|---|---|")
    for run in options.runs:
        parts = json.loads((run / SCORES).read_text(encoding="utf-8"))["parts"]
        calibration, test = (_good(parts, role) for role in ("calibrate", "test"))
        for promise in PROMISES:
            print(f"| {run.name} | {promise:.0%} | {' | '.join(_row(calibration, test, promise))} |")


def _good(parts: Sequence[dict[str, object]], role: str) -> Scores:
    return np.array([part["score"] for part in parts if part["role"] == role and part["label"] == GOOD], np.float64)


def _row(calibration: Scores, test: Scores, promise: float) -> tuple[str, str, str, str]:
    try:
        rejected = _rejected(calibration, test, promise)
    except PromiseTooSmall as refusal:
        return ("–", str(refusal), "refused", "–")
    interval = binomtest(rejected, len(test)).proportion_ci(CONFIDENCE)
    rate = f"{rejected / len(test):.1%} ({interval.low:.1%}–{interval.high:.1%})"
    return (
        f"{rejected} of {len(test)}",
        rate,
        "yes" if interval.low <= promise else "NO",
        f"{_exchanged(calibration, test, promise):.1%}",
    )


def _rejected(calibration: Scores, test: Scores, promise: float) -> int:
    return int((test > conformal_quantile(sorted(calibration.tolist()), promise)).sum())


def _exchanged(calibration: Scores, test: Scores, promise: float) -> float:
    random, together = np.random.default_rng(0), np.concatenate([calibration, test])
    counts = []
    for _ in range(SPLITS):
        mixed = random.permutation(together)
        counts.append(_rejected(mixed[: len(calibration)], mixed[len(calibration) :], promise))
    return float(np.mean(counts)) / len(test)


if __name__ == "__main__":
    main()
