"""A line to look at: a service of its own process whose detector's score is a picture's mean, and who posts to it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from playwright.sync_api import Page

from detector.calibration import calibrate
from model_store.registry import Registry
from tests.attacks.pictures import encoded
from tests.e2e.process import free_port, wait_until_ready
from tests.model_store.drafts import make_draft

ROOT = Path(__file__).parents[2]
LEVELS = {"ok": 60, "review": 130, "ng": 200}  # grey levels; review_above is 120 and ng_above 150


@dataclass(frozen=True)
class Line:
    """The service's address, and parts for it."""

    client: httpx.Client

    @property
    def address(self) -> str:
        return str(self.client.base_url).rstrip("/")

    def post(self, part: str, verdict: str = "ok", *, station: str = "Camera 1", **query: str) -> dict[str, Any]:
        """Inspect a part that gets this verdict; "error" is one that cannot be read."""
        data = picture(verdict) if verdict != "error" else b"no picture"
        query = {"product": "plate", "part_id": part, "station": station, "inline": "false", **query}
        answer = self.client.post("/inspect", params=query, content=data, headers={"Content-Type": "image/png"}).json()
        if verdict != "error":
            assert answer["verdict"] == verdict, answer
        return dict(answer)

    def read(self, path: str) -> Any:
        return self.client.get(path).json()


def look(page: Page, line: Line, view: str) -> None:
    """Open a view, and wait until it is there."""
    page.goto(f"{line.address}/console#/{view}")
    page.wait_for_selector("main section")


def picture(verdict: str) -> bytes:
    """A grey part with a lighter place, whose mean is the level of `verdict`."""
    pixels = np.full((96, 128, 3), LEVELS[verdict] - 5, np.uint8)
    pixels[30:54, 40:80] += 50  # 960 of 12288 pixels: the mean rises by 4
    return encoded(pixels, "png")


@contextmanager
def running(folder: Path, **environment: str) -> Iterator[Line]:
    """Two versions of the product `plate`, the first of which serves."""
    draft = replace(make_draft(), calibration=calibration())
    registry = Registry(folder / "store")
    registry.publish(draft, activate=True)
    registry.publish(draft, activate=False)
    port = free_port()
    names = {"PORT": str(port), "MODEL_STORE": str(folder / "store"), "DATA": str(folder / "data"), "DEVICES": "cpu"}
    settings = {f"INSPECT_{name}": value for name, value in {**names, "LOG_LEVEL": "error", **environment}.items()}
    program = [sys.executable, str(ROOT / "tests/e2e/fake_service.py")]
    service = subprocess.Popen(program, env=os.environ | settings | {"PYTHONPATH": str(ROOT)}, cwd=ROOT)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield Line(client)
    finally:
        service.kill()
        service.wait()


def calibration() -> Any:
    """Scores of good parts between 50 and 110, and thresholds that are easy to remember."""
    found = calibrate(list(np.linspace(50, 110, 60)), promise=0.05, review_rate=0.05, map_floor=40.0)
    return replace(found, review_above=120.0, ng_above=150.0)


def events(record: dict[str, Any], cursor: str) -> str:
    """A stream of one verdict that ends, as where a network breaks."""
    return f"id: {cursor}\nevent: verdict\ndata: {json.dumps(record)}\n\n"
