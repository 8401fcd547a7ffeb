"""The smallest real service: products of random weights in a store, one worker on the CPU, asked over HTTP."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from app.worker import Loader, load_detector

START_S = 60


@contextmanager
def serving(
    folder: Path, loader: Loader = load_detector, *, start_s: float = START_S, **settings: Any
) -> Iterator[TestClient]:
    """A service of `<folder>/store`, ready unless that took `start_s`; its ledger lies in `<folder>/data`."""
    values = {"model_store": folder / "store", "data": folder / "data", "devices": "cpu", **settings}
    with TestClient(create_app(Settings(**values), loader), raise_server_exceptions=False) as client:
        deadline = time.monotonic() + start_s
        while client.get("/readyz").status_code != 200 and time.monotonic() < deadline:
            time.sleep(0.05)
        yield client


def post(client: TestClient, data: bytes, kind: str = "image/png", **query: str) -> tuple[int, Any]:
    """Status and JSON of POST /inspect for the product `plate`, unless `query` names another."""
    query = {"product": "plate", **query}
    response = client.post("/inspect", params=query, content=data, headers={"Content-Type": kind})
    return response.status_code, response.json()
