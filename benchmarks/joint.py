"""What a batch of several products gains over a batch of each: the frozen backbone runs once for all of them.

In: a store whose products read one backbone alike, a device. Out: a row for each number of pictures of a product: both
ways by turns, medians, and the largest difference of a score. No aim: it says where INSPECT_JOIN_PRODUCTS pays.
"""

import argparse
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence

import torch
from report import Row, publish
from service import add_arguments, pictures_of
from torch import Tensor

from detector.decode import decode
from detector.heap import keep_freed_memory
from detector.pipeline import Detector, score_together, stack
from detector.preprocess import resize_to_input
from model_store.backbones import BackboneStore
from model_store.engines import load_on_engine
from model_store.registry import Registry

Group = tuple[Detector, Tensor]
SIZES = (1, 2, 4)
FIRST = 3  # runs that are not counted


def main() -> None:
    """Load, find those that see alike, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--repeats", type=int, default=30)
    options = parser.parse_args()
    keep_freed_memory()
    alike = _alike(options)
    rows = [_row([(it, pictures[:size]) for it, pictures in alike], size, options.repeats) for size in SIZES]
    publish(options.out, f"joint-{options.device}", rows, note=f"{len(alike)} products on {options.device}.")


def _alike(options: argparse.Namespace) -> list[Group]:
    """The largest family of products that see alike, each with pictures enough."""
    registry, device = Registry(options.store), torch.device(options.device)
    families: dict[str, list[Group]] = defaultdict(list)
    for product in registry.products():
        path = registry.resolve(product).path
        detector = load_on_engine(path, BackboneStore(registry.backbones_root), device, "auto").detector
        files = [data for data, _ in pictures_of(options.store, product, options.pictures)]
        decoded = [decode(data, detector.spec.input) for data in files]
        inputs = [resize_to_input(picture.image, detector.spec.input) for picture in decoded]
        families[repr(detector.spec.sight)].append((detector, stack((inputs * max(SIZES))[: max(SIZES)], device)))
    largest = max((family for sight, family in families.items() if sight != "None"), key=len, default=[])
    if len(largest) < 2:
        sys.exit("error: no two products of this store read one backbone alike")
    return largest


def _row(groups: Sequence[Group], size: int, repeats: int) -> Row:
    ways: dict[str, Callable[[], list[Tensor]]] = {
        "apart ms": lambda: [detector(pictures).score for detector, pictures in groups],
        "one by one ms": lambda: [
            torch.cat([detector(picture[None]).score for picture in pictures]) for detector, pictures in groups
        ],
        "together ms": lambda: [anomaly.score for anomaly in score_together(groups)],
    }
    times: dict[str, list[float]] = defaultdict(list)
    scores: dict[str, Tensor] = {}
    for _ in range(FIRST + repeats):
        for name, run in ways.items():
            start = time.perf_counter()
            scores[name] = torch.cat(run()).cpu()  # waits for the device
            times[name].append(1000 * (time.perf_counter() - start))
    medians = {name: statistics.median(taken[FIRST:]) for name, taken in times.items()}
    return {
        "pictures of each": size,
        **medians,
        "apart / together": f"{medians['apart ms'] / medians['together ms']:.2f}",
        "largest difference": f"{(scores['together ms'] - scores['one by one ms']).abs().max().item():.1e}",
    }


if __name__ == "__main__":
    main()
