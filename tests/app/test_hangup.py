"""A client that goes away takes its work with it."""

import asyncio

import pytest
from starlette.requests import Request
from starlette.types import Message

from app.errors import HungUp
from app.hangup import while_connected
from tests.app.pools import SLOW, grey, running, start_slowly, until


def request(gone: asyncio.Event) -> Request:
    async def receive() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http", "headers": []}, receive)


def test_an_answer_that_comes_first_is_given() -> None:
    async def scenario() -> None:
        assert await while_connected(request(asyncio.Event()), asyncio.sleep(0, "answer")) == "answer"

    asyncio.run(scenario())


def test_what_waits_for_a_client_that_hangs_up_is_cancelled_before_a_worker_takes_it() -> None:
    async def scenario() -> None:
        async with running() as pool:
            gone = asyncio.Event()
            first = await start_slowly(pool)
            waiting = [asyncio.create_task(while_connected(request(gone), pool.submit(SLOW, grey(2)))) for _ in "12345"]
            await until(lambda: pool.waiting == len(waiting))
            gone.set()
            outcomes = await asyncio.gather(*waiting, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {HungUp}
            assert (await first).score == 1
            assert (await pool.submit(SLOW, grey(3))).batch_size == 1

    asyncio.run(scenario())


def test_what_the_work_raises_is_raised() -> None:
    async def fail() -> None:
        raise ValueError("broken")

    async def scenario() -> None:
        with pytest.raises(ValueError, match="broken"):
            await while_connected(request(asyncio.Event()), fail())

    asyncio.run(scenario())
