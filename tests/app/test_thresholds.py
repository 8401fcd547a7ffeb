"""Thresholds over HTTP: changed while parts come, tried on stored scores, and whose they are."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.ledger.database import ledger_url
from app.ledger.ledger import Ledger
from app.thresholds import Thresholds
from model_store.registry import Registry
from tests.app.fake_detector import load_fake
from tests.app.service import post, serving
from tests.attacks.pictures import encoded
from tests.model_store.drafts import make_draft

WHO = {"who": "engineer", "why": "too many false rejects"}
THRESHOLDS = "/products/plate/thresholds"


def plain(level: int) -> bytes:
    return encoded(np.full((32, 32, 3), level, np.uint8), "png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for version in (1, 2):
        Registry(tmp_path / "store").publish(make_draft(seed=version), activate=version == 1)
    return tmp_path


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient]:
    with serving(folder, load_fake) as client:
        yield client


def put(client: TestClient, ng_above: float, review_above: float, **more: Any) -> tuple[int, Any]:
    answer = client.put(THRESHOLDS, json={"ng_above": ng_above, "review_above": review_above, **WHO, **more})
    return answer.status_code, answer.json()


def test_the_next_verdict_is_by_the_new_revision_and_its_regions_and_scale_too(client: TestClient) -> None:
    before = post(client, plain(90))[1]
    assert (before["verdict"], before["thresholds"]["revision"]) == ("ng", 1)
    status, made = put(client, 100, 50)
    assert (status, made["revision"], made["who"], made["version"]) == (200, 2, "engineer", 1)
    after = post(client, plain(90))[1]
    assert (after["verdict"], after["regions"]) == ("review", [])
    assert after["thresholds"] == {"ng_above": 100, "review_above": 50, "revision": 2, "decided_by": 50}
    assert after["heatmap"]["scale"]["centre"] == 100
    assert client.get(f"/verdicts/{before['id']}").json()["thresholds"]["revision"] == 1
    product = client.get("/products/plate").json()
    assert (product["ng_above"], product["threshold_revision"], product["promise"]) == (100, 2, None)


def test_a_restart_remembers_and_another_version_starts_with_its_own(folder: Path) -> None:
    with serving(folder, load_fake) as client:
        put(client, 100, 50)
        put(client, 110, 60)
    with serving(folder, load_fake) as client:
        assert post(client, plain(105))[1]["thresholds"]["revision"] == 3
        client.post("/products/plate/versions/2/activate")
        thresholds = client.get(THRESHOLDS).json()
        assert (thresholds["in_force"]["calibrated"], thresholds["in_force"]["version"]) == (True, 2)
        assert post(client, plain(105))[1]["thresholds"]["revision"] == 1
        client.post("/products/plate/rollback")
        assert post(client, plain(105))[1]["thresholds"]["ng_above"] == 110
        history = client.get(THRESHOLDS).json()["history"]
        assert [(each["version"], each["revision"], each["ng_above"]) for each in history] == [(1, 2, 100), (1, 3, 110)]


def test_a_service_beside_it_on_the_same_ledger_follows(client: TestClient, folder: Path) -> None:
    served = client.app.state.catalog.served("plate")  # type: ignore[attr-defined]

    async def beside() -> list[int]:
        ledger = Ledger(ledger_url(folder / "data", None))
        thresholds = Thresholds(ledger)
        before = thresholds.of(served).revision
        await asyncio.to_thread(put, client, 100, 50)
        await thresholds.read()  # as it does each second
        after = thresholds.of(served).revision
        await ledger.close()
        return [before, after]

    assert asyncio.run(beside()) == [1, 2]


@pytest.mark.parametrize(
    ("thresholds", "status", "code"),
    [
        ((50, 100, {}), 422, "thresholds.bad"),
        ((-1e9, -1e9, {}), 422, "thresholds.bad"),
        ((100, 50, {"who": ""}), 422, "request.invalid"),
        ((100, 50, {"revision": 7}), 409, "thresholds.changed"),
        ((100, 50, {"version": 2}), 409, "thresholds.changed"),
    ],
)
def test_what_makes_no_sense_or_was_meant_for_others_changes_nothing(
    shared: TestClient, thresholds: Any, status: int, code: str
) -> None:
    ng_above, review_above, more = thresholds
    answer = put(shared, ng_above, review_above, **more)
    assert (answer[0], answer[1]["code"]) == (status, code)
    assert shared.get(THRESHOLDS).json()["history"] == []


def test_other_thresholds_are_tried_on_what_was_recorded(shared: TestClient) -> None:
    ids = [post(shared, plain(level), part_id=f"P-{level}")[1]["id"] for level in (40, 90, 120)]
    post(shared, plain(255))
    post(shared, plain(90), simulated="true")
    body = {"ng_above": 100, "review_above": 50}
    shared.post(f"/verdicts/{ids[0]}/disposition", json={"found": "defective", "who": "operator"})
    shared.post(f"/verdicts/{ids[0]}/disposition", json={"found": "good", "who": "operator"})
    answer = shared.post(f"{THRESHOLDS}:simulate", json=body).json()
    assert (answer["parts"], answer["complete"]) == (3, True)
    nobody = {"ok": 0, "review": 0, "ng": 0}
    assert answer["found"] == {"good": nobody | {"ok": 1}, "defective": nobody}
    assert {kind: share["parts"] for kind, share in answer["projected"].items()} == {"ok": 1, "review": 1, "ng": 1}
    share = answer["projected"]["ng"]["share"]
    assert (round(share["low"], 3), round(share["rate"], 3), round(share["high"], 3)) == (0.008, 0.333, 0.906)
    assert answer["flips"] == {"ng->ok": 1, "ng->review": 1}
    assert [(flip["id"], flip["becomes"]) for flip in answer["flipped"]] == [(ids[1], "review"), (ids[0], "ok")]
    newest = shared.post(f"{THRESHOLDS}:simulate", json=body | {"limit": 1}).json()
    assert (newest["parts"], newest["complete"]) == (1, False)
    early = shared.post(f"{THRESHOLDS}:simulate", json=body | {"until": "2020-01-01T00:00:00Z"}).json()
    assert (early["parts"], early["projected"]["ng"]["share"]) == (0, {"rate": None, "low": 0, "high": 1})
    assert shared.get(THRESHOLDS).json()["history"] == []


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """For tests that change nothing."""
    folder = tmp_path_factory.mktemp("thresholds")
    Registry(folder / "store").publish(make_draft(seed=1), activate=True)
    with serving(folder, load_fake) as client:
        yield client


def test_a_product_that_is_none_has_no_thresholds(shared: TestClient) -> None:
    answer = shared.get("/products/none/thresholds")
    assert (answer.status_code, answer.json()["code"]) == (404, "product.unknown")
