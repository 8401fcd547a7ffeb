"""The body of a request as it comes off the wire."""

import asyncio

import pytest
from starlette.requests import Request
from starlette.types import Message

from app.body import read_part
from app.errors import UploadCutOff, row_of


def test_an_upload_that_breaks_off_is_its_sender_s_trouble_and_no_fault_of_ours() -> None:
    messages: list[Message] = [{"type": "http.request", "body": b"abc", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> Message:
        return messages.pop(0)

    scope = {"type": "http", "query_string": b"product=plate", "headers": [(b"content-type", b"image/png")]}
    with pytest.raises(UploadCutOff, match="after 3 bytes") as raised:
        asyncio.run(read_part(Request(scope, receive), 100))
    assert row_of(raised.value) == (400, "request.cut_off")
