"""The API as an integrator reads it: complete, and without a word from another host."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.errors import TABLE
from tests.app.service import serving


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with serving(tmp_path_factory.mktemp("empty"), start_s=0) as client:
        yield client


@pytest.fixture
def operations(client: TestClient) -> dict[str, dict[str, Any]]:
    paths = client.get("/openapi.json").json()["paths"]
    return {f"{method} {path}": found for path, methods in paths.items() for method, found in methods.items()}


def test_the_page_names_no_other_host_and_its_files_are_here(client: TestClient) -> None:
    page = client.get("/docs").text
    assert not re.findall(r"//[\w.-]+\.\w+", page)
    files = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(files) == 3
    for file in [*files, "openapi.json"]:
        assert client.get(f"/{file}").status_code == 200


def test_the_page_that_would_need_a_cdn_is_gone(client: TestClient) -> None:
    assert client.get("/redoc").status_code == 404


def test_every_operation_is_described_and_documents_our_problems_only(operations: dict[str, dict[str, Any]]) -> None:
    for name, operation in operations.items():
        assert len(operation["description"]) > 10, name
        assert operation["responses"].keys() & {"200", "201", "202"}, name
        assert "500" in operation["responses"], name
        for status, answer in operation["responses"].items():
            assert int(status) < 400 or set(answer["content"]) == {"application/problem+json"}, name


def test_every_code_is_documented_with_a_meaning_and_an_example(operations: dict[str, dict[str, Any]]) -> None:
    answers = [answer for operation in operations.values() for answer in operation["responses"].values()]
    examples: dict[str, Any] = {}
    for answer in answers:
        examples |= answer.get("content", {}).get("application/problem+json", {}).get("examples", {})
    assert set(examples) == {code for _, code in TABLE.values()} | {"service.fault"}
    assert all(len(example["value"]["detail"]) > 15 for example in examples.values())


def test_both_ways_to_post_a_picture_are_there_with_every_field(operations: dict[str, dict[str, Any]]) -> None:
    inspect = operations["post /inspect"]
    kinds = inspect["requestBody"]["content"]
    assert {"image/jpeg", "image/png", "application/octet-stream", "multipart/form-data"} <= set(kinds)
    query = {field["name"] for field in inspect["parameters"] if field["in"] == "query"}
    assert query | {"image"} == set(kinds["multipart/form-data"]["schema"]["properties"])
    assert "product" in query
