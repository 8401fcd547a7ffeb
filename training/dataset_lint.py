"""Everything that is wrong with a product's pictures, found before training starts and said at once.

In: a `Dataset` and the configuration. Out: warnings. Refuses: pictures that cannot be trained on (`DatasetError`).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from detector.calibration import images_needed, smallest_promise
from detector.decode import decode
from detector.errors import DecodeError
from detector.spec import InputSpec
from training.config import TrainConfig
from training.data import LIMITS, READERS, Dataset, Sample, is_picture
from training.errors import DatasetError

SHOWN = 5  # paths of one finding
OUTLIER_SIGMAS = 5.0  # robust deviations of mean brightness
GREY_LEVELS = 2  # channels of a grey picture may differ by this much after JPEG
CELL = 16  # px, of a backbone's coarsest features: sides of an input in tiles are multiples of it
LARGE, SHRUNK = 2_000_000, 4.0  # pixels of a picture, and times, from which small defects are worth a word
FEWEST_HELD_OUT = 2  # evidence statistics need a deviation


@dataclass(frozen=True)
class Look:
    """What one file turned out to be."""

    sample: Sample
    error: str | None = None
    size: tuple[int, int] = (0, 0)
    is_grey: bool = True
    brightness: float = 0.0


@dataclass(frozen=True)
class Findings:
    """What was found of all pictures, a line each; nothing can be trained on while there is an error."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    looks: tuple[Look, ...]
    """Good pictures first, in the order of the roles, then test pictures."""


def check_dataset(dataset: Dataset, config: TrainConfig) -> tuple[str, ...]:
    """Warnings, one line each; `DatasetError` with all errors when there is one."""
    found = lint(dataset, config)
    if found.errors:
        lines = "\n".join(f"  {error}" for error in found.errors)
        raise DatasetError(f"{len(found.errors)} errors in {dataset.root}:\n{lines}")
    return found.warnings


def lint(dataset: Dataset, config: TrainConfig) -> Findings:
    """Everything at once; `DatasetError` where there is no good picture at all."""
    good = [*dataset.train, *dataset.hold_out, *dataset.calibrate]
    if not good:
        raise DatasetError(f"no good pictures in {dataset.root / 'train' / 'good'}, and none in {dataset.root} itself")
    with ThreadPoolExecutor(READERS) as pool:
        looks = list(pool.map(lambda sample: _look(sample, config.input), [*good, *dataset.test]))
    errors = [f"{look.sample.path}: {look.error}" for look in looks if look.error]
    errors += [*_too_few(dataset, config), *_on_both_sides(good, dataset.test), *_two_labels(dataset.test)]
    errors += _wrong_masks(looks)
    readable = [look for look in looks[: len(good)] if look.error is None]
    warnings = [*_warnings(readable, looks), *_masks_alone(dataset), *_shrunk(readable, config)] if readable else []
    return Findings(tuple(errors), tuple(warnings), tuple(looks))


def exposed_unlike(looks: Sequence[Look]) -> list[Look]:
    """Those of readable pictures whose mean brightness is OUTLIER_SIGMAS robust deviations off, or more."""
    values = np.array([look.brightness for look in looks])
    centre = np.median(values)
    deviation = 1.4826 * np.median(np.abs(values - centre))
    return [look for look in looks if abs(look.brightness - centre) > OUTLIER_SIGMAS * max(deviation, 1.0)]


def _look(sample: Sample, spec: InputSpec) -> Look:
    try:
        picture = decode(sample.path.read_bytes(), spec, LIMITS)
    except DecodeError as error:
        return Look(sample, error=f"{type(error).__name__}: {error}")
    pixels = picture.pixels
    spread = int(np.ptp(pixels[::4, ::4].astype(np.int16), axis=2).max())
    return Look(sample, None, (picture.width, picture.height), spread <= GREY_LEVELS, float(pixels.mean()))


def _too_few(dataset: Dataset, config: TrainConfig) -> Iterable[str]:
    count, needed = len(dataset.calibrate), images_needed(config.promise)
    if count < needed:
        total = round(needed / config.split.calibrate)
        yield (
            f"{count} calibration pictures can promise a false-reject rate of {smallest_promise(count):.1%} at best, "
            f"not {config.promise:.1%}, which needs {needed}: about {total} good pictures in all"
        )
    if len(dataset.hold_out) < FEWEST_HELD_OUT or not dataset.train:
        yield f"{len(dataset.train)} pictures to fit and {len(dataset.hold_out)} to hold out are too few"


