"""What every answer has, whatever was asked: an id, a count, problem+json where it is an error."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.arrival import choose_id
from tests.app.service import serving

PNG = {"Content-Type": "image/png"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with serving(tmp_path_factory.mktemp("empty"), start_s=0) as client:
        yield client


@pytest.mark.parametrize("path", ["/livez", "/nowhere", "/verdicts/none", "/readyz"])
def test_every_answer_carries_the_id_that_its_request_had(client: TestClient, path: str) -> None:
    answer = client.get(path, headers={"X-Request-Id": "line-3.part_42"})
    assert answer.headers["x-request-id"] == "line-3.part_42"
    if answer.status_code != 200:
        assert answer.json()["request_id"] == "line-3.part_42"


def test_a_request_without_an_id_gets_one_of_its_own(client: TestClient) -> None:
    first, second = (client.get("/livez").headers["x-request-id"] for _ in range(2))
    assert re.fullmatch("[0-9a-f]{32}", first)
    assert first != second


@pytest.mark.parametrize("given", ["", "a" * 129, "a b", "<script>", "a\nSet-Cookie: x=1", "é", "a\n"])
def test_an_id_that_cannot_stand_in_a_log_is_replaced(given: str) -> None:
    assert re.fullmatch("[0-9a-f]{32}", choose_id(given))


def test_an_unacceptable_id_is_echoed_nowhere(client: TestClient) -> None:
    answer = client.get("/nowhere", headers={"X-Request-Id": "<b>wrong</b>"})
    assert "wrong" not in answer.text
    assert answer.headers["x-request-id"] == answer.json()["request_id"]


def test_the_log_line_of_an_error_has_the_id_and_stays_one_line(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "app.errors"):
        client.get("/no%0awhere", headers={"X-Request-Id": "abc"})
    (line,) = [record.getMessage() for record in caplog.records if record.name == "app.errors"]
    assert line.startswith("request abc: GET '/no\\nwhere': 404 route.unknown")
    assert "\n" not in line


def test_a_fault_of_ours_has_the_id_too_and_tells_nothing(tmp_path: Path) -> None:
    with serving(tmp_path, start_s=0) as client:
        client.app.state.inspection = None  # type: ignore[attr-defined]
        answer = client.post("/inspect?product=x", content=b"x", headers={"X-Request-Id": "abc", **PNG})
        assert (answer.status_code, answer.json()["detail"]) == (500, "a fault of ours")
        assert answer.headers["x-request-id"] == answer.json()["request_id"] == "abc"
        assert 'route="/inspect",status="500"' in client.get("/metrics").text


@pytest.mark.parametrize("method", ["HEAD", "GET", "PUT", "DELETE"])
def test_a_method_that_a_route_does_not_know_is_told_which_it_does(client: TestClient, method: str) -> None:
    answer = client.request(method, "/inspect")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.headers["content-type"] == "application/problem+json"
    assert method == "HEAD" or answer.json()["code"] == "method.not_allowed"


def test_who_is_told_to_come_again_is_told_when(client: TestClient) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "service.not_ready")
    assert int(answer.headers["retry-after"]) >= 1


def test_a_verdict_that_is_not_there_has_its_code(client: TestClient) -> None:
    for path in ("/verdicts/none", "/verdicts/none/heatmap"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "verdict.unknown")
