"""Bodies on their way in: how long, how large, how many bytes at once. The server's own part is in test_server.py."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from app.admission import Admission, AdmissionLimits
from app.body import FORM_SLACK
from app.errors import BodyTooLarge, UploadTooSlow, row_of
from app.pool_errors import QueueFull
from app.upload import OTHER_BYTES, Uploads
from tests.app.fake_detector import load_fake
from tests.app.service import post, serving

MIB = 1 << 20
PNG = {"Content-Type": "image/png"}


def admission(most: int) -> Admission:
    return Admission(AdmissionLimits(pictures=10, bytes=most, share=1.0))


async def upload(door: Admission, chunks: list[bytes], *, path: str = "/inspect", pause_s: float = 0.0) -> bytes:
    """What the route behind the middleware reads; `pause_s` lies before each chunk."""
    read = b""
    left = list(chunks)

    async def receive() -> Message:
        await asyncio.sleep(pause_s)
        chunk = left.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(left)}

    async def send(_: Message) -> None: ...

    async def route(scope: Scope, receive: Receive, _: Send) -> None:
        nonlocal read
        read = await Request(scope, receive).body()

    state = SimpleNamespace(admission=door)
    scope: dict[str, Any] = {"type": "http", "path": path, "headers": [], "app": SimpleNamespace(state=state)}
    await Uploads(route, timeout_s=0.1)(scope, receive, send)
    return read


def test_a_body_that_is_in_time_and_has_room_comes_as_it_is() -> None:
    door = admission(10)
    assert asyncio.run(upload(door, [b"abc", b"", b"def"])) == b"abcdef"
    assert door.uploads == 0


def test_a_slow_body_is_cut_by_the_time_of_all_its_chunks_together() -> None:
    door = admission(1000)
    with pytest.raises(UploadTooSlow, match=r"after 0\.1 s") as raised:
        asyncio.run(upload(door, [b"x"] * 100, pause_s=0.03))
    assert row_of(raised.value) == (408, "request.too_slow")
    assert door.uploads == 0


def test_uploads_that_have_not_ended_are_counted_together_and_one_alone_always_has_room() -> None:
    door = admission(10)

    async def two() -> list[bytes | BaseException]:
        slow = upload(door, [b"x" * 6, b"x"], pause_s=0.02)
        fast = upload(door, [b"y" * 4, b"y"], pause_s=0.01)
        return await asyncio.gather(slow, fast, return_exceptions=True)

    first, second = asyncio.run(two())
    assert first == b"xxxxxxx"
    assert isinstance(second, bytes | QueueFull)
    assert door.uploads == 0
    assert asyncio.run(upload(door, [b"x" * 50])) == b"x" * 50


def test_an_upload_that_announces_more_than_there_is_room_for_is_refused_before_it_comes() -> None:
    door = admission(10)
    with door.receive() as held, door.receive() as mine:
        door.take(held, 6)
        with pytest.raises(QueueFull, match="6 bytes are held"):
            door.expect(mine, 5)
        door.expect(mine, 4)
        with pytest.raises(QueueFull):
            door.take(mine, 5)
    assert door.uploads == 0


def test_a_route_without_pictures_takes_little_whatever_is_announced() -> None:
    with pytest.raises(BodyTooLarge, match="limit is 65536"):
        asyncio.run(upload(admission(10 * MIB), [b"x" * 1000] * 66, path="/products/plate/prepare"))
    assert OTHER_BYTES < 66_000


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with serving(tmp_path_factory.mktemp("empty"), load_fake, start_s=0, max_body_bytes=MIB) as client:
        yield client


def chunked(size: int, read: Callable[[int], None]) -> Iterator[bytes]:
    for _ in range(0, size, 1 << 16):
        read(1 << 16)
        yield b"x" * (1 << 16)


def test_a_chunked_body_without_an_end_is_cut_at_the_limit(client: TestClient) -> None:
    answer = client.post("/inspect?product=plate", content=chunked(4 * MIB, lambda _: None), headers=PNG)
    assert (answer.status_code, answer.json()["code"]) == (413, "request.too_large")


def test_a_form_is_cut_at_the_limit_with_its_slack_and_a_text_field_long_before(client: TestClient) -> None:
    answer = client.post("/inspect", files={"image": b"x" * (MIB + FORM_SLACK)}, data={"product": "plate"})
    assert (answer.status_code, answer.json()["code"]) == (413, "request.too_large")
    answer = client.post("/inspect", files={"image": b"x"}, data={"product": "plate", "part_id": "x" * 129})
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")


def test_a_large_json_body_has_the_code_of_a_large_body(client: TestClient) -> None:
    for content in (b"[" * (OTHER_BYTES + 1), chunked(MIB, lambda _: None)):
        answer = client.post("/products/plate/prepare", content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (413, "request.too_large")


@pytest.mark.parametrize(
    "part_id",
    [
        "x" * 129,
        "a\r\nSet-Cookie: x=1",
        "a\nINFO app: all is well",
        "\x1b[2J",
        "\x00",
        "\u202egnp",
        "\u2028",
        "\x85",
    ],
)
@pytest.mark.parametrize("field", ["part_id", "station", "job"])
def test_a_name_that_could_write_into_a_log_is_refused(client: TestClient, field: str, part_id: str) -> None:
    status, answer = post(client, b"x", **{field: part_id})
    assert (status, answer["code"]) == (422, "request.invalid")
    assert answer["detail"].startswith(f"{field}: ")


@pytest.mark.parametrize("part_id", ["C-42", "Gehäuse 7/3", "部品-1", "x" * 128, "a\\b'\"<b>%s{}"])
def test_a_name_that_a_person_can_read_is_taken(client: TestClient, part_id: str) -> None:
    assert post(client, b"x", part_id=part_id)[1]["code"] == "product.unknown"


@pytest.mark.parametrize("product", ["../etc", "a/b", "A", "", ".", "a\nb", "a" * 63 + "\n", "con:"])
def test_a_product_that_could_be_a_path_is_refused_before_its_picture_is_read(client: TestClient, product: str) -> None:
    def body() -> Iterator[bytes]:
        raise AssertionError("somebody read it")
        yield b""

    answer = client.post("/inspect", params={"product": product}, content=body(), headers=PNG)
    assert answer.json()["code"] in ("product.bad_name", "request.invalid")


def test_folders_stay_unmade_whatever_a_product_is_called(client: TestClient, tmp_path: Path) -> None:
    for path in ("/products/..%2f..%2fetc/versions", "/products/%00/prepare", "/verdicts/..%2f..%2fx/heatmap"):
        assert client.get(path).status_code in (404, 422)
    assert not list(tmp_path.iterdir())
