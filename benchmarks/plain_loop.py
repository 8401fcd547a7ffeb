"""What the service is held against: one process that decodes and scores the same pictures in batches, and nothing else.

In: a store, a product, seconds, a batch size. Out: pictures a second, on stdout.
"""

import argparse
import itertools
import time

import torch
from service import add_arguments, pictures_of

from detector.decode import DecodeLimits, decode
from detector.heap import keep_freed_memory
from detector.pipeline import stack
from detector.preprocess import resize_to_input
from model_store.backbones import BackboneStore
from model_store.engines import load_on_engine
from model_store.registry import Registry


def main() -> None:
    """Warm up, run, print."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    parser.add_argument("--product", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--batch", type=int, default=8)
    options = parser.parse_args()
    keep_freed_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    registry = Registry(options.store)
    path = registry.resolve(options.product).path
    model = load_on_engine(path, BackboneStore(registry.backbones_root), device, "auto")
    pictures = [data for data, _ in pictures_of(options.store, options.product, options.pictures)]
    print(_rate(model.detector, pictures, options.seconds, options.batch))


def _rate(detector: torch.nn.Module, pictures: list[bytes], seconds: float, batch: int) -> float:
    spec, device = detector.spec.input, next(detector.parameters()).device
    turns = itertools.cycle(pictures)
    limits = DecodeLimits()

    def score() -> None:
        decoded = [decode(next(turns), spec, limits) for _ in range(batch)]
        detector(stack([resize_to_input(picture.image, spec) for picture in decoded], device)).score.tolist()

    score()
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        score()
        count += batch
    return count / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
