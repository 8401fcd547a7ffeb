"""The detector as a peer hosts it: bytes of pictures in, scores out, no verdict and no record."""

from collections.abc import Sequence
from pathlib import Path

import torch

from detector.decode import DecodeLimits, decode
from detector.heap import keep_freed_memory
from detector.pipeline import stack
from detector.preprocess import resize_to_input
from model_store.backbones import BackboneStore
from model_store.engines import load_on_engine
from model_store.registry import Registry

LIMITS = DecodeLimits()
MOST = 8


class Hosted:
    """Loaded once a process."""

    def __init__(self, store: str, product: str) -> None:
        keep_freed_memory()  # as this service's workers do
        registry = Registry(Path(store))
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        backbones = BackboneStore(registry.backbones_root)
        self.detector = load_on_engine(registry.resolve(product).path, backbones, self.device, "auto").detector

    def score(self, bodies: Sequence[bytes]) -> list[float]:
        """Of each picture, all at once."""
        spec = self.detector.spec.input
        pixels = [resize_to_input(decode(body, spec, LIMITS).image, spec) for body in bodies]
        scores: list[float] = self.detector(stack(pixels, self.device)).score.tolist()
        return scores


def answer(score: float, query: object) -> dict[str, object]:
    """What the load generator reads, so that it counts the answer as its own."""
    fields = dict(query) if isinstance(query, dict) else {}
    return {"score": score, "id": fields.get("part_id"), **{name: fields.get(name) for name in ("part_id", "product")}}
