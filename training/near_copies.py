"""Pictures that are nearly the same: saved again, scaled, exposed again, or of a part that did not move.

In: pictures (N,H,W,3) uint8 of one product. Out: groups of places in N. Refuses nothing.
Parts of one kind look alike, so what most pictures share says nothing: small grey pictures lose their mean and their
strongest common patterns first, and what is left of two pictures is correlated. Measured on the products at hand: a
JPEG saved again correlates over 0.9, different parts under 0.8 in 99 of 100.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.utils.extmath import randomized_svd

SIDE = 64  # px of the small pictures
PATTERNS = 32  # that are taken out at most; an eighth of the pictures where there are few, or copies would vanish too
ALIKE = 0.85
ROWS = 512  # of the table of correlations that are held at once

Pictures = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class NearCopies:
    """Places of pictures that are nearly the same, in ascending order, two at least."""

    places: tuple[int, ...]
    correlation: float
    """The highest of two of them."""


def find_near_copies(pictures: Pictures) -> list[NearCopies]:
    """Groups in which each picture is ALIKE to another, the largest correlation first."""
    rows, columns, values = _pairs(_what_is_left(pictures))
    if not len(rows):
        return []
    links = coo_array((values, (rows, columns)), shape=(len(pictures),) * 2)
    _, labels = connected_components(links, directed=False)
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels[rows])]
    best = {label: values[labels[rows] == label].max() for label in np.unique(labels[rows])}
    found = [NearCopies(tuple(group.tolist()), float(best[labels[group[0]]])) for group in groups]
    return sorted(found, key=lambda group: -group.correlation)


def _what_is_left(pictures: Pictures) -> npt.NDArray[np.float32]:
    """(N,SIDE²): what tells a picture from the others, of length 1; 0 where nothing does."""
    small = np.stack([_small(picture) for picture in pictures])
    small -= small.mean(axis=0)
    left = small
    if count := min(PATTERNS, len(small) // 8):
        common = randomized_svd(small, count, random_state=0)[2]
        left = small - (small @ common.T) @ common
    length = np.linalg.norm(left, axis=1, keepdims=True)
    return np.asarray(np.divide(left, length, out=np.zeros_like(left), where=length > 1e-3), np.float32)


def _small(picture: Pictures) -> npt.NDArray[np.float32]:
    """(SIDE²,) grey, of mean 0 and deviation 1: an exposure is no difference."""
    grey = np.asarray(Image.fromarray(picture).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX), np.float32)
    grey = grey.ravel() - grey.mean()
    return np.asarray(grey / max(float(grey.std()), 1e-3), np.float32)


def _pairs(left: npt.NDArray[np.float32]) -> tuple[Places, Places, npt.NDArray[np.float32]]:
    """Row < column, and the correlation, of every pair that is ALIKE."""
    found = []
    for start in range(0, len(left), ROWS):
        table = np.triu(left[start : start + ROWS] @ left.T, start + 1)
        rows, columns = np.nonzero(table >= ALIKE)
        found.append((rows + start, columns, table[rows, columns]))
    rows, columns, values = (np.concatenate(part) for part in zip(*found, strict=True))
    return rows.astype(np.int64), columns.astype(np.int64), values
