"""The record over HTTP: verdicts and errors, repeated requests, re-inspections, answers that come later."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from httpx import Response
from sqlalchemy import text

from app.errors import HungUp, Refused
from app.ledger.database import ledger_url, open_engine, writing
from app.part import Part
from app.submission import Submission
from model_store.registry import Registry
from tests.app.fake_detector import load_fake, load_slow
from tests.app.service import serving
from tests.attacks.pictures import encoded
from tests.model_store.drafts import make_draft

Client = TestClient


def plain(level: int) -> bytes:
    return encoded(np.full((32, 32, 3), level, np.uint8), "png")


def post(client: Client, level: int = 9, *, data: bytes | None = None, headers: Any = None, **query: str) -> Response:
    return client.post(
        "/inspect",
        params={"product": "plate", "heatmap": "none", **query},
        content=plain(level) if data is None else data,
        headers={"Content-Type": "image/png", **(headers or {})},
    )


def key(word: str) -> dict[str, str]:
    return {"Idempotency-Key": word}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("records")
    Registry(folder / "store").publish(make_draft(), activate=True)
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[Client]:
    with serving(folder, load_fake, product_fail_safe={"plate": "review"}, max_body_bytes=1 << 20) as client:
        yield client


@pytest.fixture(scope="module")
def slow(folder: Path) -> Iterator[Client]:
    """Its detector takes its time, so that a second request comes while the first is inspected."""
    with serving(folder, load_slow) as client:
        yield client


def batches(client: Client) -> float:
    """Pictures that were scored and recorded so far."""
    counted = client.get("/metrics").text
    return sum(float(line.split()[-1]) for line in counted.splitlines() if line.startswith("inspect_verdicts_total{"))


def test_a_verdict_has_everything_that_an_auditor_asks_for(client: Client) -> None:
    answer = post(client, 40, part_id="C-1", station="EL-1", job="LOT-7", captured_at="2026-11-24T08:15:02Z").json()
    assert answer["job"] == "LOT-7"
    assert (answer["picture"]["width"], answer["picture"]["health"]["contrast"]) == (32, 0)
    assert answer["picture"]["health"]["mean"] == pytest.approx(40 / 255)
    assert len(answer["picture"]["sha256"]) == len(answer["model"]["spec_digest"]) == 64
    assert answer["captured_at"] < answer["received_at"] <= answer["queued_at"] <= answer["decided_at"]
    assert (answer["device"], answer["precision"], answer["software"]) == ("cpu", "float32", "0.1.0")
    assert (answer["counts_as"], answer["code"], answer["simulated"]) == (answer["verdict"], None, False)
    kept = client.get(f"/verdicts/{answer['id']}").json()
    assert kept == answer | {"timings_ms": kept["timings_ms"]}


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ({"data": b"no picture"}, "picture.unsupported_format"),
        ({"level": 255}, "inspection.failed"),
        ({"headers": {"X-Deadline-Ms": "1"}}, "inspection.deadline_missed"),
        ({"headers": {"Content-Type": "text/plain"}}, "request.unsupported_media_type"),
        ({"data": b"x" * (2 << 20)}, "request.too_large"),
    ],
)
def test_an_error_is_a_record_too_and_counts_as_the_product_says(client: Client, sent: Any, code: str) -> None:
    problem = post(client, part_id="E-1", **sent).json()
    assert (problem["code"], problem["verdict"], problem["counts_as"], problem["recorded"]) == (
        code,
        "error",
        "review",
        True,
    )
    kept = client.get(f"/verdicts/{problem['id']}").json()
    assert (kept["verdict"], kept["code"], kept["counts_as"], kept["part_id"]) == ("error", code, "review", "E-1")
    assert (kept["score"], kept["thresholds"], kept["model"]) == (None, None, None)


def test_a_product_that_is_none_leaves_no_record(client: Client) -> None:
    head = post(client).json()["seq"]
    problem = post(client, product="made-up").json()
    assert problem["code"] == "product.unknown"
    assert "id" not in problem
    assert post(client).json()["seq"] == head + 1


def test_a_repeated_request_gets_the_verdict_that_was_given_and_no_inference(client: Client) -> None:
    first = post(client, 12, headers=key("k-1"), heatmap="png")
    before = batches(client)
    again = post(client, 12, headers=key('"k-1"'), heatmap="png")
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert again.json()["id"] == first.json()["id"]
    assert again.json()["heatmap"]["data"] == first.json()["heatmap"]["data"]
    assert batches(client) == before


def test_a_key_of_another_picture_is_refused_with_both_digests(client: Client) -> None:
    first = post(client, 13, headers=key("k-2")).json()
    problem = post(client, 14, headers=key("k-2"))
    assert (problem.status_code, problem.json()["code"]) == (409, "request.key_taken")
    assert problem.json()["stored_sha256"] == first["picture"]["sha256"] != problem.json()["sent_sha256"]


def test_duplicates_in_flight_are_one_inference(slow: Client) -> None:
    before = batches(slow)
    with ThreadPoolExecutor(5) as senders:
        answers = list(senders.map(lambda _: post(slow, 15, headers=key("k-3")).json()["id"], range(5)))
    assert len(set(answers)) == 1
    assert batches(slow) == before + 1


def test_an_error_takes_no_key(client: Client) -> None:
    missed = post(client, 16, headers=key("k-4") | {"X-Deadline-Ms": "1"})
    assert missed.status_code == 504
    assert post(client, 16, headers=key("k-4")).status_code == 200


@pytest.mark.parametrize("word", ["", "a b", "x" * 201, "é".encode()])
def test_a_key_that_is_none_is_refused(client: Client, word: Any) -> None:
    assert post(client, headers={"Idempotency-Key": word}).json()["code"] == "request.invalid"


def test_a_part_is_reinspected_only_where_that_is_meant(client: Client) -> None:
    first = post(client, 17, part_id="C-2", station="A").json()
    second = post(client, 0, part_id="C-2", station="A", reinspect="true").json()
    assert (second["revision"], second["supersedes"]) == (2, first["id"])
    part = client.get("/parts/C-2").json()
    assert [(each["station"], each["revision"]) for each in part["stations"]] == [("A", 2)]
    assert part["counts_as"] == second["counts_as"]
    assert client.get("/parts/none").json()["code"] == "part.unknown"


def test_a_name_that_no_database_takes_is_refused(client: Client) -> None:
    problem = post(client, part_id="C\0").json()
    assert (problem["code"], "verdict" in problem) == ("request.invalid", False)


def test_an_answer_may_come_later(slow: Client) -> None:
    taken = post(slow, 18, part_id="C-3", headers={"Prefer": "respond-async"})
    assert (taken.status_code, taken.json()["verdict"]) == (202, "pending")
    place = taken.headers["location"]
    assert slow.get(place).json()["verdict"] == "pending"
    verdict = settled(slow, place)
    assert (verdict["id"], verdict["part_id"]) == (taken.json()["id"], "C-3")


def test_an_error_may_come_later_too(client: Client) -> None:
    taken = post(client, data=b"no picture", headers={"Prefer": "respond-async"})
    assert taken.status_code == 202
    assert settled(client, taken.headers["location"])["code"] == "picture.unsupported_format"


def test_a_part_whose_client_hung_up_is_an_error_and_no_gap_in_what_the_mes_sees(client: Client) -> None:
    state = client.app.state  # type: ignore[attr-defined]
    submission = Submission(part=Part(product="plate", part_id="H-1"), received_at=datetime.now(UTC))

    async def hang_up() -> None:
        raise HungUp("the client hung up before its answer")

    with pytest.raises(Refused):
        client.portal.call(state.refusals.guard, submission, hang_up())  # type: ignore[union-attr]
    (kept,) = client.get("/verdicts?part_id=H-1").json()["verdicts"]
    assert (kept["id"], kept["verdict"], kept["code"]) == (submission.id, "error", "request.hung_up")


def test_nothing_is_promised_for_a_product_that_is_none(client: Client) -> None:
    problem = post(client, product="made-up", headers={"Prefer": "respond-async"})
    assert (problem.status_code, problem.json()["code"]) == (404, "product.unknown")


def test_a_later_answer_of_a_known_key_comes_at_once(slow: Client) -> None:
    later = {"Prefer": "respond-async", **key("k-5")}
    places = {post(slow, 19, headers=later).headers["location"] for _ in range(2)}
    assert len(places) == 1
    settled(slow, places.pop())
    again = post(slow, 19, headers=later)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")


def settled(client: Client, place: str) -> Any:
    end = time.monotonic() + 20
    while (answer := client.get(place).json()).get("verdict", "pending") == "pending":
        assert time.monotonic() < end
        time.sleep(0.02)
    return answer


def test_the_same_picture_of_the_same_part_is_one_request_where_the_setting_says_so(folder: Path) -> None:
    with serving(folder, load_fake, natural_key=True) as client:
        first = post(client, 20, part_id="N-1").json()["id"]
        assert post(client, 20, part_id="N-1").json()["id"] == first
        others = [{"part_id": "N-2"}, {"part_id": "N-1", "station": "B"}, {"part_id": "N-1", "reinspect": "true"}, {}]
        assert first not in [post(client, 20, **query).json()["id"] for query in others]


def test_a_ledger_that_takes_nothing_gives_no_verdict_and_the_service_is_not_ready_until_it_does(
    tmp_path: Path,
) -> None:
    Registry(tmp_path / "store").publish(make_draft(), activate=True)
    engine = open_engine(ledger_url(tmp_path / "data", None))
    with serving(tmp_path, load_fake) as client:
        with writing(engine).begin() as connection:
            connection.execute(text("ALTER TABLE counter RENAME TO away"))
        problem = post(client)
        assert (problem.status_code, problem.json()["code"]) == (503, "ledger.unavailable")
        assert (problem.json()["verdict"], problem.json()["recorded"]) == ("error", False)
        assert post(client, data=b"no picture").json()["recorded"] is False
        assert "the ledger did not" in client.get("/readyz").json()["detail"]
        assert "inspect_errors_unrecorded_total 2.0" in client.get("/metrics").text
        with writing(engine).begin() as connection:
            connection.execute(text("ALTER TABLE away RENAME TO counter"))
        assert client.get("/readyz").status_code == 200
        assert post(client).json()["seq"] == 1
    engine.dispose()
