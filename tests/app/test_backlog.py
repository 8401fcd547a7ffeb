"""Which parts wake a thread that loads. What else the backlog does: test_pool.py, test_scheduling.py."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.backlog import Backlog
from app.batching import BatchLimits
from app.job import Job
from app.pace import Pace
from app.work import ModelRef
from tests.app.pools import MODEL, grey

LONG_S = 60.0
TAKE_UP_S = 0.1  # in which a thread that was woken has long been done


@pytest.fixture
def job() -> Iterator[Job]:
    loop = asyncio.new_event_loop()
    yield Job(model=MODEL, pixels=grey(1), future=loop.create_future(), loop=loop, patience_s=LONG_S)
    loop.close()


@contextmanager
def loading(backlog: Backlog) -> Iterator[threading.Thread]:
    """A thread that has looked for a model to load, found none, and waits."""
    has_looked = threading.Event()

    def knows(_: ModelRef) -> bool:  # asked for each part that waits
        return False

    def look() -> None:
        has_looked.set()
        backlog.next_load({MODEL.digest}, knows, wait_s=LONG_S)

    thread = threading.Thread(target=look)
    thread.start()
    has_looked.wait()
    time.sleep(TAKE_UP_S)
    yield thread
    backlog.wake()
    thread.join(LONG_S)


def test_a_part_of_a_model_that_is_loaded_wakes_no_thread_that_loads(job: Job) -> None:
    backlog = Backlog(BatchLimits(8), Pace())
    backlog.is_loaded(MODEL)
    with loading(backlog) as thread:
        backlog.add(job)
        thread.join(TAKE_UP_S)
        assert thread.is_alive()


@pytest.mark.parametrize("was_loaded", [True, False])
def test_a_part_of_a_model_that_no_lane_has_wakes_them(job: Job, *, was_loaded: bool) -> None:
    backlog = Backlog(BatchLimits(8), Pace())
    if was_loaded:
        backlog.is_loaded(MODEL)
        backlog.has_made_room([MODEL.digest])
    with loading(backlog) as thread:
        backlog.add(job)
        thread.join(LONG_S)
        assert not thread.is_alive()