def _on_both_sides(good: Iterable[Sample], test: Iterable[Sample]) -> Iterable[str]:
    trained = {sample.digest: sample.path for sample in good}
    for sample in test:
        if (twin := trained.get(sample.digest)) is not None:
            yield f"{sample.path} is the same file as {twin}, which is trained on"


def _two_labels(test: Iterable[Sample]) -> Iterable[str]:
    """One content cannot be both `good` and a `dent`: whichever it is, a figure would be wrong."""
    first: dict[str, Sample] = {}
    for sample in test:
        twin = first.setdefault(sample.digest, sample)
        if twin.label != sample.label:
            yield f"{sample.path} ({sample.label}) is the same file as {twin.path} ({twin.label})"


def _wrong_masks(looks: Iterable[Look]) -> Iterable[str]:
    for look in looks:
        if look.sample.mask is None or look.error:
            continue
        try:
            with Image.open(look.sample.mask) as mask:
                size = mask.size
        except (UnidentifiedImageError, OSError):
            yield f"{look.sample.mask}: the mask cannot be read"
            continue
        if size != look.size:
            yield f"{look.sample.mask}: the mask is {size[0]}x{size[1]}, its picture {look.size[0]}x{look.size[1]}"


def _warnings(good: list[Look], looks: list[Look]) -> Iterable[str]:
    yield from _copies(good)
    if len(sizes := {look.size for look in good}) > 1:
        smallest, largest = min(sizes), max(sizes)
        yield f"good pictures have {len(sizes)} sizes, from {smallest[0]}x{smallest[1]} to {largest[0]}x{largest[1]}"
    grey = [look.is_grey for look in good]
    if any(grey) and not all(grey):
        yield f"{sum(grey)} good pictures are grey and {len(grey) - sum(grey)} in colour"
    yield from _exposure(good)
    defective = [look.sample for look in looks if look.sample.is_defective]
    bare = [sample.path for sample in defective if sample.mask is None]
    if bare and len(bare) < len(defective):
        yield f"{len(bare)} defective pictures have no mask: {_some(bare)}"


def _masks_alone(dataset: Dataset) -> Iterable[str]:
    """Masks that no test picture uses: a picture was deleted, renamed, or lies under another kind."""
    if not dataset.test:
        return  # nothing was looked for: a plain folder, or a search
    used = {sample.mask for sample in dataset.test}
    files = sorted((dataset.root / "ground_truth").glob("*/*"))
    if alone := [file for file in files if is_picture(file) and file not in used]:
        yield f"{len(alone)} masks have no picture: {_some(alone)}"


def _shrunk(good: list[Look], config: TrainConfig) -> Iterable[str]:
    """What a small input makes of large pictures."""
    width, height = (int(np.median([look.size[side] for look in good])) for side in (0, 1))
    factor = max(width / config.input.width, height / config.input.height)
    if config.tiles is None and width * height >= LARGE and factor >= SHRUNK:
        high, wide = (length // CELL * CELL for length in (height, width))
        yield (
            f"pictures of {width}x{height} px are shrunk {factor:.1f} times, and a defect of 12 px with them; where "
            f"such small ones count: --config tiles --set input.height={high} --set input.width={wide}"
        )


def _copies(good: list[Look]) -> Iterable[str]:
    by_digest: dict[str, list[Path]] = defaultdict(list)
    for look in good:
        by_digest[look.sample.digest].append(look.sample.path)
    if copies := [paths[1] for paths in by_digest.values() if len(paths) > 1]:
        yield f"{len(copies)} good pictures are there twice: {_some(copies)}"


def _exposure(good: list[Look]) -> Iterable[str]:
    if outliers := [look.sample.path for look in exposed_unlike(good)]:
        yield f"{len(outliers)} good pictures are exposed unlike the others: {_some(outliers)}"


def _some(paths: list[Path]) -> str:
    shown = ", ".join(map(str, paths[:SHOWN]))
    return shown if len(paths) <= SHOWN else f"{shown} and {len(paths) - SHOWN} more"
