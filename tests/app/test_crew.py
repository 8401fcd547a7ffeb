"""Two workers have what serves, and one that loads leaves parts to one that does not."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from app.backlog import Backlog
from app.batching import BatchLimits
from app.job import Job
from app.pace import Pace
from app.pool import Pool, PoolLimits
from app.pool_errors import NoRoom
from app.residency import Residency
from app.work import ModelRef
from tests.app.fake_detector import load_dying
from tests.app.pools import MODEL, grey, running, until

OTHER = replace(MODEL, product="other", digest="7" * 64)
CPUS = ("cpu", "cpu")


def holders(pool: Pool, model: ModelRef) -> int:
    return sum(model.digest in lane.residency for lane in pool.lanes)


async def serve(pool: Pool, model: ModelRef) -> None:
    """As app/catalog.py does."""
    pool.pins.hold(f"serving {model.product}", model.digest)
    await pool.prepare(model)


@pytest.mark.parametrize("workers", [2, 3])
def test_what_serves_is_in_two_workers_and_what_does_not_in_one(workers: int) -> None:
    async def scenario() -> None:
        async with running(devices=("cpu",) * workers) as pool:
            await pool.prepare(OTHER)
            await serve(pool, MODEL)
            await until(lambda: holders(pool, MODEL) == 2)
            await asyncio.sleep(1.2)  # two more looks of every lane
            assert (holders(pool, MODEL), holders(pool, OTHER)) == (2, 1)

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_a_copy_makes_room_and_the_last_one_does_not() -> None:
    first, second, third = (replace(MODEL, product=name, digest=name * 64, bytes=60) for name in "abc")

    async def scenario() -> None:
        async with running(devices=CPUS) as pool:  # each with room for one of them
            await serve(pool, first)
            await until(lambda: holders(pool, first) == 2)
            await serve(pool, second)
            assert (holders(pool, first), holders(pool, second)) == (1, 1)
            with pytest.raises(NoRoom):
                await pool.prepare(third)
            for model in (first, second):
                assert (await pool.submit(model, grey(9))).score == 9
            assert (holders(pool, first), holders(pool, second)) == (1, 1)

    asyncio.run(asyncio.wait_for(scenario(), 60))


@pytest.fixture
def job() -> Iterator[Job]:
    loop = asyncio.new_event_loop()
    yield Job(model=MODEL, pixels=grey(1), future=loop.create_future(), loop=loop, patience_s=60.0)
    loop.close()


def memory(*models: ModelRef, loads: ModelRef | None = None) -> Residency:
    residency = Residency(100, lambda _: None)
    for model in models:
        residency.reserve(model)
        residency.finish(model.digest)
    if loads is not None:
        residency.reserve(loads)
    return residency


@pytest.mark.parametrize(
    ("other", "takers"), [(memory(MODEL), {1}), (memory(OTHER), {0}), (memory(MODEL, loads=OTHER), {0, 1})]
)
def test_a_lane_that_loads_leaves_parts_to_an_idle_one_that_can_score_them(
    other: Residency, takers: set[int], job: Job
) -> None:
    """Lane 0 loads, and looks first; lane 1 is the other."""
    backlog = Backlog(BatchLimits(8), Pace())
    took: list[int] = []

    def work(place: int, here: Residency) -> None:
        while not took:
            if backlog.take(here):
                took.append(place)

    with ThreadPoolExecutor(2) as threads:
        for place, here in enumerate((memory(MODEL, loads=replace(OTHER, digest="6" * 64)), other)):
            threads.submit(work, place, here)
            time.sleep(0.05)  # it waits
        backlog.add(job)
    assert took
    assert set(took) <= takers


def test_a_copy_that_kills_its_worker_is_not_tried_again_at_once_and_the_other_worker_goes_on(tmp_path: Path) -> None:
    model = replace(MODEL, path=tmp_path / "a" / "b" / "c" / "d" / "e")

    async def scenario() -> None:
        pool = Pool(CPUS, load_dying, PoolLimits(resident_bytes=100, batch=BatchLimits(8)))
        pool.start()
        try:
            await pool.prepare(model)
            (tmp_path / "sick").touch()
            pool.pins.hold("serving", model.digest)
            await until(lambda: pool.restarts > 0 and pool.workers_up == 2)
            await asyncio.sleep(1.2)  # two more looks of every lane
            assert (pool.restarts, holders(pool, model)) == (1, 1)
            assert (await pool.submit(model, grey(9))).score == 9
        finally:
            (tmp_path / "sick").unlink()
            await pool.drain(10)

    asyncio.run(asyncio.wait_for(scenario(), 60))
