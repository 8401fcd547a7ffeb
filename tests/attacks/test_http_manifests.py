"""Artifacts that lie, dropped into the store of a running service: theirs is unavailable, the others go on."""

import json
import time
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from model_store.registry import Registry
from tests.app.service import post
from tests.attacks.pictures import encoded, part
from tests.attacks.test_manifests import ATTACKS
from tests.model_store.drafts import make_draft

PICTURE = encoded(part(), "png")
LIES = {
    "changed weights": "HashMismatch",
    "another shape": "WeightsInvalid",
    "other weights": "GoldenMismatch",
    "a pickle": "WeightsInvalid",
    "up and out": "is no file name",
    "linked manifest": "is a symbolic link",
    "another version": "holds liar",
    "another product": "holds other",
    "format 2": "format version 2",
    "deep": "manifest.json",
    "no manifest": "is missing",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_product_that_lies_is_unavailable_with_the_reason_and_the_others_go_on(
    client: TestClient, store: Path, lie: str
) -> None:
    product = f"liar-{list(LIES).index(lie)}"
    ATTACKS[lie][0](Registry(store).publish(make_draft(product, seed=1), activate=True).path)
    status, answer = post(client, PICTURE, product=product)
    assert (status, answer["code"]) == (503, "product.unavailable")
    assert LIES[lie] in answer["detail"]
    assert client.get(f"/products/{product}").json()["state"] == "unavailable"
    assert post(client, PICTURE)[0] == 200
    assert client.get("/readyz").status_code == 200


def test_an_activation_that_makes_no_sense_is_unavailable_too(client: TestClient, store: Path) -> None:
    Registry(store).publish(make_draft("dizzy", seed=1), activate=True)
    (store / "products/dizzy/active.json").write_text(json.dumps({"format_version": 1, "active": "../../plate"}))
    status, answer = post(client, PICTURE, product="dizzy")
    assert (status, answer["code"]) == (503, "product.unavailable")
    assert post(client, PICTURE)[0] == 200


def test_a_new_version_that_lies_leaves_the_one_before_serving(client: TestClient, store: Path) -> None:
    registry = Registry(store)
    registry.publish(make_draft("steady"), activate=True)
    assert post(client, PICTURE, product="steady")[0] == 200
    ATTACKS["changed weights"][0](registry.publish(make_draft("steady", seed=1), activate=True).path)
    deadline = time.monotonic() + 30
    while (reason := client.get("/products/steady").json()["reason"]) is None and time.monotonic() < deadline:
        assert post(client, PICTURE, product="steady")[1]["model"]["version"] == 1
        time.sleep(0.05)
    assert "was changed" in reason
    assert post(client, PICTURE, product="steady")[1]["model"]["version"] == 1
