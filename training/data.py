"""Folders → samples by role → pictures as the networks see them.

In: a product in the MVTec AD layout (train/good, test/<kind>, ground_truth/<kind>/<stem>_mask.png), or a folder of
good pictures. Out: a `Dataset`; pictures read by the service's own decode and resize. Refuses nothing here that
training/dataset_lint.py lists: it looks first.
"""

import hashlib
import math
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from detector.decode import DecodeLimits, decode
from detector.preprocess import resize_to_input
from detector.spec import InputSpec
from training.errors import NoRoom

GOOD = "good"
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
MASK_SUFFIXES = ("_mask.png", ".png")
WHITE = 127  # a mask pixel above this is defective
LIMITS = DecodeLimits()  # the service's own
STRETCHED = 9  # pictures of one camera are of one shape
READERS = 4  # threads; Pillow decodes outside the GIL
IN_MEMORY = 1 << 30  # bytes of decoded pictures; 1400 of 512 px a side, 70 of 5 megapixels


@dataclass(frozen=True)
class Sample:
    """One picture file."""

    path: Path
    digest: str
    """SHA-256 of the file's bytes."""
    label: str
    """`good`, or the kind of defect, as its folder is called."""
    mask: Path | None = None

    @property
    def is_defective(self) -> bool:
        """Whether the part should be rejected."""
        return self.label != GOOD


@dataclass(frozen=True)
class Dataset:
    """A product's pictures by role; no picture's content has two roles."""

    root: Path
    train: tuple[Sample, ...]
    """Fits the reconstruction network."""
    hold_out: tuple[Sample, ...]
    """Fits the attenuator and the evidence statistics."""
    calibrate: tuple[Sample, ...]
    """Sets the thresholds."""
    test: tuple[Sample, ...]
    """Measures; chooses nothing. Empty for a plain folder."""

    @property
    def roles(self) -> dict[str, tuple[Sample, ...]]:
        """The samples under the names that reports and manifests use."""
        return {"train": self.train, "hold_out": self.hold_out, "calibrate": self.calibrate, "test": self.test}

    @property
    def digest(self) -> str:
        """SHA-256 over role, content and label of every picture: the same wherever the folder lies."""
        lines = sorted(f"{role} {sample.digest} {sample.label}" for role, part in self.roles.items() for sample in part)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def read_dataset(root: Path, *, hold_out: float, calibrate: float) -> Dataset:
    """Find the pictures under `root` and split the good training ones by content; nothing is decoded."""
    has_test = (root / "train" / GOOD).is_dir() and (root / "test").is_dir()
    kinds = sorted(path.name for path in (root / "test").iterdir() if path.is_dir()) if has_test else []
    test = [sample for kind in kinds for sample in _samples(root / "test" / kind, kind, root / "ground_truth" / kind)]
    return replace(read_good(root, hold_out=hold_out, calibrate=calibrate), test=tuple(test))


def read_good(root: Path, *, hold_out: float, calibrate: float) -> Dataset:
    """The same split without test pictures: no test file is opened, for what must choose without them."""
    folder = root / "train" / GOOD
    good = _samples(folder if folder.is_dir() else root, GOOD)
    return Dataset(root, *split_by_content(good, hold_out=hold_out, calibrate=calibrate), test=())


def split_by_content(
    samples: Sequence[Sample], *, hold_out: float, calibrate: float
) -> tuple[tuple[Sample, ...], tuple[Sample, ...], tuple[Sample, ...]]:
    """train, hold_out, calibrate: shares of the distinct contents, ordered by digest, copies on one side.

    Names and places play no part, so the split survives a rename; a digest is as good as a drawn number.
    """
    contents = sorted({sample.digest for sample in samples})
    first, second = round(calibrate * len(contents)), round(hold_out * len(contents))
    for_calibration, for_hold_out = set(contents[:first]), set(contents[first : first + second])
    calibration = tuple(sample for sample in samples if sample.digest in for_calibration)
    held_out = tuple(sample for sample in samples if sample.digest in for_hold_out)
    train = tuple(sample for sample in samples if sample.digest not in for_calibration | for_hold_out)
    return train, held_out, calibration


def load_pictures(samples: Sequence[Sample], spec: InputSpec, folder: Path | None = None) -> npt.NDArray[np.uint8]:
    """(N,H,W,3) uint8, decoded and resized exactly as the service does it; a `DecodeError` names no file, see lint.

    More than `IN_MEMORY` lie in a nameless file in `folder`, where one is given, which is gone with the last user of
    them; `NoRoom` where the disk has none for it.
    """
    pictures = _room((len(samples), spec.height, spec.width, 3), folder)

    def load(row: int) -> None:
        pictures[row] = load_picture(samples[row].path, spec)

    with ThreadPoolExecutor(READERS) as pool:
        list(pool.map(load, range(len(samples))))
    return pictures


def load_picture(path: Path, spec: InputSpec) -> npt.NDArray[np.uint8]:
    """One file → (H,W,3) uint8."""
    return resize_to_input(decode(path.read_bytes(), spec, LIMITS).image, spec)


def measure_stretch(samples: Sequence[Sample], spec: InputSpec) -> float:
    """How wide a pixel of the input is, where it is 1 high, in the files: the median of a few, 1 without any."""
    some = samples[:: max(1, len(samples) // STRETCHED)][:STRETCHED]
    sizes = [decode(sample.path.read_bytes(), spec, LIMITS).pixels.shape for sample in some]
    ratios = [width * spec.height / (height * spec.width) for height, width, _ in sizes]
    return float(np.median(ratios)) if ratios else 1.0


def _room(shape: tuple[int, ...], folder: Path | None) -> npt.NDArray[np.uint8]:
    size = math.prod(shape)
    if folder is None or size <= IN_MEMORY:
        return np.empty(shape, np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            reserve = getattr(os, "posix_fallocate", None)
            if reserve is not None:  # now: a full disk would kill the process at some later page
                reserve(file.fileno(), 0, size)
            return np.memmap(file, np.uint8, "w+", shape=shape)
        except OSError as exc:
            raise NoRoom(f"{folder} needs {size / 1e9:.1f} GB for decoded pictures: {exc.strerror}") from exc


def load_mask(path: Path, *, height: int, width: int) -> npt.NDArray[np.bool_]:
    """(height, width), true where any defective pixel falls: a small defect does not vanish in a small map."""
    with Image.open(path) as image:
        white = Image.fromarray(np.asarray(image.convert("L")) > WHITE).convert("L")
    return np.asarray(white.resize((width, height), Image.Resampling.BOX)) > 0


def is_picture(path: Path) -> bool:
    """Whether `path` is a file that is named like a picture; a hidden one is none."""
    return path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")


def _samples(folder: Path, label: str, masks: Path | None = None) -> tuple[Sample, ...]:
    """The pictures of one folder, by name."""
    if not folder.is_dir():
        return ()
    paths = sorted(filter(is_picture, folder.iterdir()))
    return tuple(
        Sample(path, hashlib.sha256(path.read_bytes()).hexdigest(), label, _mask_of(path, masks)) for path in paths
    )


def _mask_of(path: Path, masks: Path | None) -> Path | None:
    if masks is None:
        return None
    return next((file for suffix in MASK_SUFFIXES if (file := masks / f"{path.stem}{suffix}").is_file()), None)
