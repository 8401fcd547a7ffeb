"""Inspected parts → one labelled picture: a row per part, from the part through every step to the anomaly map.

In: `Inspected`s, at least one, and the version that inspected them. Out: (h,w,3) uint8. Refuses nothing.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from PIL.Image import Resampling

from detector.heatmap import HeatmapScale
from detector.verdict import Verdict
from model_store.artifact import LoadedModel
from training.inspection import Inspected, name_of
from training.steps import Step, draw_steps

SIDE = 256  # px of a panel's longer side
GAP = 8  # px around each panel
HEADLINE, CAPTION = 26, 18  # px of height
HEADLINE_SIZE, CAPTION_SIZE = 17, 13  # px of type
PAPER, INK, FRAME = "white", "black", "#9ca3af"
VERDICT_COLOURS = {Verdict.OK: "#0072B2", Verdict.REVIEW: "#8a5f00", Verdict.NG: "#b45309"}  # each dark on white


def draw_strip(model: LoadedModel, parts: Sequence[Inspected]) -> npt.NDArray[np.uint8]:
    """One row per part, in their order."""
    scale = HeatmapScale.of(model.manifest.calibration)
    rows = [_row(model, part, draw_steps(part.pixels, part.explanation, scale)) for part in parts]
    sheet = Image.new("RGB", (max(row.width for row in rows), sum(row.height for row in rows)), PAPER)
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    return np.array(sheet)


def _row(model: LoadedModel, part: Inspected, steps: Sequence[Step]) -> Image.Image:
    """Verdict and score above, captioned panels below."""
    width, height = _panel_size(part.pixels)
    row = Image.new("RGB", (GAP + len(steps) * (width + GAP), HEADLINE + CAPTION + height + 2 * GAP), PAPER)
    draw = ImageDraw.Draw(row)
    colour = VERDICT_COLOURS[part.judgement.verdict]
    draw.text((GAP, GAP), _headline(model, part), fill=colour, font=ImageFont.load_default(HEADLINE_SIZE))
    for place, step in enumerate(steps):
        left, top = GAP + place * (width + GAP), GAP + HEADLINE
        draw.text((left, top), step.caption, fill=INK, font=ImageFont.load_default(CAPTION_SIZE))
        panel = Image.fromarray(step.pixels).resize((width, height), Resampling.NEAREST)
        row.paste(panel, (left, top + CAPTION))
        draw.rectangle((left - 1, top + CAPTION - 1, left + width, top + CAPTION + height), outline=FRAME)
    return row


def _panel_size(pixels: npt.NDArray[np.uint8]) -> tuple[int, int]:
    height, width = pixels.shape[:2]
    factor = SIDE / max(height, width)
    return max(1, round(width * factor)), max(1, round(height * factor))


def _headline(model: LoadedModel, part: Inspected) -> str:
    calibration, judgement = model.manifest.calibration, part.judgement
    place = "/".join(part.path.parts[-2:])  # the folder often says which kind of defect it is
    return (
        f"{judgement.verdict.upper()}   score {judgement.score:.4g}   review above {calibration.review_above:.4g}, "
        f"ng above {calibration.ng_above:.4g}   {name_of(model)}   {place}"
    )
