"""JSON that means one thing: bytes ↔ objects.

In: UTF-8 bytes. Out: the object at the top level; and back, always the same bytes for the same value.
Refuses (`ManifestUnreadable`): a key twice, NaN, infinity, a number too large for a double, anything but an object.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from model_store.errors import ManifestUnreadable


def parse_object(data: bytes, what: str) -> dict[str, Any]:
    """Parse the bytes of `what` (a name for the error message)."""
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite
        )
    except (ValueError, RecursionError) as exc:
        raise ManifestUnreadable(f"{what} is not strict JSON: {exc}") from exc
    if not isinstance(value, dict):
        raise ManifestUnreadable(f"{what} must hold one JSON object")
    return value


def to_bytes(value: Mapping[str, Any]) -> bytes:
    """Sorted keys, two spaces, ASCII, one newline at the end; ValueError on NaN and infinity."""
    return (json.dumps(value, sort_keys=True, indent=2, allow_nan=False) + "\n").encode("ascii")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise ValueError("a key appears twice in one object")
    return mapping


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} does not fit a double")
    return number
