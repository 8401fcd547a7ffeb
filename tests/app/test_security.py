"""Who may pass: keys, scopes and rates over HTTP, and what is told to those who may not."""

import logging
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from starlette.routing import Mount

from app.keys import SCOPES, add_key
from app.main import create_app
from app.security import MAY_BE_OPEN, ROUTES, find_rule, parse_open_routes
from app.settings import Settings
from tests.app.fake_detector import load_fake
from tests.app.service import serving

PNG = {"Content-Type": "image/png"}
PATHS = {
    route: re.sub(r"{version}", "1", re.sub(r"{\w+(:path)?}", "plate", route.partition(" ")[2])) for route in ROUTES
}
CLOSED = [route for route, scope in ROUTES.items() if scope is not None and route != "GET /readyz"]  # open by setting
Keys = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keyed")


@pytest.fixture(scope="module")
def keys(folder: Path) -> Keys:
    """Scope, or `old`, `fast` → the headers of a key that has it."""
    file = folder / "keys.toml"
    made = {scope: add_key(file, f"the-{scope}-key", [scope]) for scope in SCOPES}
    made["old"] = add_key(file, "the-old-key", ["admin"], expires=datetime(2020, 1, 1, tzinfo=UTC))
    made["fast"] = add_key(file, "the-fast-key", ["read"], "2/minute")
    return {name: {"Authorization": f"Bearer {key}"} for name, key in made.items()}


@pytest.fixture(scope="module")
def client(folder: Path, keys: Keys) -> Iterator[TestClient]:
    assert keys
    with serving(folder, load_fake, start_s=0, keys_file=folder / "keys.toml", open_routes="/readyz") as client:
        yield client


def routes_of(app: Any) -> Iterator[str]:
    """Every route as `METHOD /path`, those that no document shows too."""
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, Mount):
            yield f"GET {context.path}/{{path:path}}"
        else:
            yield from (f"{method} {context.path}" for method in context.methods or ())


def test_every_route_of_the_app_has_a_scope_and_no_other_has_one(tmp_path: Path) -> None:
    app = create_app(Settings(model_store=tmp_path, data=tmp_path))
    assert {route.replace("HEAD ", "GET ") for route in routes_of(app)} == set(ROUTES)


def test_only_looking_whether_it_lives_and_the_empty_console_need_nothing_ever() -> None:
    open_to_all = ["GET /livez", "GET /console", "GET /console/assets/{path:path}"]
    assert [route for route, scope in ROUTES.items() if scope is None] == open_to_all
    assert {ROUTES[f"GET {path}"] for path in MAY_BE_OPEN} == {"read"}


@pytest.mark.parametrize("route", ROUTES)
def test_a_path_of_a_route_finds_the_rule_of_that_route(route: str) -> None:
    rule = find_rule(route.partition(" ")[0], PATHS[route])
    assert rule is not None
    assert f"{rule.method} {rule.path}" == route


@pytest.mark.parametrize("route", CLOSED)
def test_without_its_scope_a_route_is_closed_and_with_it_open(client: TestClient, keys: Keys, route: str) -> None:
    method, no_cursor = route.partition(" ")[0], {"Last-Event-ID": "none"}  # a stream that began would never end
    assert client.request(method, PATHS[route]).json()["code"] == "key.missing"
    for scope in SCOPES:
        answer = client.request(method, PATHS[route], headers=keys[scope] | no_cursor)
        if scope in (ROUTES[route], "admin"):
            assert answer.status_code not in (401, 403), scope
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "key.scope_missing")
            assert answer.headers["www-authenticate"].endswith('error="insufficient_scope"')


def test_what_is_open_needs_no_key_and_its_head_is_as_its_body(client: TestClient) -> None:
    for path in ("/livez", "/readyz"):
        head, got = client.head(path), client.get(path)
        assert head.status_code == got.status_code != 401
        assert head.headers["content-type"] == got.headers["content-type"]


@pytest.mark.parametrize("path", ["/nowhere", "/inspect/", "//inspect", "/INSPECT", "/docs/../inspect", "/%2e/status"])
def test_a_path_that_is_no_route_is_closed_to_strangers_too(client: TestClient, keys: Keys, path: str) -> None:
    assert client.get(path).status_code == 401
    assert client.get(path, headers=keys["inspect"]).status_code == 403
    assert client.get(path, headers=keys["admin"]).status_code in (404, 405)


def test_both_headers_carry_a_key_and_two_different_keys_are_none(client: TestClient, keys: Keys) -> None:
    bearer = keys["read"]["Authorization"]
    read, other = bearer.removeprefix("Bearer "), keys["admin"]["Authorization"]
    assert client.get("/products", headers={"X-API-Key": read}).status_code == 200
    assert client.get("/products", headers={"Authorization": bearer.replace("Bearer", "bearer")}).status_code == 200
    assert client.get("/products", headers={"X-API-Key": read, "Authorization": bearer}).status_code == 200
    assert client.get("/products", headers={"X-API-Key": read, "Authorization": other}).status_code == 401


