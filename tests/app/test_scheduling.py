"""Deadlines and fairness in a pool with one real, slow worker. The policy alone: test_batching.py."""

import asyncio
import time

import pytest

from app.pool_errors import DeadlineMissed
from tests.app.fake_detector import SLOW_S
from tests.app.pools import MODEL, SLOW, grey, running, start_slowly


def test_a_deadline_that_passes_while_waiting_is_missed_and_the_device_never_sees_the_picture() -> None:
    async def scenario() -> None:
        async with running() as pool:
            first = await start_slowly(pool)
            with pytest.raises(DeadlineMissed):
                await pool.submit(SLOW, grey(255), deadline=time.monotonic() + 0.05)
            assert (await first).score == 1
            assert (await pool.submit(SLOW, grey(2))).batch_size == 1

    asyncio.run(scenario())


def test_what_cannot_be_scored_in_time_any_more_is_told_so_before_its_deadline() -> None:
    async def scenario() -> None:
        async with running() as pool:
            await pool.submit(SLOW, grey(1))  # the pool learns that it takes SLOW_S
            with pytest.raises(DeadlineMissed, match="too near when a worker came free"):
                await pool.submit(SLOW, grey(2), deadline=time.monotonic() + 0.9 * SLOW_S)

    asyncio.run(scenario())


def test_a_nearer_deadline_is_scored_first() -> None:
    async def scenario() -> None:
        async with running(batch=1) as pool:
            await start_slowly(pool)
            order: list[str] = []

            async def ask(name: str, seconds: float) -> None:
                await pool.submit(SLOW, grey(1), deadline=time.monotonic() + seconds)
                order.append(name)

            await asyncio.gather(ask("later", 20), ask("sooner", 10))
            assert order == ["sooner", "later"]

    asyncio.run(scenario())


def test_a_flooded_product_does_not_hold_up_another() -> None:
    async def scenario() -> None:
        async with running() as pool:
            await start_slowly(pool)
            flood = [asyncio.create_task(pool.submit(SLOW, grey(1))) for _ in range(40)]
            await asyncio.sleep(0.05)
            await pool.submit(MODEL, grey(2))
            assert sum(task.done() for task in flood) <= 16  # a batch before it came, and one after
            await asyncio.gather(*flood)

    asyncio.run(scenario())
