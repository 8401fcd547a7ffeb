"""An audit runs inspections again, on the versions that gave the verdicts. tests/e2e does it with a trained one."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from model_store.registry import Registry
from tests.app.fake_detector import load_fake
from tests.app.service import post, serving
from tests.attacks.pictures import encoded, part
from tests.model_store.drafts import make_draft

PICTURE = encoded(part(), "png")


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    for version in (1, 2):
        Registry(tmp_path / "store").publish(make_draft(seed=version), activate=version == 1)
    with serving(tmp_path, load_fake, keep_pictures="all") as client:
        yield client


def replay(client: TestClient, verdict_id: str) -> tuple[int, Any]:
    answer = client.get(f"/verdicts/{verdict_id}/replay")
    return answer.status_code, answer.json()


def test_the_same_picture_on_the_same_version_gives_the_same_bits_by_the_thresholds_of_then(client: TestClient) -> None:
    verdict = post(client, PICTURE)[1]
    client.post("/products/plate/versions/2/activate")
    status, answer = replay(client, verdict["id"])
    assert (status, answer["equal"], answer["same_score"], answer["score_delta"]) == (200, True, True, 0)
    assert answer["then"]["score"] == answer["now"]["score"] == verdict["score"]
    assert (answer["version"], answer["now"]["device"]) == (1, "cpu")
    assert client.get("/products/plate").json()["version"] == 2
    newer = post(client, PICTURE)[1]
    high = {"ng_above": newer["score"] + 9, "review_above": newer["score"] + 9, "who": "x", "why": "y"}
    assert client.put("/products/plate/thresholds", json=high).status_code == 200
    assert replay(client, newer["id"])[1]["same_verdict"] is True


def test_the_picture_of_an_error_meets_it_again_or_gets_the_verdict_that_it_would_have_had(client: TestClient) -> None:
    broken = post(client, b"no picture")[1]["id"]
    _, again = replay(client, broken)
    assert (again["now"]["code"], again["equal"], again["thresholds"]) == ("picture.unsupported_format", True, None)
    headers = {"X-Deadline-Ms": "1", "Content-Type": "image/png"}
    late = client.post("/inspect?product=plate", content=PICTURE, headers=headers).json()
    _, answer = replay(client, late["id"])
    assert (answer["then"]["code"], answer["then"]["score"]) == ("inspection.deadline_missed", None)
    assert (answer["now"]["score"], answer["now"]["verdict"]) == (post(client, PICTURE)[1]["score"], "ng")
    assert (answer["version"], answer["equal"], answer["score_delta"]) == (1, False, None)


def test_what_is_gone_or_altered_is_not_replayed(client: TestClient, tmp_path: Path) -> None:
    verdict = post(client, PICTURE)[1]["id"]
    client.post("/products/plate/versions/2/activate")
    versions = tmp_path / "store/products/plate/versions"
    shutil.rmtree(versions / "1")
    assert (replay(client, verdict)[0], replay(client, verdict)[1]["code"]) == (410, "replay.version_gone")
    Registry(tmp_path / "other").publish(make_draft(seed=9), activate=False)
    shutil.copytree(tmp_path / "other/products/plate/versions/1", versions / "1")
    assert (replay(client, verdict)[0], replay(client, verdict)[1]["code"]) == (409, "replay.version_altered")
    shutil.rmtree(tmp_path / "data/pictures")
    assert (replay(client, verdict)[0], replay(client, verdict)[1]["code"]) == (410, "image.expired")
