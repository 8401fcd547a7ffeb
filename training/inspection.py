"""A picture file and a published version → score, verdict and regions, as the service would answer, without a service.

In: a model store, `product` or `product@3`, files. Out: `Inspected`. Refuses: what model_store.errors draws (hashes and
golden pictures are checked as at every load), bytes that are no picture (`DecodeError`), a file that is not there
(`PictureMissing`). Always on the CPU and one by one: the score has the bits that a CPU worker gives.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from detector.decode import Picture, decode
from detector.errors import DecodeError
from detector.pipeline import Explanation, stack
from detector.preprocess import resize_to_input
from detector.regions import Region, find_regions
from detector.spec import InputSpec
from detector.verdict import Judgement, judge
from model_store.artifact import LoadedModel
from model_store.backbones import BackboneStore
from model_store.engines import load_on_engine
from model_store.registry import Registry
from training.data import LIMITS
from training.errors import PictureMissing

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Inspected:
    """One part, what became of it and how."""

    path: Path
    pixels: npt.NDArray[np.uint8]
    """(H,W,3), as the detector sees it."""
    judgement: Judgement
    regions: tuple[Region, ...]
    """In pixels of the picture as it lies in the file, the worst first."""
    explanation: Explanation


def load_version(store: Path, reference: str) -> LoadedModel:
    """The version that `reference` names in `store`; without `@version` the active one."""
    registry = Registry(store)
    return load_on_engine(registry.resolve(reference).path, BackboneStore(registry.backbones_root), CPU, "auto")


def name_of(model: LoadedModel) -> str:
    """`product@version`."""
    return f"{model.manifest.product}@{model.manifest.version}"


def inspect_file(model: LoadedModel, path: Path) -> Inspected:
    """Decode, resize, score and judge one file; a `DecodeError` names it."""
    calibration, spec = model.manifest.calibration, model.detector.spec.input
    picture = _decode(path, spec)
    pixels = resize_to_input(picture.image, spec)
    seen = model.detector.explain(stack([pixels], CPU))
    regions = find_regions(
        seen.heatmap[0].numpy(), calibration.ng_above, picture_width=picture.width, picture_height=picture.height
    )
    return Inspected(path, pixels, judge(float(seen.score.double()), calibration), regions, seen)


def _decode(path: Path, spec: InputSpec) -> Picture:
    try:
        return decode(path.read_bytes(), spec, LIMITS)
    except OSError as exc:
        raise PictureMissing(f"{path} cannot be read: {exc.strerror}") from exc
    except DecodeError as exc:
        raise type(exc)(f"{path}: {exc}") from exc
