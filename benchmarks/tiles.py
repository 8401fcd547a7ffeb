"""Small defects in large pictures: in tiles, beside the same pictures made as small as an input of 256 px.

In: `--data`, small good pictures (solar-mono: cells of 300 px). Out: a table, and `<out>/tiles.*`. Sheets of
2448x2048 px are laid out of them in a temporary folder, as cells lie in a panel; cells of sheets that are trained on
and of those that are tested are different ones. Each defective sheet gets one defect of about 12 px. Both ways are
trained, and scored one picture at a time, by processes of their own, whose peak memory is told.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from report import publish

from training.data import GOOD
from training.metrics import auroc

CELL, GAP = 300, 6  # px
HEIGHT, WIDTH = 2048, 2448
SIZE = 12  # px of a defect
KINDS = ("spot", "scratch", "smear")
SHEETS = {5: (HEIGHT, WIDTH), 12: (3008, 4096), 20: (3648, 5472)}  # megapixels → height, width
WAYS = {  # the smaller first: a peak is that of all before
    "resized": ["--config", "cpu"],
    "tiles": ["--config", "tiles", "--set", f"input.height={HEIGHT}", "--set", f"input.width={WIDTH}"],
}
FEATURES_ALONE = (
    "--set",
    "features=as-told",
    "--set",
    'evidence.maps=["backbone"]',
)  # what is chosen wherever there is one

Grey = npt.NDArray[np.uint8]


def main() -> None:
    """Lay out, train, score, tell."""
    options = _options()
    if options.speed:
        print(json.dumps(_speed(options.store, options.speed)))
        return
    with tempfile.TemporaryDirectory(dir=options.temp) as folder:
        data = Path(folder) / "data"
        _lay_out(Path(options.data), data, options.train, options.test)
        rows = [_row(way, data, Path(folder), options) for way in options.ways]
    publish(
        Path(options.out),
        "tiles",
        rows,
        note=f"{options.train} good sheets to train, {options.test} of each kind to test.",
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="../shared/data/solar-mono")
    parser.add_argument("--store", default="var/models", help="with a backbone; versions are published to it")
    parser.add_argument("--temp", help="folder for sheets and runs; none: the system's")
    parser.add_argument("--out", default="var/benchmarks")
    parser.add_argument("--train", type=int, default=40)
    parser.add_argument("--test", type=int, default=8, help="good sheets, and of each kind of defect")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=[*WAYS])
    parser.add_argument("--sizes", nargs="*", type=int, choices=SHEETS, default=[5], help="megapixels to time")
    parser.add_argument("--set", action="append", default=[], help="as for fit, for both ways")
    parser.add_argument("--speed", help=argparse.SUPPRESS)
    return parser.parse_args()


def _lay_out(source: Path, data: Path, train: int, test: int) -> None:
    random = np.random.default_rng(0)
    fitted, tested = (_cells(source / place) for place in ("train/good", "test/good"))
    jobs = [
        ("train", GOOD, train, fitted),
        ("test", GOOD, test, tested),
        *(("test", kind, test, tested) for kind in KINDS),
    ]
    for part, kind, count, cells in jobs:
        (data / part / kind).mkdir(parents=True)
        for number in range(count):
            sheet = _sheet(cells, random)
            if kind != GOOD:
                _damage(sheet, kind, random)
            Image.fromarray(sheet).save(data / part / kind / f"{number:03d}.png", compress_level=1)


def _cells(folder: Path) -> list[Grey]:
    return [np.asarray(Image.open(path).convert("L").resize((CELL, CELL))) for path in sorted(folder.iterdir())]


def _sheet(cells: Sequence[Grey], random: np.random.Generator) -> Grey:
    """Cells side by side, cut off at the lower border."""
    pitch = CELL + GAP
    rows, columns = -(-HEIGHT // pitch), -(-WIDTH // pitch)
    sheet = np.full((rows * pitch, columns * pitch), 20, np.uint8)
    for place, chosen in enumerate(random.choice(len(cells), rows * columns, replace=rows * columns > len(cells))):
        top, left = place // columns * pitch, place % columns * pitch
        sheet[top : top + CELL, left : left + CELL] = cells[chosen]
    return sheet[:HEIGHT, :WIDTH].copy()


def _damage(sheet: Grey, kind: str, random: np.random.Generator) -> None:
    """One defect inside a cell, in place."""
    pitch, reach = CELL + GAP, SIZE
    row, column = random.integers(HEIGHT // pitch), random.integers(WIDTH // pitch)
    y, x = pitch * row + random.integers(40, CELL - 40), pitch * column + random.integers(40, CELL - 40)
    around = np.s_[y - reach : y + reach, x - reach : x + reach]
    down, across = np.mgrid[-reach:reach, -reach:reach] + 0.5
    if kind == "spot":
        strength = np.clip(SIZE / 2 - np.hypot(down, across) + 0.5, 0, 1)
    else:
        angle = random.uniform(0, np.pi)
        along, beside = down * np.sin(angle) + across * np.cos(angle), down * np.cos(angle) - across * np.sin(angle)
        strength = np.clip(1.5 - np.abs(beside), 0, 1) * (np.abs(along) < SIZE / 2)
    old = sheet[around].astype(float)
    if kind == "smear":  # nothing new, but rotated by a quarter: only the texture tells
        inside = np.hypot(down, across) < SIZE / 2
        sheet[around] = np.where(inside, np.rot90(old) * 0.85, old).astype(np.uint8)
        return
    target = old.mean() + (random.choice([-1, 1]) if kind == "spot" else -1) * random.uniform(40, 70)
    sheet[around] = np.clip(old + strength * (target - old), 0, 255).round().astype(np.uint8)


def _row(way: str, data: Path, folder: Path, options: argparse.Namespace) -> dict[str, object]:
    """Train one way, and time it; its row of the table."""
    product = f"sheet-{way}"
    command = [
        sys.executable,
        "-m",
        "training",
        "fit",
        "--fresh",
        "--product",
        product,
        "--data",
        str(data),
        "--store",
        options.store,
    ]
    command += ["--runs", str(folder / "runs"), *WAYS[way], *FEATURES_ALONE, "--set", "split.calibrate=0.25"]
    command += [word for each in options.set for word in ("--set", each)]
    began = time.monotonic()
    subprocess.run(command, check=True)
    minutes, peak = (time.monotonic() - began) / 60, _peak_mib()
    scored = json.loads((folder / "runs" / product / "scores.json").read_text())["parts"]
    row: dict[str, object] = {"way": way, "training, min": minutes, "peak of training, MiB": peak, **_aurocs(scored)}
    for size in options.sizes if way == "tiles" else [5]:
        asked = [sys.executable, __file__, "--store", options.store, "--speed", f"{product}:{size}"]
        timed = json.loads(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        row |= {f"{size} Mpx: {name}": value for name, value in timed.items()}
    return row


def _aurocs(parts: Sequence[dict[str, object]]) -> dict[str, object]:
    tested = [part for part in parts if part["role"] == "test"]
    found: dict[str, object] = {}
    for name, kinds in (("all", KINDS), *((kind, (kind,)) for kind in KINDS)):
        some = [part for part in tested if part["label"] in (GOOD, *kinds)]
        scores, truth = np.array([part["score"] for part in some]), np.array([part["label"] != GOOD for part in some])
        found[f"image AUROC, {name}"] = f"{auroc(scores, truth):.3f}"
    ng = [part for part in tested if part["verdict"] == "ng"]
    found["rejected, defective / good"] = (
        f"{sum(p['label'] != GOOD for p in ng)} / {sum(p['label'] == GOOD for p in ng)}"
    )
    return found


def _speed(store: str, what: str) -> dict[str, float]:
    """Pictures a second, one by one from pixels to score, and this process's peak; `what` is product:megapixels."""
    from dataclasses import replace  # noqa: PLC0415 -- only the process that is timed pays for torch

    import torch  # noqa: PLC0415
    from safetensors.torch import load_file  # noqa: PLC0415

    from detector.build import build_detector, load_detector_weights  # noqa: PLC0415
    from detector.engine import arrange  # noqa: PLC0415
    from detector.heap import keep_freed_memory  # noqa: PLC0415
    from detector.pipeline import stack  # noqa: PLC0415
    from model_store.backbones import BackboneStore  # noqa: PLC0415
    from model_store.manifest import WEIGHTS, read_manifest  # noqa: PLC0415
    from model_store.registry import Registry  # noqa: PLC0415

    keep_freed_memory()
    product, _, size = what.partition(":")
    registry = Registry(Path(store))
    version = registry.resolve(product).path
    spec = read_manifest(version)[0].detector
    backbone = None if spec.backbone is None else BackboneStore(registry.backbones_root).load(spec.backbone.digest)
    if spec.tiles is not None:  # pooled statistics are of no size
        height, width = SHEETS[int(size)]
        spec = replace(spec, input=replace(spec.input, height=height, width=width))
    detector = build_detector(spec, backbone)
    load_detector_weights(detector, load_file(version / WEIGHTS))
    detector, before = arrange(detector, "folded"), _own_mib()
    pixels = np.random.default_rng(0).integers(0, 255, (spec.input.height, spec.input.width, 3), np.uint8)
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        detector(stack([pixels], torch.device("cpu")))
        seconds.append(time.perf_counter() - began)
    return {"pictures/s": 1 / min(seconds), "peak MiB": _own_mib(), "of them before": before}


def _own_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _peak_mib() -> float:
    """Of the largest child so far: the way that takes less comes first."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


if __name__ == "__main__":
    main()
