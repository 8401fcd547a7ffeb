"""A large picture in tiles: a network sees one window after the other, and its maps are put together again.

In: pictures (B,C,H,W), and a function from windows of them to maps. Out: the maps of the whole pictures, as the
function would have given them at once, as far as its field of view is no larger than the overlap. Refuses: maps whose
cells do not meet the grid of tiles (`SpecError`). Only one window and the whole maps are in memory at a time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from detector.errors import SpecError
from detector.spec import TILE_STEP, TileSpec


@dataclass(frozen=True)
class Span:
    """One side of a tile, in px of the picture."""

    own: slice
    """What the tile answers for; the spans of a side meet without a gap."""
    seen: slice
    """What the network sees; equally long for all of a side, so a tile at a border sees more of the inside."""


def spans(length: int, spec: TileSpec) -> list[Span]:
    """A side of `length` px in the fewest tiles of at most `spec.side`, as equal as steps of `TILE_STEP` allow."""
    count = -(-length // spec.side)
    side = -(-length // (count * TILE_STEP)) * TILE_STEP
    seen = min(length, side + 2 * spec.overlap)
    starts = range(0, length, side)
    begins = [max(0, min(start - spec.overlap, length - seen)) for start in starts]
    return [
        Span(slice(start, min(start + side, length)), slice(begin, begin + seen))
        for start, begin in zip(starts, begins, strict=True)
    ]


def window(height: int, width: int, spec: TileSpec | None) -> tuple[int, int]:
    """Height and width of what a network sees at once, in px."""
    if spec is None:
        return height, width
    rows, columns = (spans(length, spec)[0].seen for length in (height, width))
    return rows.stop - rows.start, columns.stop - columns.start


def in_tiles(spec: TileSpec | None, run: Callable[..., Sequence[Tensor]], *pictures: Tensor) -> list[Tensor]:
    """`run(*pictures)`, window by window: maps (B,D,h,w) of tensors (B,C,H,W) of one size; at once without a spec."""
    height, width = pictures[0].shape[-2:]
    if spec is None:
        return list(run(*pictures))
    wholes: list[Tensor] = []
    for rows in spans(height, spec):
        for columns in spans(width, spec):
            maps = run(*(part[..., rows.seen, columns.seen] for part in pictures))
            wholes = wholes or [_whole(each, (height, width), rows, columns) for each in maps]
            for whole, each in zip(wholes, maps, strict=True):
                _put(whole, each, rows, columns)
    return wholes


def _whole(window: Tensor, size: tuple[int, int], rows: Span, columns: Span) -> Tensor:
    """Room for the map of the whole picture, (B,D,h,w)."""
    down, across = _pitch(window, rows, columns)
    return window.new_empty(*window.shape[:2], size[0] // down, size[1] // across)


def _put(whole: Tensor, window: Tensor, rows: Span, columns: Span) -> None:
    """What the tile answers for, from its window's map into that of the whole picture."""
    down, across = _pitch(window, rows, columns)
    own, inside = [], []
    for span, pitch in ((rows, down), (columns, across)):
        own.append(slice(span.own.start // pitch, span.own.stop // pitch))
        inside.append(slice((span.own.start - span.seen.start) // pitch, (span.own.stop - span.seen.start) // pitch))
    whole[..., own[0], own[1]] = window[..., inside[0], inside[1]]


def _pitch(window: Tensor, rows: Span, columns: Span) -> tuple[int, int]:
    """Pixels of the picture behind one of the map, down and across."""
    pitches = []
    for span, count in zip((rows, columns), window.shape[-2:], strict=True):
        pitch, rest = divmod(span.seen.stop - span.seen.start, count)
        if rest or any(edge % pitch for edge in (span.seen.start, span.own.start, span.own.stop)):
            raise SpecError(f"{count} cells in {span.seen} px do not meet the grid of tiles")
        pitches.append(pitch)
    return pitches[0], pitches[1]
