"""The body of any request as it comes: in time, within a number of bytes, and within what all together may hold.

In: chunks. Out: the same. Refuses: a body that has not ended in time (`UploadTooSlow`), a picture for whose bytes there
is no room beside the others (`QueueFull`), more bytes than a route without a picture can mean (`BodyTooLarge`).
How large one picture may be is app/body.py's. Refusals are raised where the body is read, so that one handler answers.
"""

import asyncio
from abc import ABC, abstractmethod

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.admission import Admission, Upload
from app.errors import BodyTooLarge, UploadTooSlow

WITH_PICTURES = {"/inspect"}  # these bodies are counted in the admission
OTHER_BYTES = 64 << 10  # what the others may have: some lines of JSON


class Uploads:
    """Middleware that watches over bodies."""

    def __init__(self, app: ASGIApp, *, timeout_s: float) -> None:
        self._app = app
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection; what is not HTTP passes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        admission: Admission = scope["app"].state.admission
        with admission.receive() as upload:
            is_picture = scope["path"] in WITH_PICTURES
            room = SharedRoom(admission, upload) if is_picture else OwnRoom(OTHER_BYTES)
            await self._app(scope, _Body(scope, receive, room, self._timeout_s).receive, send)


class Room(ABC):
    """Where the bytes of one body go."""

    @abstractmethod
    def expect(self, size: int) -> None:
        """Refuse a body that is said to have `size` bytes."""

    @abstractmethod
    def take(self, size: int) -> None:
        """Count `size` bytes that have come, or refuse."""


class SharedRoom(Room):
    """Of all pictures together."""

    def __init__(self, admission: Admission, upload: Upload) -> None:
        self._admission = admission
        self._upload = upload

    def expect(self, size: int) -> None:
        """Nothing is held for bytes that were only announced: a sender who goes silent would hold them for nothing."""
        self._admission.expect(self._upload, size)

    def take(self, size: int) -> None:
        """Until the request is answered."""
        self._admission.take(self._upload, size)


class OwnRoom(Room):
    """Of one body."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0

    def expect(self, size: int) -> None:
        """By what was announced."""
        if size > self._most:
            raise BodyTooLarge(f"the body has {size} bytes; the limit is {self._most}")

    def take(self, size: int) -> None:
        """By what came."""
        self._size += size
        self.expect(self._size)


class _Body:
    """Stands between the server and whoever reads the body."""

    def __init__(self, scope: Scope, receive: Receive, room: Room, timeout_s: float) -> None:
        declared = Headers(scope=scope).get("content-length", "")
        self._announced = int(declared) if declared.isdecimal() else 0
        self._receive = receive
        self._room = room
        self._timeout_s = timeout_s
        self._ends_at: float | None = None
        self._has_ended = False

    async def receive(self) -> Message:
        """The next message; after the body's last it is the server's own, and no time is kept."""
        if self._has_ended:
            return await self._receive()
        if self._ends_at is None:
            self._room.expect(self._announced)
            self._ends_at = asyncio.get_running_loop().time() + self._timeout_s
        try:
            async with asyncio.timeout_at(self._ends_at):
                message = await self._receive()
        except TimeoutError as exc:
            raise UploadTooSlow(f"the body had not ended after {self._timeout_s:g} s") from exc
        self._room.take(len(message.get("body", b"")))
        self._has_ended = not message.get("more_body", False)
        return message
