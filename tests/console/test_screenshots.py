"""docs/images/console-*.png: every view, on the demo's product and parts drawn like those it learned from.

`make demo ONCE=1`, then `pytest -m slow tests/console/test_screenshots.py`. Skips without that product.
"""

import io
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from tests.console.line import ROOT, Line
from tests.e2e.process import started
from training.sample import DEFECTS, draw_part

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
STORE = ROOT / "var/demo/models"
IMAGES = ROOT / "docs/images"
SIZE, PARTS = 160, 150
PNG = {"Content-Type": "image/png"}


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    if not STORE.is_dir():
        pytest.skip("the demo's product is not here: make demo ONCE=1")
    kept = {"KEEP_PICTURES": "all"}
    with (
        started(STORE, tmp_path_factory.mktemp("data"), **kept) as (_, address),
        httpx.Client(base_url=address) as client,
    ):
        line = Line(client)
        inspect_parts(line)
        yield line


def inspect_parts(line: Line) -> None:
    """Mostly good parts of two stations, some defective, some of them so faintly that a person has to look."""
    random = np.random.default_rng(2)
    has_pictures = "/verdicts/{verdict_id}/image" in line.read("/openapi.json")["paths"]
    heatmap = "png" if has_pictures else "overlay"
    for number in range(PARTS):
        strength = 0.0 if random.random() < 0.8 else random.choice([0.15, 0.3, 1.0])
        strength = 1.0 if number == PARTS - 1 else strength  # so that the line shows both
        query = {"product": "demo-plate", "part_id": f"C-{4100 + number}", "station": f"Camera {1 + number % 2}"}
        query |= {"job": "LOT-7", "inline": "false", "heatmap": heatmap}
        data = drawn(random, str(random.choice(DEFECTS)), strength)
        line.client.post("/inspect", params=query, content=data if number != 40 else data[:900], headers=PNG)


def drawn(random: np.random.Generator, defect: str, strength: float) -> bytes:
    """A part with a defect of this strength, from 0 (none) to 1."""
    seed = int(random.integers(2**31))
    good, bad = (draw_part(np.random.default_rng(seed), kind, SIZE)[0].astype(float) for kind in (None, defect))
    file = io.BytesIO()
    Image.fromarray(np.rint(good + strength * (bad - good)).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def shoot(page: Page, name: str) -> None:
    page.wait_for_timeout(1500)  # thumbnails, fonts, polls
    IMAGES.mkdir(exist_ok=True)
    page.screenshot(path=IMAGES / f"console-{name}.png")


def test_the_line(page: Page, line: Line) -> None:
    page.goto(f"{line.address}/console#/live")
    page.wait_for_selector(".last")
    shoot(page, "live")


def test_a_part(page: Page, line: Line) -> None:
    page.goto(f"{line.address}/console#/live")
    page.locator(".lane .is-ng .thumb, .tile.edge-ng").first.click()
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
    page.goto(f"{line.address}/console#/products")
    handle = page.get_by_role("slider", name="NG above")
    for _ in range(6):
        handle.press("ArrowLeft")
    shoot(page, "products")


def test_a_trial(page: Page, line: Line) -> None:
    page.goto(f"{line.address}/console#/try")
    data = drawn(np.random.default_rng(7), "scratch", 1.0)
    page.locator("input[type=file]").set_input_files({"name": "found.png", "mimeType": "image/png", "buffer": data})
    page.wait_for_selector(".try-report")
    shoot(page, "try")


def test_the_status(page: Page, line: Line) -> None:
    page.goto(f"{line.address}/console#/status")
    shoot(page, "status")
