"""A pool with one real process and a detector without torch; its models; pictures of one level."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.batching import BatchLimits
from app.lane import Join
from app.pool import Pool, PoolLimits
from app.work import ModelRef, Scored
from app.worker_process import TimeLimits
from tests.app.fake_detector import load_fake

MODEL = ModelRef("part", 1, Path("part/1"), "a" * 64)
CRASH = ModelRef("crash", 1, Path("crash"), "b" * 64)
REFUSED = ModelRef("refused", 1, Path("refuse"), "c" * 64)
SLOW = ModelRef("slow", 1, Path("slow"), "9" * 64)
HANG = ModelRef("hang", 1, Path("hang"), "8" * 64)
UNHURRIED = TimeLimits(batch_s=30)
LONGEST_S = 60


def grey(level: int) -> npt.NDArray[np.uint8]:
    return np.full((8, 8, 3), level, np.uint8)


@asynccontextmanager
async def running(
    resident_bytes: int = 100,
    batch: int = 8,
    devices: Sequence[str] = ("cpu",),
    limits: TimeLimits = UNHURRIED,
    join: Join = "auto",
) -> AsyncIterator[Pool]:
    settings = PoolLimits(resident_bytes=resident_bytes, batch=BatchLimits(batch), time=limits, join=join)
    pool = Pool(devices, load_fake, settings)
    pool.start()
    try:
        yield pool
    finally:
        await pool.drain(10)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what a worker or its thread does."""
    end = time.monotonic() + LONGEST_S
    for _ in iter(condition, True):
        assert time.monotonic() < end
        await asyncio.sleep(0.002)


async def start_slowly(pool: Pool) -> asyncio.Task[Scored]:
    """A picture that is on the device now."""
    await pool.prepare(SLOW)
    task = asyncio.create_task(pool.submit(SLOW, grey(1)))
    await asyncio.sleep(0)
    await until(lambda: pool.lanes[0].state == "busy" and not pool.waiting)
    return task
