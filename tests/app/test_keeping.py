"""The life of a picture over HTTP: kept by policy, given again, on hold, gone, lost."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.folder import Folder
from app.keeping import Keeping, heatmap_name
from app.pictures import Retention, name_of
from model_store.registry import Registry
from tests.app.fake_detector import load_fake
from tests.app.service import post, serving
from tests.attacks.pictures import encoded
from tests.model_store.drafts import make_draft

STUCK_S = 0.6
WHO = {"who": "auditor", "why": "claim 17"}
LEVELS = {"ng_above": 100, "review_above": 50, "who": "test", "why": "a score is a grey level"}


def plain(level: int) -> bytes:
    return encoded(np.full((32, 32, 3), level, np.uint8), "png")


@contextmanager
def served(folder: Path, **settings: Any) -> Iterator[TestClient]:
    """Levels above 100 are ng, above 50 review."""
    Registry(folder / "store").publish(make_draft(), activate=True)
    with serving(folder, load_fake, **settings) as client:
        assert client.put("/products/plate/thresholds", json=LEVELS).status_code == 200
        yield client


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with served(tmp_path_factory.mktemp("keeping"), keep_heatmaps="ng+review") as client:
        yield client


def keeping_of(client: TestClient) -> Keeping:
    keeping: Keeping = client.app.state.keeping  # type: ignore[attr-defined]
    return keeping


def expire(client: TestClient) -> None:
    """Sweep as if all of it were too old."""
    keeping = keeping_of(client)
    for shelf in (keeping.pictures, keeping.heatmaps, keeping.errors):
        before, shelf.store.retention = shelf.store.retention, Retention(max_age_s=-1)
        assert client.portal is not None
        client.portal.call(keeping.sweep, shelf)
        shelf.store.retention = before


def fetched(client: TestClient, url: str) -> tuple[int, Any]:
    answer = client.get(url)
    return answer.status_code, answer.content if answer.status_code == 200 else answer.json()["code"]


def test_the_picture_of_an_ng_part_is_given_again_byte_for_byte(client: TestClient) -> None:
    answer = post(client, plain(120))[1]
    assert (answer["picture"]["url"], answer["picture"]["lost"]) == (f"/verdicts/{answer['id']}/image", False)
    image = client.get(answer["picture"]["url"])
    assert (image.content, image.headers["content-type"]) == (plain(120), "image/png")
    assert image.headers["x-content-type-options"] == "nosniff"
    assert client.get(f"/verdicts/{answer['id']}").json()["picture"] == answer["picture"]


def test_of_an_ok_part_the_policy_wants_neither_picture_nor_heatmap(client: TestClient) -> None:
    answer = post(client, plain(9))[1]
    assert (answer["picture"]["url"], answer["heatmap"]["url"], answer["heatmap"]["kept"]) == (None, None, False)
    assert answer["heatmap"]["data"]
    assert fetched(client, f"/verdicts/{answer['id']}/image") == (404, "image.none")
    assert fetched(client, f"/verdicts/{answer['id']}/heatmap") == (404, "heatmap.not_kept")


def test_what_is_neither_shown_nor_kept_is_not_drawn(client: TestClient) -> None:
    assert post(client, plain(9), inline="false")[1]["heatmap"]["data"] is None


def test_a_hold_outlives_retention_and_its_end_does_not(client: TestClient) -> None:
    held, other = (post(client, plain(level))[1]["id"] for level in (130, 131))
    assert client.put(f"/verdicts/{held}/hold", json=WHO).json()["held"] is True
    expire(client)
    assert fetched(client, f"/verdicts/{held}/image") == (200, plain(130))
    assert fetched(client, f"/verdicts/{held}/heatmap")[0] == 200
    assert fetched(client, f"/verdicts/{other}/image") == (410, "image.expired")
    assert client.get("/retention").json()["pictures"]["held_files"] == 1
    assert client.delete(f"/verdicts/{held}/hold", params=WHO | {"why": "settled"}).json()["held"] is False
    expire(client)
    assert fetched(client, f"/verdicts/{held}/image") == (410, "image.expired")
    answer = client.get(f"/verdicts/{held}/hold").json()
    assert (answer["held"], [each["why"] for each in answer["history"]]) == (False, ["claim 17", "settled"])


def test_a_hold_needs_a_verdict_and_says_who_and_why(client: TestClient) -> None:
    verdict_id = post(client, plain(140))[1]["id"]
    assert client.put("/verdicts/none/hold", json=WHO).json()["code"] == "verdict.unknown"
    assert client.put(f"/verdicts/{verdict_id}/hold", json={"who": "auditor"}).json()["code"] == "request.invalid"
    assert client.delete(f"/verdicts/{verdict_id}/hold").json()["code"] == "request.invalid"
    assert client.delete(f"/verdicts/{verdict_id}/hold", params=WHO).json()["code"] == "hold.none"


def test_retention_is_published(client: TestClient) -> None:
    expire(client)
    post(client, plain(150))
    answer = client.get("/retention").json()
    pictures = answer["pictures"]
    assert (pictures["policy"], pictures["max_days"], pictures["max_bytes"]) == ("ng+review", 30, 2 << 30)
    assert (pictures["files"], pictures["bytes"], pictures["trouble"]) == (1, 4096, None)
    assert pictures["place"].endswith("data/pictures")
    assert pictures["oldest"] > "2026"
    assert answer["heatmaps"]["files"] == 1


@pytest.mark.parametrize(("data", "kind"), [(plain(255), "image/png"), (b"no picture", "application/octet-stream")])
def test_the_picture_of_an_error_is_evidence_and_kept_apart(client: TestClient, data: bytes, kind: str) -> None:
    """White ones make the detector raise."""
    verdict_id = post(client, data)[1]["id"]
    picture = client.get(f"/verdicts/{verdict_id}").json()["picture"]
    image = client.get(picture["url"])
    assert (image.content, image.headers["content-type"], picture["lost"]) == (data, kind, False)
    assert client.get("/retention").json()["errors"]["files"] >= 1
    client.put(f"/verdicts/{verdict_id}/hold", json=WHO)
    expire(client)
    assert fetched(client, picture["url"]) == (200, data)


def test_a_flood_of_errors_pushes_out_no_picture_of_a_part_and_a_large_one_is_not_kept(tmp_path: Path) -> None:
    with served(tmp_path, error_bytes=8192, error_picture_bytes=100) as client:
        ng = post(client, plain(120))[1]["picture"]["url"]
        errors = [post(client, b"no picture %d" % number)[1]["id"] for number in range(3)]
        large = post(client, b"x" * 101)[1]["id"]
        keeping = keeping_of(client)
        client.portal.call(keeping.sweep, keeping.errors)  # type: ignore[union-attr]
        assert [fetched(client, f"/verdicts/{name}/image")[0] for name in errors] == [410, 200, 200]
        assert (fetched(client, ng)[0], fetched(client, f"/verdicts/{large}/image")) == (200, (404, "image.none"))


@pytest.mark.parametrize("setting", [{"keep_pictures": "none"}, {"error_bytes": 0}])
def test_where_nothing_is_kept_nothing_of_errors_is_either(tmp_path: Path, setting: dict[str, Any]) -> None:
    with served(tmp_path, **setting) as client:
        verdict_id = post(client, b"no picture")[1]["id"]
        assert fetched(client, f"/verdicts/{verdict_id}/image") == (404, "image.none")
        assert client.get("/retention").json()["errors"]["policy"] == "none"


class Stuck(Folder):
    """As a network share that has gone away."""

    def write(self, name: str, data: bytes) -> int:
        time.sleep(STUCK_S)
        return super().write(name, data)


def test_a_verdict_waits_for_a_stuck_disk_only_so_long_and_the_next_not_at_all(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = keeping_of(client).pictures
    monkeypatch.setattr(shelf, "patience_s", 0.2)
    monkeypatch.setattr(shelf.store, "place", Stuck(tmp_path))
    kept = [post(client, plain(170), heatmap="none")[1] for _ in range(2)]
    shelf.closed_until = 0
    assert [each["picture"]["lost"] for each in kept] == [True, True]
    assert 200 <= kept[0]["timings_ms"]["keep"] < 1000 * STUCK_S
    assert kept[1]["timings_ms"]["keep"] < 200


def test_a_heatmap_of_an_earlier_version_lies_under_its_verdict(client: TestClient) -> None:
    """They had no hash in the record."""
    name = heatmap_name("abcd", {"style": "overlay"})
    store = keeping_of(client).heatmaps.store
    store.place.write(name, b"PNG")
    assert (name, heatmap_name("abcd", {"style": "raw"})) == ("ab/abcd.png", "ab/abcd.raw")
    assert store.load(name) == b"PNG"


def test_a_full_disk_costs_the_picture_and_never_the_verdict_and_recovers(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    blocked = tmp_path / "data/pictures"
    blocked.write_text("no folder")
    with served(tmp_path, keep_pictures="all") as client:
        status, lost = post(client, plain(9))
        assert (status, lost["picture"]["lost"], lost["picture"]["url"]) == (200, True, None)
        assert fetched(client, f"/verdicts/{lost['id']}/image") == (404, "image.lost")
        assert "inspect_pictures_lost_total 1.0" in client.get("/metrics").text
        assert "cannot be kept" in client.get("/retention").json()["pictures"]["trouble"]
        blocked.unlink()
        answer = post(client, plain(9))[1]
        assert fetched(client, answer["picture"]["url"]) == (200, plain(9))
        assert client.get("/retention").json()["pictures"]["trouble"] is None
        (tmp_path / "data/pictures" / name_of(answer["picture"]["sha256"])).write_bytes(b"altered")
        assert fetched(client, answer["picture"]["url"]) == (410, "image.damaged")
