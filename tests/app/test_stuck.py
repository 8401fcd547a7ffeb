"""Workers that do not answer, or are killed from outside: noticed, restarted, and only who is to blame is blamed."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from app.pool_errors import WorkerLost
from app.work import ModelRef
from app.worker_process import TimeLimits
from tests.app.pools import HANG, MODEL, grey, running, start_slowly, until

HASTY = TimeLimits(batch_s=0.5)


def test_a_worker_that_hangs_is_killed_and_its_batch_is_run_again_one_by_one() -> None:
    async def scenario() -> None:
        async with running(limits=HASTY) as pool:
            await pool.prepare(HANG)
            await pool.prepare(MODEL)
            levels = (10, 78, 11)  # 78 hangs in company only
            scored = await asyncio.gather(*(pool.submit(HANG, grey(level)) for level in levels))
            assert [result.score for result in scored] == list(levels)
            assert (pool.hangs, pool.restarts) == (1, 1)
            assert (await pool.submit(MODEL, grey(5))).score == 5

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_a_picture_that_hangs_two_workers_is_given_up_and_its_neighbours_are_answered() -> None:
    async def scenario() -> None:
        async with running(limits=HASTY) as pool:
            await pool.prepare(HANG)
            heard: list[int] = []
            lost = asyncio.create_task(pool.submit(HANG, grey(77), on_accusation=heard.append))
            near = asyncio.create_task(pool.submit(HANG, grey(12)))
            with pytest.raises(WorkerLost):
                await lost
            assert (await near).score == 12
            assert heard == [2, 2]
            assert pool.hangs == 2

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_a_stopped_worker_is_noticed_too() -> None:
    async def scenario() -> None:
        async with running(limits=HASTY) as pool:
            await pool.prepare(MODEL)
            os.kill(pool.pids[0], signal.SIGSTOP)
            assert (await pool.submit(MODEL, grey(6))).score == 6
            assert pool.hangs == 1

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_kills_from_outside_blame_no_batch_and_a_lone_picture_survives_three(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.mkdir()
    (gate / "shut").touch()

    async def scenario() -> None:
        async with running() as pool:
            lane, model = pool.lanes[0], ModelRef("gate", 1, gate, "7" * 64)
            await pool.prepare(model)
            await start_slowly(pool)
            heard: list[int] = []
            batch = [asyncio.create_task(pool.submit(model, grey(it), on_accusation=heard.append)) for it in range(8)]

            def holds() -> bool:
                return (gate / str(lane.pid)).exists()

            for left in (0, 7, 7, 7):  # all eight are on the device together, then one
                await until(holds)
                assert pool.waiting == left
                os.kill(killed := pool.pids[0], signal.SIGKILL)
                await until(lambda it=killed: lane.pid != it)
            (gate / "shut").unlink()
            assert [result.score for result in await asyncio.gather(*batch)] == list(range(8))
            assert heard == [1, 1, 1]

    asyncio.run(asyncio.wait_for(scenario(), 60))
