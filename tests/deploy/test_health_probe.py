"""The command Docker runs to ask whether the service lives, run here against a server that answers as told."""

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


def probe_command() -> list[str]:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    (line,) = [line for line in text.splitlines() if line.startswith("HEALTHCHECK ")]
    command: list[str] = json.loads(line.partition(" CMD ")[2])
    return command


@pytest.fixture
def server_answering() -> Iterator[Callable[[HTTPStatus], int]]:
    """status → the port of a server that gives it for /livez and 404 for all else."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(status: HTTPStatus) -> int:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status if self.path == "/livez" else HTTPStatus.NOT_FOUND)
                self.end_headers()

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return servers[-1].server_port

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def run_probe(port: int, **environment: str) -> int:
    command = [sys.executable, *probe_command()[1:]]
    return subprocess.run(
        command, env={**os.environ, "INSPECT_PORT": str(port), **environment}, capture_output=True, check=False
    ).returncode


def test_compose_asks_what_the_image_asks() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert compose["services"]["inspect"]["healthcheck"]["test"] == ["CMD", *probe_command()]


def test_a_living_service_is_healthy(server_answering: Callable[[HTTPStatus], int]) -> None:
    assert run_probe(server_answering(HTTPStatus.OK)) == 0


def test_a_failing_service_is_not(server_answering: Callable[[HTTPStatus], int]) -> None:
    assert run_probe(server_answering(HTTPStatus.SERVICE_UNAVAILABLE)) != 0


def test_a_port_nobody_listens_on_is_unhealthy() -> None:
    assert run_probe(1) != 0


def test_a_proxy_in_the_environment_is_not_asked(server_answering: Callable[[HTTPStatus], int]) -> None:
    assert run_probe(server_answering(HTTPStatus.OK), http_proxy="http://127.0.0.1:1") == 0
