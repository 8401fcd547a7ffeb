"""A real Prometheus scrapes a real service over HTTP: an alert fires from end to end, and panels find their series."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from model_store.registry import Registry
from tests.attacks.pictures import encoded, part
from tests.deploy.queries import plain_query
from tests.e2e.process import free_port, wait_until_ready
from tests.e2e.prometheus import until, watching
from tests.model_store.drafts import make_draft

ROOT = Path(__file__).parents[2]
SERVE = """
import uvicorn
from app.main import create_app
from app.settings import Settings
from tests.app.fake_detector import load_fake
if __name__ == "__main__":  # the worker's process reads this file again
    settings = Settings()
    uvicorn.run(create_app(settings, load_fake), host=settings.host, port=settings.port, log_level="warning")
"""
SHOWN_S = 20
QUIET = re.compile(r"version_refused|device_(memory|busy)|drift_(psi|ks)|ewma_limit|evictions|deliver(ed|y)_")


@contextmanager
def serving_without_torch(folder: Path, port: int) -> Iterator[None]:
    """The service as its own process, with a detector that needs no start."""
    (folder / "serve.py").write_text(SERVE)
    settings = {"INSPECT_PORT": str(port), "INSPECT_MODEL_STORE": f"{folder}/store", "INSPECT_DATA": f"{folder}/data"}
    environment = os.environ | settings | {"PYTHONPATH": str(ROOT), "INSPECT_DEVICES": "cpu"}
    service = subprocess.Popen([sys.executable, folder / "serve.py"], env=environment, cwd=ROOT)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}")
        yield
    finally:
        service.terminate()
        service.wait()


def post(address: str, *pictures: bytes) -> set[int]:
    where, kind = f"{address}/inspect?product=plate&station=EL-1&heatmap=none", {"Content-Type": "image/png"}
    with httpx.Client(headers=kind, timeout=30) as client:
        return {client.post(where, content=picture).status_code for picture in pictures}


def panel_queries() -> list[str]:
    """Of both dashboards, but for what has nothing to show without a GPU, targets, many parts, or trouble."""
    pages = [json.loads(path.read_text()) for path in (ROOT / "deploy/grafana/dashboards").glob("*.json")]
    queries = [plain_query(it["expr"]) for page in pages for panel in page["panels"] for it in panel["targets"]]
    return [query for query in queries if not QUIET.search(query)]


def silent(ask: Callable[[str, dict[str, str]], Any]) -> list[str]:
    """Queries of panels that find nothing."""
    return [query for query in panel_queries() if not ask("query", {"query": query})["result"]]


def test_an_alert_fires_from_end_to_end_and_every_panel_finds_its_series(tmp_path: Path) -> None:
    Registry(tmp_path / "store").publish(make_draft(), activate=True)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with watching(tmp_path, address) as ask, serving_without_torch(tmp_path, port):
        until(
            lambda: ask("query", {"query": 'inspect_errors_total{product="plate", code="picture.truncated"} == 0'})[
                "result"
            ]
        )
        picture = encoded(part(), "png")
        assert post(address, *[picture] * 5) == {200}
        assert post(address, *[picture[: len(picture) // 2]] * 15) == {422}

        (alert,) = until(lambda: [it for it in ask("alerts", {})["alerts"] if it["state"] == "firing"])
        assert (alert["labels"]["alertname"], alert["labels"]["code"]) == ("InspectRepeatedError", "picture.truncated")
        assert alert["annotations"]["runbook"] == "docs/operations.md#inspectrepeatederror"
        assert {it["health"] for group in ask("rules", {})["groups"] for it in group["rules"]} == {"ok"}
        end = time.monotonic() + SHOWN_S
        while (missing := silent(ask)) and time.monotonic() < end:
            time.sleep(0.1)
        assert missing == []
