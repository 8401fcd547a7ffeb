"""SIGTERM: not ready at once, still serving for the grace; a second one ends everything."""

import os
import signal
import time
from pathlib import Path

import httpx

from model_store.registry import Registry
from tests.attacks.pictures import encoded, part
from tests.e2e.process import FAKE, started
from tests.model_store.drafts import make_draft

POST = {"content": encoded(part(), "png"), "headers": {"Content-Type": "image/png"}}


def test_a_stopping_service_is_not_ready_first_serves_for_the_grace_and_a_second_signal_forces(tmp_path: Path) -> None:
    Registry(tmp_path / "store").publish(make_draft(), activate=True)
    with started(tmp_path / "store", tmp_path / "data", program=FAKE, DRAIN_GRACE_S="60") as (service, address):
        worker = httpx.get(f"{address}/status").json()["workers"][0]["pid"]
        os.killpg(service.pid, signal.SIGTERM)  # workers get it too, and go on
        end = time.monotonic() + 10
        while (answer := httpx.get(f"{address}/readyz")).status_code == 200:
            assert time.monotonic() < end
        assert "stopping" in answer.json()["detail"]
        assert httpx.get(f"{address}/status").json()["draining"] is True
        assert httpx.post(f"{address}/inspect?product=plate", **POST, timeout=60).status_code == 200
        assert httpx.get(f"{address}/status").json()["workers"][0]["pid"] == worker
        service.send_signal(signal.SIGTERM)
        assert service.wait(10) == 1
        while Path(f"/proc/{worker}").exists():
            assert time.monotonic() < end + 20
            time.sleep(0.05)
