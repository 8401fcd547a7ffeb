"""Is a score always the same? One picture many times: alone, in batches at any place, after a reload, in new processes.

In: a store, a product, --times. Out: a row for each way, with the number of different scores (bit for bit) and how far
any is from the first. Exit code 1 where there are two.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from detector.engine import as_served
from detector.pipeline import Detector, stack
from model_store.artifact import load_artifact
from model_store.backbones import BackboneStore
from model_store.registry import Registry
from training.data import load_picture

CPU = torch.device("cpu")
MOST = 8  # pictures in a batch, as in service
PROCESSES = 3


def main() -> None:
    """Every way, beside the first score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, default=Path("var/models"))
    parser.add_argument("--product", default="solar-mono")
    parser.add_argument("--times", type=int, default=1000)
    parser.add_argument("--once", action="store_true", help="print one score, as hexadecimal: what a new process does")
    options = parser.parse_args()
    detector = _load(options)
    pictures = _pictures(options, detector)
    first = _scores(detector, pictures[:1])[0]
    if options.once:
        print(first.hex())
        return
    ways = {
        "alone": [_scores(detector, pictures[:1])[0] for _ in range(options.times)],
        "in batches of 2 to 8, at any place": list(_in_batches(detector, pictures, options.times)),
        "loaded again, 10 times": [_scores(_load(options), pictures[:1])[0] for _ in range(10)],
        f"in {PROCESSES} new processes": [_elsewhere() for _ in range(PROCESSES)],
    }
    print(f"{options.product}: {first!r}\n| way | scores | different | furthest |\n|---|---|---|---|")
    for way, scores in ways.items():
        print(f"| {way} | {len(scores)} | {len({*scores, first})} | {max(abs(it - first) for it in scores):.1e} |")
    sys.exit(any({*scores} != {first} for scores in ways.values()))


def _load(options: argparse.Namespace) -> Detector:
    registry = Registry(options.store)
    ref = registry.resolve(options.product)
    return as_served(load_artifact(ref.path, BackboneStore(registry.backbones_root), CPU).detector)


def _pictures(options: argparse.Namespace, detector: Detector) -> list[np.ndarray]:
    golden = Registry(options.store).resolve(options.product).path / "golden"
    return [load_picture(file, detector.spec.input) for file in sorted(golden.iterdir()) if file.suffix != ".json"]


@torch.inference_mode()
def _scores(detector: Detector, pictures: list[np.ndarray]) -> list[float]:
    return detector(stack(pictures, CPU)).score.tolist()


def _in_batches(detector: Detector, pictures: list[np.ndarray], times: int) -> Iterator[float]:
    random = np.random.default_rng(0)
    for _ in range(times):
        others = [pictures[at] for at in random.integers(len(pictures), size=random.integers(1, MOST))]
        place = int(random.integers(len(others) + 1))
        yield _scores(detector, [*others[:place], pictures[0], *others[place:]])[place]


def _elsewhere() -> float:
    answer = subprocess.run([sys.executable, *sys.argv, "--once"], check=True, capture_output=True, text=True)
    return float.fromhex(answer.stdout.split()[-1])


if __name__ == "__main__":
    main()
