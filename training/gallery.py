"""Worst and typical cases of a run, drawn again with every step that led to their scores.

In: scored parts, their samples, a fitted detector and the product's fixed heatmap scale. Out: `Case`s, their pictures
as data URIs. Refuses: a file that is no picture any more (`DecodeError`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from detector.heatmap import WHITE, HeatmapScale
from detector.pipeline import Detector, stack
from training.data import GOOD, Sample, load_mask, load_picture
from training.evaluate import ScoredPart
from training.page import data_uri
from training.steps import Pixels, Step, draw_steps

RANKS = ("highest", "second highest", "third highest")  # of the good parts that are shown
MOST_KINDS = 12  # of defect, two cases each: the report stays under 8 MB
LARGEST_SIDE = 256  # px in the report


@dataclass(frozen=True)
class Shot:
    """One picture of a case."""

    caption: str
    alt: str
    uri: str
    """`data:image/…;base64,…`."""


@dataclass(frozen=True)
class Case:
    """One part, why it is shown, and how it came to its score."""

    why: str
    part: ScoredPart
    shots: tuple[Shot, ...] = ()


def choose_cases(parts: Iterable[ScoredPart]) -> list[Case]:
    """The highest-scoring good parts and a typical one; of each kind of defect the lowest-scoring and a typical one.

    Good parts are of the test pictures, or of calibration where no test picture is good. The kind of defect whose
    part scored lowest comes first.
    """
    ordered = sorted(parts, key=lambda part: part.score)
    test = [part for part in ordered if part.role == "test"]
    good = [part for part in test if part.label == GOOD] or [part for part in ordered if part.role == "calibrate"]
    labels = dict.fromkeys(part.label for part in test if part.label != GOOD)
    cases = _good_cases(good)
    for label in list(labels)[:MOST_KINDS]:
        cases += _defect_cases(label, [part for part in test if part.label == label])
    return cases


def draw_case(case: Case, sample: Sample, detector: Detector, scale: HeatmapScale) -> Case:
    """The case with its pictures; it goes through the detector alone, as in service."""
    pixels = load_picture(sample.path, detector.spec.input)
    seen = detector.explain(stack([pixels], next(detector.parameters()).device))
    steps = [*draw_steps(pixels, seen, scale), *_marked(sample, pixels)]
    size = (pixels.shape[1], pixels.shape[0])
    shots = (Shot(step.caption, step.alt, _data_uri(step.pixels, size)) for step in steps)
    return Case(case.why, case.part, tuple(shots))


def _good_cases(good: Sequence[ScoredPart]) -> list[Case]:
    """`good` ascends."""
    cases = [Case(f"good, {rank} score", part) for rank, part in zip(RANKS, good[::-1], strict=False)]
    if len(good) > len(cases):
        cases.append(Case("good, typical (median score)", good[(len(good) - 1) // 2]))
    return cases


def _defect_cases(label: str, defective: Sequence[ScoredPart]) -> list[Case]:
    """`defective` ascends and holds one at least."""
    cases = [Case(f"{label}, lowest score", defective[0])]
    if len(defective) > 1:
        cases.append(Case(f"{label}, typical (median score)", defective[len(defective) // 2]))
    return cases


def _marked(sample: Sample, pixels: Pixels) -> list[Step]:
    if sample.mask is None:
        return []
    mask = load_mask(sample.mask, height=pixels.shape[0], width=pixels.shape[1]).astype(np.uint8) * WHITE
    return [Step("marked defect", "where a person marked the defect in white", mask)]


def _data_uri(pixels: Pixels, size: tuple[int, int]) -> str:
    """`size` is (width, height) of the part, to which a coarse gate is drawn up."""
    grown = Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST)
    return data_uri(np.asarray(grown), largest_side=LARGEST_SIDE)
