"""What /status and /readyz say, of a service that is well and of one that is not."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app import catalog
from model_store.registry import Registry
from tests.app.fake_detector import load_dying, load_fake, load_on_cpu
from tests.app.service import post, serving
from tests.attacks.pictures import encoded, part
from tests.model_store.drafts import make_draft

PICTURE = encoded(part(), "png")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    Registry(tmp_path / "store").publish(make_draft(), activate=True)
    return tmp_path


@pytest.fixture
def client(store: Path) -> Iterator[TestClient]:
    with serving(store, load_fake) as client:
        yield client


def status(client: TestClient) -> Any:
    return client.get("/status").json()


def test_a_service_that_is_well_names_its_worker_its_product_and_nothing_else(client: TestClient) -> None:
    post(client, PICTURE)
    said = status(client)
    (worker,) = said["workers"]
    assert (worker["device"], worker["runs_on"], worker["state"], worker["restarts"]) == ("cpu", "cpu", "idle", 0)
    assert worker["models"] == ["plate@1"]
    assert [(model["state"], model["engine"]) for model in worker["memory"]] == [("pinned", "mean")]
    os.kill(worker["pid"], 0)
    assert said["queues"]["total"] == {"pictures": 0, "bytes": 0, "oldest_s": 0}
    (product,) = said["products"]
    assert (product["version"], product["state"], product["devices"]) == (1, "serving", ["cpu"])
    assert product["bytes"] > 1000
    assert (said["version"], said["draining"], said["degraded"], said["not_ready"]) == ("0.1.0", False, None, [])


def test_cuda_that_is_wanted_and_not_there_is_degraded_to_the_cpu(store: Path) -> None:
    with serving(store, load_on_cpu, devices="cuda:0") as client:
        said = status(client)
        assert said["degraded"] == "cpu"
        assert (said["workers"][0]["device"], said["workers"][0]["runs_on"]) == ("cuda:0", "cpu")


def test_a_killed_worker_is_started_again_and_the_service_is_ready_again(client: TestClient) -> None:
    before = status(client)["workers"][0]["pid"]
    os.kill(before, signal.SIGKILL)
    end = time.monotonic() + 30
    while (worker := status(client)["workers"][0])["pid"] in (before, None) or not worker["models"]:
        assert time.monotonic() < end
    assert worker["restarts"] == 1
    assert post(client, PICTURE)[0] == 200
    assert client.get("/readyz").status_code == 200


def test_without_any_worker_the_service_lives_is_not_ready_says_why_and_recovers(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "RECOVER_S", 0.2)
    with serving(store, load_dying) as client:
        (store / "sick").touch()
        os.kill(status(client)["workers"][0]["pid"], signal.SIGKILL)
        end = time.monotonic() + 30
        while post(client, PICTURE)[1].get("code") != "service.no_worker":
            assert time.monotonic() < end
        assert client.get("/livez").status_code == 200
        assert client.get("/readyz").json()["detail"].startswith("worker on cpu ")
        (store / "sick").unlink()
        while client.get("/readyz").status_code != 200:  # with no picture that would load the product
            assert time.monotonic() < end
        assert post(client, PICTURE)[0] == 200
