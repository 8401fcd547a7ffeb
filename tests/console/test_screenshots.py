"""docs/images/console-*.webp: every view, with parts of ../shared/data on the models trained of them.

`INSPECT_MODEL_STORE=… pytest -m slow tests/console/test_screenshots.py`; var/models by itself. Skips without either.
"""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from tests.console.line import ROOT, Line
from tests.e2e.process import started

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
KINDS = {"magnetic-tile": "crack", "ball-screw": "pitting"}  # product → its defect
STORE = Path(os.environ.get("INSPECT_MODEL_STORE", ROOT / "var/models"))
DATA = ROOT.parent / "shared/data"
IMAGES = ROOT / "docs/images"
COUNT, BROKEN = 120, 40
FLIPS = 4  # parts that the moved threshold judges otherwise
DEFECTIVE = 0.15  # of the parts
JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    for product in KINDS:
        for needed in (STORE / "products" / product, DATA / product):
            if not needed.is_dir():
                pytest.skip(f"{needed} is not here")
    with (
        started(STORE, tmp_path_factory.mktemp("data"), KEEP_PICTURES="all") as (_, address),
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        line = Line(client)
        inspect_parts(line)
        yield line


def inspect_parts(line: Line) -> None:
    """A station for each product; one picture breaks off, and the last tile is defective: the line shows both."""
    random, products = np.random.default_rng(2), list(KINDS)
    for number in range(COUNT):
        product = products[number % 2]
        kind = KINDS[product] if random.random() < DEFECTIVE or number == COUNT - 2 else "good"
        data = picture(product, kind, number // 2)
        query = {"product": product, "part_id": f"C-{4100 + number}", "station": f"Camera {1 + number % 2}"}
        query |= {"job": "LOT-7", "inline": "false", "heatmap": "png"}
        line.client.post("/inspect", params=query, content=data if number != BROKEN else data[:900], headers=JPEG)


def picture(product: str, kind: str, number: int) -> bytes:
    files = sorted((DATA / product / "test" / kind).iterdir())
    return files[number % len(files)].read_bytes()


def shoot(page: Page, name: str) -> None:
    page.wait_for_timeout(1500)  # thumbnails, fonts, polls
    IMAGES.mkdir(exist_ok=True)
    Image.open(io.BytesIO(page.screenshot())).save(IMAGES / f"console-{name}.webp", quality=82, method=6)


def test_the_line(page: Page, line: Line) -> None:
    page.goto(f"{line.address}/console#/live")
    page.wait_for_selector(".last")
    shoot(page, "live")


def test_a_part(page: Page, line: Line) -> None:
    page.goto(f"{line.address}/console#/live")
    page.locator(".lane .is-ng .thumb, .tile.edge-ng").first.click()
    page.wait_for_selector(".detail .layer-heat")
    shoot(page, "part")


def test_the_review_queue(page: Page, line: Line) -> None:
    page.goto(f"{line.address}/console#/review")
    page.get_by_label("Inspector").fill("Kim")
    page.locator("h1").click()
    for key in "gdg":
        page.wait_for_timeout(300)
        page.keyboard.press(key)
    shoot(page, "review")


def test_a_product(page: Page, line: Line) -> None:
    page.goto(f"{line.address}/console#/products/magnetic-tile")
    handle = page.get_by_role("slider", name="NG above")
    flips = page.locator(".flips li")
    while flips.count() < FLIPS:
        handle.press("ArrowLeft")
    shoot(page, "products")


def test_a_trial(page: Page, line: Line) -> None:
    page.goto(f"{line.address}/console#/try")
    page.get_by_label("Product").select_option("ball-screw")
    file = {"name": "found.jpg", "mimeType": "image/jpeg", "buffer": picture("ball-screw", "pitting", 7)}
    page.locator("input[type=file]").set_input_files(file)
    page.wait_for_selector(".try-report")
    shoot(page, "try")


def test_the_status(page: Page, line: Line) -> None:
    page.goto(f"{line.address}/console#/status")
    shoot(page, "status")
