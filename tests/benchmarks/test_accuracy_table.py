"""The table of benchmarks/accuracy: seeds of one line are joined, everything else stays apart."""

import copy
from typing import Any

from benchmarks.accuracy.table import MISSING, render

ROW: dict[str, Any] = {
    "command": "python benchmarks/accuracy/run.py --method padim --product tile --seed 0 --size 64",
    "method": "padim",
    "product": "tile",
    "data_digest": "d" * 64,
    "pictures": {"fitted_on": 8, "calibrate": 2, "test_good": 3, "test_defective": 4},
    "seed": 0,
    "size": 64,
    "settings": {},
    "backbone": None,
    "hardware": "an abacus",
    "note": "",
    "date": "2026-11-24",
    "minutes": 1.0,
    "artifact_bytes": 2_000_000,
    "milliseconds_p50": 30.0,
    "figures": {
        "image_auroc": 0.9,
        "image_ap": 0.8,
        "f1": 0.7,
        "pixel_auroc": None,
        "aupro": None,
        "false_reject_rate": 0.05,
        "false_reject_rate_low": 0.01,
        "false_reject_rate_high": 0.2,
        "miss_rate": 0.25,
    },
}


def test_two_seeds_are_one_line_with_mean_and_range() -> None:
    other = copy.deepcopy(ROW) | {"seed": 1}
    other["figures"] = ROW["figures"] | {"image_auroc": 0.8, "false_reject_rate_high": 0.3}
    line = render([ROW, other]).splitlines()[2]
    assert "| tile | padim | 0.850 (0.800–0.900) |" in line
    assert "| 5.0 % (1.0–30.0) |" in line
    assert "| 0, 1 |" in line


def test_a_row_that_was_run_again_counts_once_and_as_it_is_now() -> None:
    line = render([ROW, ROW | {"minutes": 7.0}]).splitlines()[2]
    assert "| 7.0 |" in line


def test_other_settings_are_another_line_and_masks_that_are_not_there_are_no_figure() -> None:
    lines = render([ROW, ROW | {"settings": {"coreset": 0.1}}]).splitlines()
    assert [line.count(f"| {MISSING} ") for line in lines[2:4]] == [2, 2]
    assert lines[5].startswith("1. `python benchmarks/accuracy/run.py")
    assert "an abacus; 2026-11-24" in lines[6]
