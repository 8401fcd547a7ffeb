"""One service, with the real detector in a real worker, for all that is posted to it and put into its store."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from detector.calibration import calibrate
from model_store.registry import Registry
from tests.app.service import serving
from tests.model_store.drafts import make_draft


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The product `plate`, so strict that `part()` has regions."""
    folder = tmp_path_factory.mktemp("service")
    strict = calibrate([0.02] * 30, promise=0.05, review_rate=0.0, map_floor=0.0)
    Registry(folder / "store").publish(replace(make_draft(), calibration=strict), activate=True)
    return folder / "store"


@pytest.fixture(scope="session")
def client(store: Path) -> Iterator[TestClient]:
    with serving(store.parent) as client:
        yield client
