"""One method on one product with one seed: one more line of results.jsonl.

In: a command line. Out: the line, also on stdout. Refuses: what training draws; peers in a Python without anomalib.
Of the good training pictures a share sets the threshold, by the split of `training.data`; a method learns from the
others. Test pictures measure and choose nothing.
"""

import argparse
import json
import os
import platform
import shlex
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import ours
import torch
from figures import Figures, Masks, image_figures, marked_pictures, pixel_figures, threshold_for
from scoring import Fitted, Map, score_files

from detector.errors import DetectorError
from detector.spec import InputSpec
from model_store.errors import ArtifactError
from training.config import SplitConfig, TrainConfig, load_config
from training.data import Dataset, read_dataset
from training.errors import TrainingError

RESULTS = Path(__file__).parent / "results.jsonl"
PEERS = ("padim", "patchcore")
PROMISE = 0.05  # false-reject rate


def main() -> None:
    """Fit, score, measure, append."""
    options = parse_arguments()
    try:
        row = measure(options)
    except (TrainingError, DetectorError, ArtifactError) as error:
        sys.exit(f"error: {error}")
    line = json.dumps(row, allow_nan=False)
    with options.results.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    print(line)


def parse_arguments() -> argparse.Namespace:
    """The options that say which row."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--method", required=True, choices=(*ours.METHODS, *PEERS))
    parser.add_argument("--product", required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of products")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=256, help="px a side")
    parser.add_argument(
        "--weights", type=Path, default=Path("../shared/weights/mobilenetv2_100_same.safetensors"), help="backbone"
    )
    parser.add_argument("--set", action="append", default=[], dest="override", help="our methods: fit.epochs=30")
    parser.add_argument("--coreset", type=float, default=0.1, help="patchcore: share of patches that it keeps")
    parser.add_argument(
        "--keep", type=Path, help="our methods: folder that keeps the store (models) and the run (runs)"
    )
    parser.add_argument("--note", default="", help="what else was true of the machine")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file to append to")
    return parser.parse_args()


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """One row."""
    with tempfile.TemporaryDirectory() as folder:
        config = our_config(options, options.keep or Path(folder)) if options.method in ours.METHODS else None
        split = SplitConfig() if config is None else config.split
        spec = InputSpec(height=options.size, width=options.size) if config is None else config.input
        promise = PROMISE if config is None else config.promise
        dataset = read_dataset(options.data / options.product, hold_out=split.hold_out, calibrate=split.calibrate)
        fitted = fit_peer(options, dataset, spec) if config is None else ours.fit(config, our_weights(options))
        calibration = score_files(fitted.predict, dataset.calibrate, spec)
        test = score_files(fitted.predict, dataset.test, spec)
    maps, masks = marked_pictures(dataset.test, test.maps)
    figures = image_figures(dataset.test, test, threshold_for(promise, calibration.scores)) | pixel_figures(maps, masks)
    if options.method in PEERS and figures["aupro"] is not None:
        figures |= cross_check(maps, masks, figures["aupro"])
    return describe(options, dataset, fitted) | {
        "promise": promise,
        "milliseconds_p50": float(np.median(test.milliseconds)),
        "figures": figures,
    }


def our_config(options: argparse.Namespace, folder: Path) -> TrainConfig:
    """The preset, what its method sets over it, the row's size and seed, and --set over all."""
    preset, before = ours.METHODS[options.method]
    places = {"product": options.product, "data": options.data / options.product}
    places |= {"store": folder / "models", "runs": folder / "runs"}
    row = (f"input.height={options.size}", f"input.width={options.size}", f"seed={options.seed}")
    return load_config(preset, places, [*before, *row, f"promise={PROMISE}", *options.override])


def our_weights(options: argparse.Namespace) -> Path | None:
    """The backbone's, but for the method that does without."""
    return None if options.method == ours.WEIGHT_FREE else options.weights


def fit_peer(options: argparse.Namespace, dataset: Dataset, spec: InputSpec) -> Fitted:
    """PaDiM and PatchCore have no second stage to hold pictures out for: they learn from those too."""
    import peers  # noqa: PLC0415 -- needs anomalib, which our own rows do not

    samples = (*dataset.train, *dataset.hold_out)
    if options.method == "padim":
        return peers.fit_padim(samples, spec, weights=options.weights, seed=options.seed)
    return peers.fit_patchcore(samples, spec, weights=options.weights, seed=options.seed, coreset=options.coreset)


def cross_check(maps: Map, masks: Masks, mine: float) -> Figures:
    """Anomalib's AUPRO of the same maps, and how far ours is from it on stderr."""
    from peers import anomalib_aupro  # noqa: PLC0415 -- needs anomalib

    theirs = anomalib_aupro(maps, masks)
    print(f"AUPRO: ours {mine:.6f}, anomalib's {theirs:.6f}, difference {mine - theirs:+.2e}", file=sys.stderr)
    return {"aupro_anomalib": theirs}


def describe(options: argparse.Namespace, dataset: Dataset, fitted: Fitted) -> dict[str, Any]:
    """Everything that makes the row repeatable, and what it cost."""
    return {
        "command": command(options),
        "method": options.method,
        "product": options.product,
        "data_digest": dataset.digest,
        "pictures": {
            "fitted_on": fitted.fitted_on,
            "calibrate": len(dataset.calibrate),
            "test_good": sum(not sample.is_defective for sample in dataset.test),
            "test_defective": sum(sample.is_defective for sample in dataset.test),
        },
        "seed": options.seed,
        "size": options.size,
        "settings": fitted.settings,
        "backbone": fitted.backbone,
        "hardware": hardware(),
        "note": options.note,
        "date": datetime.now(UTC).date().isoformat(),
        "minutes": fitted.minutes,
        "artifact_bytes": fitted.artifact_bytes,
    }


def command(options: argparse.Namespace) -> str:
    """What gives this row again, typed in the repository's root with ../shared beside it."""
    words = ["python", "benchmarks/accuracy/run.py", "--method", options.method, "--product", options.product]
    words += ["--seed", str(options.seed), "--size", str(options.size)]
    words += [word for line in options.override for word in ("--set", line)]
    words += ["--coreset", str(options.coreset)] if options.method == "patchcore" else []
    return shlex.join(words)


def hardware() -> str:
    """The GPU, or the cores and the threads that torch may use."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{os.cpu_count()} cores {platform.machine()}, {torch.get_num_threads()} thread(s), no GPU"


if __name__ == "__main__":
    main()
