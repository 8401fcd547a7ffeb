"""docs/images/console-*.webp: every view, with the ball screws of ../shared/data on the model trained of them.

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
from playwright.sync_api import Page, expect

from tests.console.line import ROOT, Line
from tests.e2e.process import started

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PRODUCT = "ball-screw"
STORE = Path(os.environ.get("INSPECT_MODEL_STORE", ROOT / "var/models"))
PARTS = ROOT.parent / "shared/data" / PRODUCT / "test"
IMAGES = ROOT / "docs/images"
COUNT, BROKEN = 120, 40
DEFECTIVE = 0.15  # of the parts
JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    for needed in (STORE / "products" / PRODUCT, PARTS):
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
    """Parts of two stations; one picture breaks off, and the last part is defective, so that the line shows both."""
    random = np.random.default_rng(2)
    good, defective = (sorted((PARTS / kind).iterdir()) for kind in ("good", "pitting"))
    for number in range(COUNT):
        is_defective = random.random() < DEFECTIVE or number == COUNT - 1
        data = (defective if is_defective else good)[number % 100].read_bytes()
        query = {"product": PRODUCT, "part_id": f"C-{4100 + number}", "station": f"Camera {1 + number % 2}"}
        query |= {"job": "LOT-7", "inline": "false", "heatmap": "png"}
        line.client.post("/inspect", params=query, content=data if number != BROKEN else data[:900], headers=JPEG)


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
    page.goto(f"{line.address}/console#/products/{PRODUCT}")
    handle = page.get_by_role("slider", name="NG above")
    for _ in range(6):
        handle.press("ArrowLeft")
    expect(page.locator(".flips li").first).to_be_visible()
    shoot(page, "products")


def test_a_trial(page: Page, line: Line) -> None:
    page.goto(f"{line.address}/console#/try")
    data = sorted((PARTS / "pitting").iterdir())[7].read_bytes()
    file = {"name": "found.jpg", "mimeType": "image/jpeg", "buffer": data}
    if page.get_by_label("Product").count():
        page.get_by_label("Product").select_option(PRODUCT)
    page.locator("input[type=file]").set_input_files(file)
    page.wait_for_selector(".try-report")
    shoot(page, "try")


def test_the_status(page: Page, line: Line) -> None:
    page.goto(f"{line.address}/console#/status")
    shoot(page, "status")
