"""An alert does not vanish because the service was started again."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app import control_chart, drift_memory
from model_store.registry import Registry
from tests.app.fake_detector import load_fake
from tests.app.service import post, serving
from tests.attacks.pictures import encoded
from tests.model_store.drafts import make_draft

GOOD, BAD = 10, 30
LOOK_S = 0.02


def plain(level: int) -> bytes:
    return encoded(np.full((32, 32, 3), level, np.uint8), "png")


def report(client: TestClient) -> Any:
    """Of the only station, as soon as there is one."""
    end = time.monotonic() + 500 * LOOK_S
    while not (reports := client.get("/products/plate/drift").json()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return reports[0]


def test_a_restart_forgets_neither_parts_nor_alarm_nor_what_was_normal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_chart, "LEARN", GOOD)
    monkeypatch.setattr(drift_memory, "LOOK_S", LOOK_S)
    Registry(tmp_path / "store").publish(make_draft(), activate=True)
    with serving(tmp_path, load_fake) as client:
        for number, level in enumerate([0] * GOOD + [200] * BAD):
            post(client, plain(level), part_id=f"{number}", station="EL-1", heatmap="none")
        before = report(client)
        time.sleep(10 * LOOK_S)  # what was learned is kept
    with serving(tmp_path, load_fake) as client:
        after = report(client)
        assert (after["parts"], after["cause"]) == (GOOD + BAD, "product")
        assert after["pictures"] == before["pictures"]
        assert after["rejects"]["rate"] == before["rejects"]["rate"] < 0.2
        assert after["rejects"]["ewma"] == pytest.approx(
            before["rejects"]["ewma"], rel=0.02
        )  # the parts that were learned from
        assert 'inspect_drift_alarm{cause="product",product="plate",station="EL-1"} 1.0' in client.get("/metrics").text
        assert client.app.state.drift.learned() == []  # type: ignore[attr-defined]  # it came from the ledger
