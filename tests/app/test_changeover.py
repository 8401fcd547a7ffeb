"""One version after the other, over HTTP, while the service runs."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from model_store.registry import Registry
from tests.app.fake_detector import load_fake, load_first_two, load_slow
from tests.app.service import post, serving
from tests.attacks.pictures import encoded, part
from tests.model_store.drafts import make_draft

PICTURE = encoded(part(), "png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose version 1 is active, whose 2 loads and whose 3 does not."""
    folder = tmp_path_factory.mktemp("service")
    for version in (1, 2, 3):
        Registry(folder / "store").publish(make_draft(seed=version), activate=version == 1)
    return folder


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[TestClient]:
    with serving(folder, load_first_two) as client:
        yield client


@pytest.fixture
def client(running: TestClient) -> TestClient:
    """Version 1 serves."""
    assert running.post("/products/plate/versions/1/activate").status_code == 200
    return running


def serves(client: TestClient) -> int:
    version: int = post(client, PICTURE)[1]["model"]["version"]
    return version


def prepared(client: TestClient) -> Any:
    end = time.monotonic() + 30
    while (progress := client.get("/products/plate/prepare").json())["state"] == "loading":
        assert time.monotonic() < end
        time.sleep(0.01)
    return progress


def test_before_anything_was_prepared_there_is_no_progress(running: TestClient) -> None:
    answer = running.get("/products/plate/prepare")
    assert (answer.status_code, answer.json()["code"]) == (404, "product.not_prepared")


def test_a_preparation_is_answered_at_once_and_changes_nothing_that_serves(client: TestClient) -> None:
    answer = client.post("/products/plate/prepare", json={"version": 2})
    assert answer.status_code == 202
    assert answer.json()["bytes"] > 1000
    assert answer.json()["estimated_s"] > 0
    assert prepared(client) | {"elapsed_s": 0, "estimated_s": 0, "bytes": 0} == {
        "product": "plate",
        "version": 2,
        "state": "ready",
        "reason": None,
        "bytes": 0,
        "estimated_s": 0,
        "elapsed_s": 0,
    }
    assert serves(client) == 1


def test_the_newest_version_is_prepared_where_none_is_named_and_a_failure_says_why(client: TestClient) -> None:
    assert client.post("/products/plate/prepare").json()["version"] == 3
    progress = prepared(client)
    assert (progress["state"], progress["reason"]) == ("failed", "version 3 is not for us")


def test_an_activation_serves_from_its_answer_on_and_is_kept_in_the_store(client: TestClient, folder: Path) -> None:
    answer = client.post("/products/plate/versions/2/activate")
    assert (answer.status_code, answer.json()["version"]) == (200, 2)
    assert serves(client) == 2
    assert Registry(folder / "store").active("plate") == 2


def test_a_version_that_does_not_load_is_refused_and_the_one_before_goes_on(client: TestClient, folder: Path) -> None:
    answer = client.post("/products/plate/versions/3/activate")
    assert (answer.status_code, answer.json()["code"]) == (409, "product.version_refused")
    assert "version 3 is not for us" in answer.json()["detail"]
    assert serves(client) == 1
    assert Registry(folder / "store").active("plate") == 1


def test_a_version_that_was_made_active_on_disk_and_does_not_load_is_in_the_metrics(
    client: TestClient, folder: Path
) -> None:
    refused = 'inspect_version_refused{product="plate"} 1.0'
    assert refused not in client.get("/metrics").text
    Registry(folder / "store").activate("plate", 3)
    end = time.monotonic() + 10
    while refused not in client.get("/metrics").text:
        assert serves(client) == 1
        assert time.monotonic() < end
    Registry(folder / "store").activate("plate", 1)
    while refused in client.get("/metrics").text:
        assert serves(client) == 1
        assert time.monotonic() < end


def test_a_rollback_is_one_call(client: TestClient) -> None:
    client.post("/products/plate/versions/2/activate")
    assert client.post("/products/plate/rollback").json()["version"] == 1
    assert serves(client) == 1


def test_versions_say_which_is_active_and_which_serves(client: TestClient) -> None:
    versions = client.get("/products/plate/versions").json()
    assert [(it["version"], it["active"], it["serving"]) for it in versions] == [
        (1, True, True),
        (2, False, False),
        (3, False, False),
    ]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/products/other/prepare", 404, "product.unknown"),
        ("POST", "/products/..x/prepare", 422, "product.bad_name"),
        ("GET", "/products/other/versions", 404, "product.unknown"),
        ("POST", "/products/plate/versions/9/activate", 404, "product.unknown_version"),
        ("POST", "/products/plate/versions/0/activate", 422, "request.invalid"),
        ("POST", "/products/plate/versions/new/activate", 422, "request.invalid"),
        ("POST", "/products/other/rollback", 404, "product.unknown"),
    ],
)
def test_what_is_not_there_has_its_code(client: TestClient, method: str, path: str, status: int, code: str) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_without_a_version_before_there_is_nothing_to_roll_back(folder: Path, client: TestClient) -> None:
    Registry(folder / "store").publish(make_draft("single"), activate=True)
    answer = client.post("/products/single/rollback")
    assert (answer.status_code, answer.json()["code"]) == (409, "product.nothing_to_roll_back")


def test_a_body_that_says_something_else_is_refused(client: TestClient) -> None:
    answer = client.post("/products/plate/prepare", json={"verzion": 2})
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")


def test_a_part_in_work_is_finished_by_the_version_that_it_began_with(tmp_path: Path) -> None:
    for version in (1, 2):
        Registry(tmp_path / "store").publish(make_draft(seed=version), activate=version == 1)
    with serving(tmp_path, load_slow) as client, ThreadPoolExecutor(1) as sender:
        early = sender.submit(post, client, PICTURE)
        while client.get("/status").json()["workers"][0]["state"] != "busy" and not early.done():
            time.sleep(0.005)
        assert client.post("/products/plate/versions/2/activate").status_code == 200
        assert early.result()[1]["model"]["version"] == 1
        assert serves(client) == 2


def test_a_product_for_which_a_serving_one_would_have_to_go_is_refused_until_that_is_released(tmp_path: Path) -> None:
    sizes = []
    for product in ("a", "b"):
        ref = Registry(tmp_path / "store").publish(make_draft(product), activate=True)
        sizes.append((ref.path / "weights.safetensors").stat().st_size)
    with serving(tmp_path, load_fake, resident_bytes=sum(sizes) - 1) as client:
        status, answer = post(client, PICTURE, product="b")
        assert (status, answer["code"]) == (507, "product.no_room")
        assert f"a@1 ({sizes[0]} bytes, pinned)" in answer["detail"]
        assert client.get("/status").json()["workers"][0]["memory"] == [
            {"model": "a@1", "state": "pinned", "bytes": sizes[0], "engine": "mean"}
        ]
        assert client.post("/products/a/release").status_code == 200
        assert client.post("/products/b/versions/1/activate").status_code == 200
        assert post(client, PICTURE, product="b")[0] == 200
        assert post(client, PICTURE, product="a")[1]["code"] == "product.no_room"
