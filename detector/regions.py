"""A heatmap → the places above the threshold, as boxes in the picture's own pixels.

In: one heatmap (H,W) and a threshold. Out: `Region`s, the worst first. Refuses nothing.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True)
class Region:
    """One connected place, in pixels of the upright picture as it was sent."""

    x: int
    """Left edge of the box."""
    y: int
    """Top edge of the box."""
    width: int
    height: int
    area: int
    """Pixels above the threshold, at least 1."""
    peak: float
    """The heatmap's largest value here."""


def find_regions(
    heatmap: npt.NDArray[np.float32],
    threshold: float,
    *,
    picture_width: int,
    picture_height: int,
    limit: int = 32,
) -> tuple[Region, ...]:
    """The `limit` regions of highest peak in (H,W), 8-connected; boxes are rounded outwards, so they miss nothing."""
    # as float64: a threshold rounded to the map's float32 could hide the very pixel that gave the score
    above = heatmap > np.float64(threshold)
    rows, columns = np.flatnonzero(above.any(axis=1)), np.flatnonzero(above.any(axis=0))
    if not rows.size:
        return ()
    corner = (rows[0], columns[0])  # what is labelled is only what encloses them all: mostly a small part of the map
    enclosing = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    labels, count = ndimage.label(above[enclosing], structure=EIGHT_NEIGHBOURS)
    owners = labels[above[enclosing]]  # of the pixels above alone: few, whatever the map's size
    peaks = np.full(count + 1, -np.inf, np.float32)
    np.maximum.at(peaks, owners, heatmap[enclosing][above[enclosing]])
    peaks, areas = peaks[1:], np.bincount(owners)[1:]
    boxes = ndimage.find_objects(labels)
    across = (picture_width, heatmap.shape[1])
    down = (picture_height, heatmap.shape[0])
    share = picture_width * picture_height / heatmap.size
    worst = np.argsort(-peaks, kind="stable")[:limit]
    return tuple(
        Region(
            *_box(_moved(boxes[index], corner), across, down),
            area=max(1, round(float(areas[index]) * share)),
            peak=float(peaks[index]),
        )
        for index in worst
    )


def _moved(place: tuple[slice, slice], corner: tuple[int, int]) -> tuple[slice, slice]:
    """From the enclosing part of a map to the map."""
    down, across = (int(edge) for edge in corner)
    return (
        slice(place[0].start + down, place[0].stop + down),
        slice(place[1].start + across, place[1].stop + across),
    )


def _box(place: tuple[slice, slice], across: tuple[int, int], down: tuple[int, int]) -> tuple[int, int, int, int]:
    """x, y, width, height."""
    rows, columns = place
    left, right = _scale_outwards(columns, *across)
    top, bottom = _scale_outwards(rows, *down)
    return left, top, right - left, bottom - top


def _scale_outwards(span: slice, target: int, source: int) -> tuple[int, int]:
    """A span of `source` pixels, in `target` pixels; in integers, so no rounding moves an edge inwards."""
    return span.start * target // source, -(-span.stop * target // source)
