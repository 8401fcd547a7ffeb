"""Batches of 1 to 64 against the floor: what their arithmetic and their weights would take at the measured peak.

In: CPU threads, rounds. Out: table `floor-…` in var/benchmarks. The floor of a stage is the longer of its operations at
the rate of the best matrix product and its weights at the bandwidth of a copy; maps in between cost it nothing, as if
all stayed in cache. A detector's floor is the sum of its stages'.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from report import Row, publish
from speed_subjects import make
from stopwatch import measure
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from detector.heap import keep_freed_memory
from detector.pipeline import Detector

BATCHES = (1, 2, 4, 8, 16, 32, 64)
SIDES = (512, 1024, 2048)  # of the matrices
COPIED = 64 << 20  # bytes: more than the cache of a core


@dataclass(frozen=True)
class Peak:
    """Of this machine, by torch."""

    flops: float
    """A second."""
    bytes: float
    """A second, read and written."""


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("var/benchmarks"))
    parser.add_argument("--heap", choices=["kept", "given back"], default="kept", help="kept: as a worker does")
    parser.add_argument("--most", type=int, default=BATCHES[-1])
    parser.add_argument("--engine", choices=["reference", "folded"], default="folded")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.heap == "kept":
        keep_freed_memory()
    peak = measure_peak()
    note = (
        f"256×256, engine {options.engine}, {options.threads} CPU threads, "
        f"least of {options.rounds} rounds, freed memory "
        f"{options.heap}; peak {peak.flops / 1e9:.0f} GFLOP/s, {peak.bytes / 1e9:.1f} GB/s."
    )
    rows = [
        row
        for name in ("features", "residual")
        for row in _rows(name, peak, [size for size in BATCHES if size <= options.most], options)
    ]
    suffix = f"{options.threads}-{options.engine}{'' if options.heap == 'kept' else '-given-back'}"
    publish(options.out, f"floor-{suffix}", rows, note=note)


def measure_peak() -> Peak:
    """The best of several matrix products, and of several copies."""
    pairs = {str(side): (torch.rand(side, side), torch.rand(side, side)) for side in SIDES}
    products = measure({side: lambda a=a, b=b: a @ b for side, (a, b) in pairs.items()}, rounds=15)
    source = torch.rand(COPIED // 4)
    target = torch.empty_like(source)
    copy = measure({"copy": lambda: target.copy_(source)}, rounds=15)["copy"].least
    return Peak(max(2 * int(side) ** 3 / ms.least * 1000 for side, ms in products.items()), 2 * COPIED / copy * 1000)


@torch.inference_mode()
def _rows(name: str, peak: Peak, sizes: list[int], options: argparse.Namespace) -> list[Row]:
    detector = make(name, options.engine)
    rows: list[Row] = []
    for size in sizes:
        pictures = torch.rand(size, 3, 256, 256)
        rows.append(_row(name, detector, pictures, _floor(detector, pictures, peak), options))
    return rows


def _row(name: str, detector: Detector, pictures: Tensor, floor: float, options: argparse.Namespace) -> Row:
    size, singly = len(pictures), pictures.split(1)
    ways = {"batch": lambda: detector(pictures), "singly": lambda: [detector(one) for one in singly]}
    taken = measure(ways, rounds=options.rounds, warm_up=1)
    return {
        "detector": name,
        "pictures": size,
        "floor ms/picture": floor / size,
        "as one batch ms/picture": taken["batch"].least / size,
        "of the floor": f"{floor / taken['batch'].least:.0%}",
        "one by one ms/picture": taken["singly"].least / size,
        "of the batch's floor": f"{floor / taken['singly'].least:.0%}",
        "images/s/core, the better": 1000 * size / min(ways.least for ways in taken.values()) / options.threads,
    }


def _floor(detector: Detector, pictures: Tensor, peak: Peak) -> float:
    """Milliseconds of the batch."""
    stages = _stages(detector, pictures)
    return sum(1000 * max(_flops(run) / peak.flops, _bytes(part) / peak.bytes) for run, part in stages)


def _stages(detector: Detector, pictures: Tensor) -> Iterator[tuple[Callable[[], object], nn.Module]]:
    """What is run, and whose weights it reads."""
    if detector.spec.evidence.residuals:
        masks = detector.saliency(pictures)
        yield lambda: detector.rebuild(pictures, masks), detector.unet
    if "backbone" in detector.spec.evidence.maps and detector.backbone is not None:
        features, field = detector.features(pictures, "backbone"), detector.evidence.fields["backbone"]
        yield lambda: detector.features(pictures, "backbone"), detector.backbone
        yield lambda: field(detector.evidence.grid("backbone", features)), field


def _flops(run: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def _bytes(part: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in (*part.parameters(), *part.buffers()))


if __name__ == "__main__":
    main()
