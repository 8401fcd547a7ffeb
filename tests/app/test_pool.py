"""The pool with real processes and a detector without torch."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from app.pool import Pool, PoolLimits, count_cores, share_cores
from app.pool_errors import Draining, InspectionFailed, ModelTooLarge, ModelUnavailable, NoRoom, NoWorker, WorkerLost
from app.work import ModelRef
from app.worker import GIVING_WAY, LEAST_PRIORITY
from tests.app.fake_detector import SLOW_S, load_fake
from tests.app.pools import CRASH, MODEL, REFUSED, SLOW, grey, running, until


def test_every_caller_gets_its_own_answer_out_of_shared_batches() -> None:
    async def scenario() -> None:
        async with running() as pool:
            scored = await asyncio.gather(*(pool.submit(MODEL, grey(level)) for level in range(200)))
            assert [result.score for result in scored] == list(range(200))
            assert max(result.batch_size for result in scored) > 1

    asyncio.run(scenario())


def test_killing_the_worker_during_200_pictures_loses_no_answer() -> None:
    async def scenario() -> None:
        async with running() as pool:
            await pool.prepare(MODEL)
            pending = [asyncio.create_task(pool.submit(MODEL, grey(level))) for level in range(200)]
            await pending[20]
            os.kill(pool.pids[0], signal.SIGKILL)
            scored = await asyncio.gather(*pending)
            assert [result.score for result in scored] == list(range(200))
            assert pool.restarts >= 1

    asyncio.run(scenario())


def test_a_picture_that_cannot_be_scored_fails_alone() -> None:
    async def scenario() -> None:
        async with running() as pool:
            levels = (10, 255, 20)
            outcomes = await asyncio.gather(
                *(pool.submit(MODEL, grey(level)) for level in levels), return_exceptions=True
            )
            assert isinstance(outcomes[1], InspectionFailed)
            assert [getattr(outcomes[place], "score", None) for place in (0, 2)] == [10, 20]

    asyncio.run(scenario())


def test_a_model_that_kills_its_worker_is_given_up_and_others_are_served() -> None:
    async def scenario() -> None:
        async with running() as pool:
            with pytest.raises(WorkerLost):
                await pool.submit(CRASH, grey(1))
            assert (await pool.submit(MODEL, grey(9))).score == 9

    asyncio.run(scenario())


def test_a_model_that_does_not_load_says_why() -> None:
    async def scenario() -> None:
        async with running() as pool:
            with pytest.raises(ModelUnavailable, match="nothing loads on cpu"):
                await pool.prepare(REFUSED)

    asyncio.run(scenario())


def test_a_model_whose_load_kills_workers_is_unavailable_and_no_picture_is_blamed() -> None:
    async def scenario() -> None:
        async with running() as pool:
            with pytest.raises(ModelUnavailable, match="workers died each time while they loaded deadly@1"):
                await pool.submit(ModelRef("deadly", 1, Path("deadly"), "d" * 64), grey(1))
            assert (await pool.submit(MODEL, grey(9))).score == 9

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_draining_answers_what_is_held_and_then_refuses() -> None:
    async def scenario() -> None:
        pool = Pool(["cpu"], load_fake, PoolLimits())
        pool.start()
        held = [asyncio.create_task(pool.submit(MODEL, grey(level))) for level in range(5)]
        await asyncio.sleep(0.01)  # until each has entered the queue
        await pool.drain(20)
        assert [(await task).score for task in held] == [0, 1, 2, 3, 4]
        with pytest.raises(Draining):
            await pool.submit(MODEL, grey(1))
        assert pool.workers_up == 0

    asyncio.run(scenario())


def test_a_worker_that_dies_while_idle_comes_back_with_its_models() -> None:
    async def scenario() -> None:
        async with running() as pool:
            await pool.prepare(MODEL)
            before = pool.pids[0]
            os.kill(before, signal.SIGKILL)
            await until(lambda: set(pool.pids) > set() and before not in pool.pids and pool.is_ready)
            assert pool.restarts == 1

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_a_caller_that_goes_away_does_not_stop_the_worker() -> None:
    async def scenario() -> None:
        async with running() as pool:
            await pool.prepare(MODEL)
            gone = asyncio.create_task(pool.submit(MODEL, grey(3)))
            await asyncio.sleep(0)
            gone.cancel()
            assert (await pool.submit(MODEL, grey(4))).score == 4

    asyncio.run(scenario())


def test_a_lost_device_ends_its_worker_and_the_next_one_answers(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running() as pool:
            (tmp_path / "fault").mkdir()
            scored = await pool.submit(ModelRef("part", 1, tmp_path / "fault", "d" * 64), grey(9))
            assert scored.score == 9
            assert pool.restarts == 1

    asyncio.run(scenario())


def test_a_picture_that_loses_the_device_each_time_fails_alone() -> None:
    async def scenario() -> None:
        async with running() as pool:
            poison = ModelRef("part", 1, Path("poison"), "e" * 64)
            levels = range(60, 70)
            outcomes = await asyncio.gather(*(pool.submit(poison, grey(it)) for it in levels), return_exceptions=True)
            assert [getattr(outcome, "score", None) for outcome in outcomes] == [
                None if level == 66 else level for level in levels
            ]
            assert isinstance(outcomes[6], WorkerLost)

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_a_batch_that_fills_the_device_is_split_and_later_ones_are_smaller_without_a_restart() -> None:
    async def scenario() -> None:
        async with running() as pool:
            small = ModelRef("part", 1, Path("small"), "f" * 64)
            scored = await asyncio.gather(*(pool.submit(small, grey(level)) for level in range(20)))
            assert [result.score for result in scored] == list(range(20))
            assert (pool.restarts, pool.batch_limit(small.digest), pool.batch_limit(MODEL.digest)) == (0, 1, 8)
            before = pool.out_of_memory
            await asyncio.gather(*(pool.submit(small, grey(level)) for level in range(20)))
            assert pool.out_of_memory == before > 0

    asyncio.run(scenario())


def test_models_make_room_for_each_other_and_the_largest_is_refused() -> None:
    async def scenario() -> None:
        async with running(resident_bytes=100) as pool:
            for name, size in (("a", 60), ("b", 60), ("c", 40)):
                await pool.prepare(ModelRef(name, 1, Path(name), name * 64, size))
            assert pool.resident_bytes == {"cpu": 100}
            assert (await pool.submit(ModelRef("a", 1, Path("a"), "a" * 64, 60), grey(5))).score == 5
            with pytest.raises(ModelTooLarge, match="needs 101 bytes"):
                await pool.prepare(ModelRef("d", 1, Path("d"), "d" * 64, 101))
            assert pool.resident_bytes == {"cpu": 100}

    asyncio.run(scenario())


def test_a_worker_that_keeps_dying_is_started_after_ever_longer_pauses_and_meanwhile_there_is_no_worker() -> None:
    async def scenario() -> None:
        async with running() as pool:
            for _ in range(3):
                with pytest.raises((WorkerLost, NoWorker)):
                    await pool.submit(CRASH, grey(1))
            await until(lambda: pool.lanes[0].is_gone)
            with pytest.raises(NoWorker, match="last exit 7"):
                await pool.submit(MODEL, grey(1))
            await until(lambda: not pool.lanes[0].is_gone)
            assert (await pool.submit(MODEL, grey(4))).score == 4

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_a_load_holds_up_no_other_product() -> None:
    async def scenario() -> None:
        async with running() as pool:
            await pool.prepare(MODEL)
            load = asyncio.create_task(pool.prepare(ModelRef("cold", 1, Path("slow_load"), "7" * 64)))
            await until(lambda: pool.lanes[0].residency.knows("7" * 64))
            assert [(await pool.submit(MODEL, grey(level))).score for level in range(50)] == list(range(50))
            assert not load.done()
            await load

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_what_is_pinned_stays_and_the_load_that_needs_its_room_is_refused_until_it_is_dropped() -> None:
    async def scenario() -> None:
        async with running(resident_bytes=100) as pool:
            one, two = (ModelRef(name, 1, Path(name), name * 64, 60) for name in "ab")
            pool.pins.hold("serving a", one.digest)
            await pool.prepare(one)
            with pytest.raises(NoRoom, match=r"b@1 needs 60 bytes and 40 can be had; .*: a@1 \(60 bytes, pinned\)"):
                await pool.prepare(two)
            pool.pins.drop("serving a")
            await pool.prepare(two)
            assert list(pool.lanes[0].loaded) == [two.digest]

    asyncio.run(scenario())


def test_two_workers_share_the_work_of_one_product() -> None:
    async def scenario() -> None:
        async with running(devices=("cpu", "cpu")) as pool:
            await until(lambda: pool.workers_up == 2)
            await asyncio.gather(*(pool.submit(SLOW, grey(level)) for level in range(80)))
            await until(lambda: all(SLOW.digest in lane.loaded for lane in pool.lanes))
            started = time.monotonic()
            await asyncio.gather(*(pool.submit(SLOW, grey(level)) for level in range(16)))
            assert time.monotonic() - started < 2 * SLOW_S

    asyncio.run(asyncio.wait_for(scenario(), 60))


def priorities(pid: int | None) -> set[int]:
    """Niceness of every thread of a process."""
    return {os.getpriority(os.PRIO_PROCESS, int(thread.name)) for thread in Path(f"/proc/{pid}/task").iterdir()}


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priorities of their own")
def test_a_worker_gives_way_to_the_service_and_its_loads_to_its_scores() -> None:
    async def scenario() -> None:
        async with running() as pool:
            await pool.prepare(MODEL)
            own = os.getpriority(os.PRIO_PROCESS, os.getpid())
            assert priorities(pool.lanes[0].pid) == {min(LEAST_PRIORITY, own + steps * GIVING_WAY) for steps in (1, 2)}

    asyncio.run(scenario())


@pytest.mark.parametrize(("cores", "workers", "threads"), [(1, 1, 1), (2, 1, 1), (2, 2, 1), (8, 1, 7), (9, 2, 4)])
def test_a_core_stays_for_the_service_and_workers_share_the_others(cores: int, workers: int, threads: int) -> None:
    assert share_cores(cores, workers) == threads


def test_a_quota_of_cpu_time_counts_as_so_many_cores(tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    unlimited = count_cores(quota)
    quota.write_text("max 100000\n")
    assert count_cores(quota) == unlimited
    quota.write_text("100000 100000\n")
    assert count_cores(quota) == 1
