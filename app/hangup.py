"""A client that hangs up → its work is cancelled.

In: a request whose body was read, and the work for its answer. Out: the answer. Refuses: to go on for nobody.
The service would otherwise score parts that nobody waits for any more, while others do.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

from app.errors import HungUp

T = TypeVar("T")


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives; it is cancelled where the client goes away first, or where this is cancelled."""
    task, gone = asyncio.create_task(work), asyncio.create_task(_wait_for_hang_up(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise HungUp("the client hung up before its answer")
        return task.result()
    finally:
        task.cancel()
        gone.cancel()


async def _wait_for_hang_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
