"""Products whose pictures are large: scored one by one, counted decoded, maps drawn smaller."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from app.admission import Admission, AdmissionLimits
from app.catalog import Catalog, Served
from app.heatmap import MOST_PIXELS, shown
from app.inflight import InFlight
from app.part import Part
from app.pool_errors import QueueFull
from app.submission import Submission
from app.work import ModelRef
from detector.spec import DetectorSpec, InputSpec, TileSpec
from tests.app.pools import grey, running


def test_large_pictures_are_scored_one_by_one() -> None:
    async def scenario() -> None:
        async with running() as pool:
            large = ModelRef("sheet", 1, Path("sheet"), "d" * 64, one_by_one=True)
            scored = await asyncio.gather(*(pool.submit(large, grey(level)) for level in range(20)))
            assert [result.score for result in scored] == list(range(20))
            assert {result.batch_size for result in scored} == {1}

    asyncio.run(scenario())


def served(spec: DetectorSpec) -> Served:
    ref = ModelRef("sheet", 1, Path("sheet"), "d" * 64)
    return Served(ref, cast("Any", SimpleNamespace(detector=spec)))


def test_what_a_large_picture_takes_decoded_is_known_once_it_serves() -> None:
    catalog = Catalog(cast("Any", None), cast("Any", SimpleNamespace()))
    assert catalog.decoded_bytes("sheet") == 0
    spec = DetectorSpec(input=InputSpec(height=2048, width=2448))
    catalog._served["sheet"] = served(spec)
    assert catalog.decoded_bytes("sheet") == 0
    catalog._served["sheet"] = served(replace(spec, tiles=TileSpec()))
    assert catalog.decoded_bytes("sheet") == 7 * 2048 * 2448


def test_decoded_bytes_are_held_beside_the_upload() -> None:
    door = Admission(AdmissionLimits(pictures=4, bytes=1000, share=1.0))
    flight = InFlight(door, {"sheet": 900, "part": 0}.__getitem__)
    first, second = (
        Submission(part=Part(product=product), data=b"x" * 200, received_at=datetime.now(UTC))
        for product in ("sheet", "part")
    )
    with flight.held(first):
        assert door.total.bytes == 1100
        with pytest.raises(QueueFull):
            flight.held(second).__enter__()
    with flight.held(second):
        assert door.total.bytes == 200


def test_a_large_map_is_drawn_smaller_and_its_worst_pixel_stays() -> None:
    heatmap = np.zeros((1500, 1601), np.float32)
    heatmap[1499, 1600] = 5
    drawn = shown(heatmap)
    assert drawn.shape == (750, 801)
    assert drawn.size <= MOST_PIXELS
    assert drawn[-1, -1] == 5


def test_a_usual_map_is_drawn_as_it_is() -> None:
    heatmap = np.zeros((1024, 1024), np.float32)
    assert shown(heatmap) is heatmap
