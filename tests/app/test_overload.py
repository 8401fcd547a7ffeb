"""More than there is time or room for, over HTTP: told so at once, with a code, and with when to come again."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from httpx import Response

from model_store.registry import Registry
from tests.app.fake_detector import load_poison, load_slow
from tests.app.service import serving
from tests.attacks.pictures import encoded
from tests.model_store.drafts import make_draft


def plain(level: int) -> bytes:
    return encoded(np.full((32, 32, 3), level, np.uint8), "png")


def post(client: TestClient, level: int = 9, product: str = "plate", deadline_ms: str | None = None) -> Response:
    headers = {"Content-Type": "image/png"} | ({} if deadline_ms is None else {"X-Deadline-Ms": deadline_ms})
    return client.post("/inspect", params={"product": product}, content=plain(level), headers=headers)


def flood(client: TestClient, products: list[str]) -> list[Response]:
    with ThreadPoolExecutor(len(products)) as senders:
        return list(senders.map(lambda product: post(client, product=product), products))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("service")
    for product in ("plate", "a", "b"):
        Registry(folder / "store").publish(make_draft(product), activate=True)
    return folder


@pytest.fixture(scope="module")
def client(store: Path) -> Iterator[TestClient]:
    limits = {"queue_limit": 4, "product_share": 0.5, "batch_limit": 1, "product_deadlines_ms": {"b": 1}}
    with serving(store, load_slow, **limits) as client:
        for product in ("plate", "a"):
            assert post(client, product=product).status_code == 200
        yield client


def test_a_flooded_product_gets_429_and_the_others_are_served(client: TestClient) -> None:
    answers = flood(client, ["plate"] * 8 + ["a"])
    assert {answer.status_code for answer in answers[:8]} == {200, 429}
    assert answers[8].status_code == 200
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["code"] == "queue.product_full"
    assert 1 <= int(refused.headers["retry-after"]) <= 60


def test_a_full_house_gets_503(client: TestClient) -> None:
    answers = flood(client, ["plate", "a", "nobody"] * 6)
    codes = {answer.json().get("code") for answer in answers}
    assert "queue.full" in codes
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers if answer.status_code == 503)


def test_a_deadline_that_cannot_be_met_is_answered_and_counted_and_gives_no_verdict(client: TestClient) -> None:
    answer = post(client, deadline_ms="20")
    assert (answer.status_code, answer.json()["code"]) == (504, "inspection.deadline_missed")
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["verdict"], answer.json()["counts_as"]) == ("error", "ng")
    assert 'inspect_deadline_missed_total{product="plate"} 1.0' in client.get("/metrics").text


def test_a_product_has_a_deadline_of_its_own_and_the_sender_s_comes_first(client: TestClient) -> None:
    assert post(client, product="b").json()["code"] == "inspection.deadline_missed"
    assert post(client, product="b", deadline_ms="5000").status_code == 200


def test_a_deadline_that_is_none_is_refused(client: TestClient) -> None:
    answer = post(client, deadline_ms="soon")
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")


def test_a_picture_that_kills_two_workers_is_not_tried_again_and_others_are_served(store: Path) -> None:
    with serving(store, load_poison) as client:
        for _ in range(2):
            answer = post(client, 66)
            assert (answer.status_code, answer.json()["code"]) == (422, "picture.quarantined")
        assert post(client, 67).status_code == 200
        text = client.get("/metrics").text
        assert 'inspect_worker_restarts_total{device="cpu"} 2.0' in text
        assert "inspect_quarantined_pictures 1.0" in text
