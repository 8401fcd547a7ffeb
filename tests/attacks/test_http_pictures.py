"""Odd and hostile pictures over HTTP: each gets its code, or the verdict of the plain picture that it stands for."""

from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests.app.service import post
from tests.attacks import pictures
from tests.attacks.pictures import encoded, part, saved

UNREADABLE = (415, "picture.unsupported_format")
TRUNCATED = (422, "picture.truncated")
TOO_LARGE = (413, "picture.too_large")

# the service ignores what Pillow says about odd metadata (decode.py); the suite's "warnings are errors" would hide that
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def seen(client: TestClient, data: bytes, kind: str = "image/png") -> dict[str, Any]:
    """What a verdict says of the picture, whatever the file around it."""
    status, answer = post(client, data, kind)
    assert status == 200, answer
    facts = {name: answer["picture"][name] for name in ("width", "height")}
    return facts | {name: answer[name] for name in ("score", "verdict", "regions")}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", (422, "picture.empty")),
        *((data[: len(data) // 2], TRUNCATED) for data in pictures.of_every_format().values()),
        *((data, UNREADABLE) for data in pictures.foreign().values()),
        (pictures.bomb_png(), TOO_LARGE),
        (pictures.bomb_1bit_png(), TOO_LARGE),
        (pictures.bomb_webp_header(), TOO_LARGE),
        (pictures.scan_bomb_jpeg(2_000), (422, "picture.corrupt")),
        (pictures.text_bomb_png(), (422, "picture.corrupt")),
        (pictures.tag_bomb_tiff(), (422, "picture.corrupt")),
        (pictures.animated("gif"), UNREADABLE),
        (pictures.see_through(0), (422, "picture.unsupported_pixels")),
        (encoded(part(200, 15), "png"), (422, "picture.too_small")),
    ],
)
def test_a_hostile_picture_gets_its_code_and_the_service_stays_ready(
    client: TestClient, data: bytes, expected: tuple[int, str]
) -> None:
    status, answer = post(client, data)
    assert (status, answer["code"]) == expected
    assert client.get("/readyz").status_code == 200


def test_every_lossless_format_gets_the_same_verdict_with_regions(client: TestClient) -> None:
    plain = seen(client, encoded(part(), "png"))
    assert plain["regions"]
    for name in ("bmp", "tiff"):
        assert seen(client, encoded(part(), name), f"image/{name}") == plain


@pytest.mark.parametrize("kind", ["image/jpeg", "image/tiff", "application/octet-stream"])
def test_the_first_bytes_say_what_a_picture_is_and_not_its_sender(client: TestClient, kind: str) -> None:
    status, answer = post(client, encoded(part(), "png"), kind)
    assert (status, answer["picture"]["format"]) == (200, "png")


def test_the_file_name_of_an_upload_is_not_believed(client: TestClient) -> None:
    upload = {"image": ("../../etc/part.jpg", encoded(part(), "png"), "text/html")}
    answer = client.post("/inspect", data={"product": "plate"}, files=upload).json()
    assert answer["picture"]["format"] == "png"
    assert answer["score"] == seen(client, encoded(part(), "png"))["score"]


def test_a_polyglot_is_judged_as_the_jpeg_that_it_begins_with(client: TestClient) -> None:
    assert seen(client, pictures.polyglot(), "image/jpeg") == seen(client, encoded(part(), "jpeg"), "image/jpeg")


@pytest.mark.parametrize("name", ["png", "webp", "tiff"])
def test_of_an_animation_the_first_frame_is_judged(client: TestClient, name: str) -> None:
    assert seen(client, pictures.animated(name), f"image/{name}") == seen(client, encoded(part(), "png"))


def test_16_bit_grey_is_judged_as_its_8_bits(client: TestClient) -> None:
    grey = part()[..., 2]
    assert seen(client, encoded(grey.astype(np.uint16) * 257, "png")) == seen(client, encoded(grey, "png"))


def test_cmyk_is_judged_as_the_rgb_that_it_prints(client: TestClient) -> None:
    ink = Image.fromarray(part()).convert("CMYK")
    assert seen(client, saved(ink, "tiff"), "image/tiff") == seen(client, encoded(part(), "png"))


@pytest.mark.parametrize(("orientation", "quarter_turns"), [(3, 2), (6, 1), (8, -1)])
def test_a_turned_picture_is_judged_upright(client: TestClient, orientation: int, quarter_turns: int) -> None:
    stored = np.ascontiguousarray(np.rot90(part(), quarter_turns))
    turned = pictures.rotated("png", orientation, stored)
    assert seen(client, turned) == seen(client, encoded(part(), "png"))
