"""A version on each engine: what its load costs, a picture alone and in a batch, and by how much its scores differ.

In: a store, folders of pictures. Out: table `engines` in var/benchmarks, a row for each product and engine: CPU
milliseconds, the least of `--rounds` in turns, so that what runs beside it counts little; MiB that the first load and
one picture take in a process of its own; differences of scores from the engine `folded`, which measured the thresholds.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch
from report import Row, publish
from resident_memory import private_bytes

from detector.decode import decode
from detector.heap import keep_freed_memory
from detector.pipeline import Detector, EngineName, stack
from detector.preprocess import resize_to_input
from model_store.artifact import load_artifact
from model_store.backbones import BackboneStore
from model_store.registry import Registry

CPU = torch.device("cpu")
ENGINES: tuple[EngineName, ...] = ("reference", "folded", "onnx")
BATCH = 8
MIB = 1 << 20
Pictures = list[np.ndarray]


def main() -> None:
    """Measure and publish; or, for itself, one engine's memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, default=Path("var/models"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="has <product>/test/…")
    parser.add_argument("--products", nargs="*", help="those of the store that have a graph, unless named")
    parser.add_argument("--pictures", type=int, default=64, help="of each product that are scored")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("var/benchmarks"))
    parser.add_argument("--memory", choices=ENGINES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    if options.memory:
        print(_grown(options.store, options.products[0], options.memory))
        return
    registry = Registry(options.store)
    products = options.products or [
        it for it in registry.products() if (registry.resolve(it).path / "backbone.onnx").exists()
    ]
    rows = [row for product in products for row in _rows(options, product)]
    note = (
        f"{options.threads} thread; CPU ms, least of {options.rounds} rounds in turns; scores of "
        f"{options.pictures} test pictures of each product."
    )
    publish(options.out, "engines", rows, note=note)


def _rows(options: argparse.Namespace, product: str) -> list[Row]:
    loads = {
        engine: [_timed(lambda it=engine: _load(options.store, product, it)) for _ in range(3)] for engine in ENGINES
    }
    detectors = {engine: _load(options.store, product, engine) for engine in ENGINES}
    pictures = _pictures(options.data / product, detectors["folded"], options.pictures)
    alone, batch = stack(pictures[:1], CPU), stack(list(islice(cycle(pictures), BATCH)), CPU)
    ways: dict[tuple[EngineName, int], Callable[[], object]] = {
        (engine, len(seen)): (lambda run=detectors[engine], seen=seen: run(seen))
        for engine in ENGINES
        for seen in (alone, batch)
    }
    taken = dict.fromkeys(ways, float("inf"))
    for _ in range(options.rounds):
        for way, run in ways.items():
            taken[way] = min(taken[way], _timed(run))
    scores = {engine: _scores(detectors[engine], pictures) for engine in ENGINES}
    in_batches = {engine: _scores(detectors[engine], pictures, BATCH) for engine in ENGINES}
    return [
        {
            "product": product,
            "engine": engine,
            "load, CPU ms": min(loads[engine]),
            "first load, MiB": _memory(options, product, engine),
            "1 picture, CPU ms": taken[engine, 1],
            f"one of {BATCH}, CPU ms": taken[engine, BATCH] / BATCH,
            "largest |Δscore|": f"{_furthest(scores[engine], scores['folded']):.1e}",
            "of max(1, score)": f"{_furthest(scores[engine], scores['folded'], unit=1.0):.1e}",
            "alone or in a batch": f"{_furthest(in_batches[engine], scores[engine], unit=1.0):.1e}",
        }
        for engine in ENGINES
    ]


def _load(store: Path, product: str, engine: EngineName) -> Detector:
    registry = Registry(store)
    return load_artifact(registry.resolve(product).path, BackboneStore(registry.backbones_root), CPU, engine).detector


def _pictures(data: Path, detector: Detector, count: int) -> Pictures:
    """Test pictures of every kind, as networks see them."""
    files = sorted((data / "test").rglob("*.*"))
    chosen = files[:: max(1, len(files) // count)][:count]
    spec = detector.spec.input
    return [resize_to_input(decode(file.read_bytes(), spec).image, spec) for file in chosen]


def _scores(detector: Detector, pictures: Pictures, step: int = 1) -> torch.Tensor:
    parts = [pictures[start : start + step] for start in range(0, len(pictures), step)]
    return torch.cat([detector(stack(part, CPU)).score for part in parts])


def _furthest(scores: torch.Tensor, others: torch.Tensor, *, unit: float = 0.0) -> float:
    """Largest difference; with a `unit`, in shares of the larger of it and the score."""
    return float(((scores - others).abs() / (others.abs().clamp(min=unit) if unit else 1)).max())


def _timed(run: Callable[[], object]) -> float:
    """CPU milliseconds of this process, all its threads."""
    began = time.process_time()
    run()
    return 1000 * (time.process_time() - began)


def _memory(options: argparse.Namespace, product: str, engine: EngineName) -> float:
    """In a fresh process."""
    command = [sys.executable, __file__, "--store", options.store, "--products", product, "--memory", engine]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(printed.split()[-1])


def _grown(store: Path, product: str, engine: EngineName) -> float:
    before = private_bytes()
    detector = _load(store, product, engine)
    size = detector.spec.input
    detector(torch.zeros(1, 3, size.height, size.width))
    return (private_bytes() - before) / MIB


if __name__ == "__main__":
    main()