@pytest.mark.parametrize("given", ["Bearer nope", "Bearer ", "Bearer " + "x" * 10_000, "Bearer \xff\x7f"])
def test_a_wrong_key_is_unknown(client: TestClient, given: str) -> None:
    answer = client.get("/products", headers=[(b"authorization", given.encode("latin-1"))])
    assert (answer.status_code, answer.json()["code"]) == (401, "key.unknown")
    assert answer.headers["www-authenticate"] == 'Bearer realm="inspect-line", error="invalid_token"'


@pytest.mark.parametrize("given", ["", "Basic dXNlcjpwYXNz", "Bearerx y"])
def test_another_kind_of_credentials_is_no_key(client: TestClient, given: str) -> None:
    answer = client.get("/products", headers={"Authorization": given})
    assert (answer.status_code, answer.json()["code"]) == (401, "key.missing")
    assert answer.headers["www-authenticate"] == 'Bearer realm="inspect-line"'


def test_an_expired_key_says_so(client: TestClient, keys: Keys) -> None:
    answer = client.get("/products", headers=keys["old"])
    assert (answer.status_code, answer.json()["code"]) == (401, "key.expired")
    assert "the-old-key" in answer.json()["detail"]


def test_a_key_that_asks_too_often_is_told_when_to_come_again_and_others_are_served(
    client: TestClient, keys: Keys
) -> None:
    answers = [client.get("/products", headers=keys["fast"]) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["code"] == "key.rate_limited"
    assert 25 <= int(answers[2].headers["retry-after"]) <= 30
    assert client.get("/products", headers=keys["read"]).status_code == 200


def test_refusals_are_counted_under_their_route_and_their_code(client: TestClient, keys: Keys) -> None:
    client.post("/products/plate/rollback", headers=keys["read"])
    text = client.get("/metrics", headers=keys["read"]).text
    assert 'inspect_requests_total{route="/products/{product}/rollback",status="403"}' in text
    assert 'inspect_errors_total{code="key.scope_missing",product=""}' in text


def test_a_stranger_s_body_is_not_read(client: TestClient) -> None:
    def body() -> Iterator[bytes]:
        raise AssertionError("somebody read it")
        yield b""

    for path in ("/inspect", "/products/plate/prepare"):
        assert client.post(path, content=body(), headers=PNG).status_code == 401


def test_no_key_stands_in_the_log_and_its_name_does(
    client: TestClient, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        for headers in [*keys.values(), {"Authorization": "Bearer a-key-of-somebody-else"}]:
            for method, path in [("GET", "/products"), ("POST", "/products/plate/rollback"), ("POST", "/inspect")]:
                client.request(method, path, headers=headers | PNG)
    lines = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    for headers in keys.values():
        assert headers["Authorization"].removeprefix("Bearer inspect_") not in lines
    assert "a-key-of-somebody-else" not in lines
    assert "of the-inspect-key: POST '/products/plate/rollback': 403 key.scope_missing" in lines
    assert "the-operate-key asks for POST '/products/plate/rollback'" in lines


def test_keys_change_while_the_service_runs_and_a_broken_file_changes_none(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    first = {"X-API-Key": add_key(file, "first", ["read"])}
    with serving(tmp_path, load_fake, start_s=0, keys_file=file) as client:
        (followed,) = client.app.state.followed  # type: ignore[attr-defined]
        second = {"X-API-Key": add_key(file, "second", ["read"])}
        followed.look()
        assert client.get("/status", headers=second).json()["stale"] == {}
        good = file.read_text()
        file.write_text(good + "[[keys")
        followed.look()
        assert "it is no TOML" in client.get("/status", headers=first).json()["stale"]["keys"]
        assert 'inspect_stale_file{file="keys"} 1.0' in client.get("/metrics").text
        file.write_text(good.partition('[[keys]]\nname = "second"')[0])
        followed.look()
        assert client.get("/status", headers=first).json()["stale"] == {}
        assert client.get("/status", headers=second).status_code == 401


def test_a_changed_key_file_is_seen_without_being_told(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    add_key(file, "first", ["read"])
    with serving(tmp_path, load_fake, start_s=0, keys_file=file) as client:
        second = {"X-API-Key": add_key(file, "second", ["read"])}
        end = time.monotonic() + 20
        while client.get("/products", headers=second).status_code != 200:
            assert time.monotonic() < end
            time.sleep(0.05)


def test_the_setting_of_open_routes_is_read_as_it_is_documented() -> None:
    assert parse_open_routes("/readyz, /metrics") == {"/readyz", "/metrics"}
    assert parse_open_routes("none") == frozenset()
    with pytest.raises(ValueError, match="'/inspect' cannot be open"):
        Settings(open_routes="/inspect")


def test_the_document_says_which_scope_each_operation_needs(client: TestClient, keys: Keys) -> None:
    document = client.get("/openapi.json", headers=keys["read"]).json()
    scopes = {route.replace(":path", ""): scope for route, scope in ROUTES.items()}
    assert document["components"]["securitySchemes"].keys() == {"bearer", "key"}
    assert document["paths"]["/inspect"]["post"]["security"] == [{"bearer": []}, {"key": []}]
    assert "security" not in document["paths"]["/livez"]["get"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if path != "/livez":
                assert f"Scope: `{scopes[f'{method.upper()} {path}']}`" in operation["description"]
                assert operation["responses"].keys() >= {"401", "403", "429"}
