"""What only a real socket shows: slow and endless heads, too many connections, TLS, and how it starts."""

import asyncio
import gc
import signal
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
import trustme
from fastapi import FastAPI
from typer.testing import CliRunner

from app import connection
from app.cli import cli
from app.keys import add_key
from app.probe import is_alive
from app.server import RefusedStart, Server, check_binding, make_server, serve
from app.settings import Settings
from tests.app.listening import listening, read_all, talk

HOST = b"Host: x\r\n"
EVERYWHERE = "0.0.0.0"  # noqa: S104 -- nothing listens there: that is the test
LIVEZ = b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST /inspect?product=plate HTTP/1.1\r\n" + HOST + b"Content-Type: image/png\r\n"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    limits = {"head_timeout_s": 0.3, "upload_timeout_s": 0.4, "connection_limit": 3, "max_body_bytes": 1 << 20}
    with listening(tmp_path_factory.mktemp("plain"), **limits) as (port, _):
        yield port


def test_a_head_that_comes_drop_by_drop_is_cut(port: int) -> None:
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        for drop in (b"GET /liv", b"ez HTTP/1.1\r\n", b"X-A: b\r\n"):
            line.sendall(drop)
            time.sleep(0.05)
        assert read_all(line) == b""
    assert 0.2 < time.monotonic() - start < 5


def test_a_connection_that_says_nothing_is_cut(port: int) -> None:
    assert talk(port) == b""


def test_a_second_head_on_the_same_connection_has_its_time_too(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(LIVEZ)
        assert b"200 OK" in line.recv(1 << 16)
        time.sleep(0.4)  # longer than a head may take: between two requests uvicorn's keep-alive counts
        line.sendall(LIVEZ)
        assert b"200 OK" in line.recv(1 << 16)
        line.sendall(b"GET /livez")
        start = time.monotonic()
        assert read_all(line) == b""
        assert time.monotonic() - start < 3


def test_a_head_without_an_end_is_cut_before_it_fills_the_memory(port: int) -> None:
    answer = talk(port, b"GET /livez HTTP/1.1\r\nX-Long: ", *[b"x" * (1 << 14)] * 5)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b'"code":"request.head_too_large"' in answer


def test_a_body_that_comes_drop_by_drop_is_answered_408(port: int) -> None:
    answer = talk(port, POST + b"Connection: close\r\nContent-Length: 1000\r\n\r\n", *[b"x"] * 3, pause_s=0.1)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"request.too_slow"' in answer


def test_an_answered_sender_that_goes_on_sending_is_cut(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LINGER_S", 0.3)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        start = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() < start + 8:
                line.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                time.sleep(0.02)
        assert time.monotonic() - start < 4


def test_a_client_that_does_not_read_its_answer_is_cut(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "UNREAD_S", 0.3)
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.settimeout(10)
        line.connect(("127.0.0.1", port))
        asset = b"GET /docs/assets/swagger-ui-bundle.js HTTP/1.1\r\n" + HOST + b"\r\n"
        line.sendall(asset * 8)  # more than the kernel holds for it
        time.sleep(1)
        assert len(read_all(line)) < 8 << 20


def test_more_connections_than_the_limit_are_told_so_and_probes_are_served(port: int) -> None:
    held = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(3)]
    for line in held:
        line.sendall(POST + b"Content-Length: 10\r\n\r\n")
    time.sleep(0.05)
    answer = talk(port, b"GET /products HTTP/1.1\r\n" + HOST + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b'"code":"service.too_many_connections"' in answer
    assert b"retry-after: 1" in answer.lower()
    for path in (b"/livez", b"/metrics", b"/status"):
        assert b"200 OK" in talk(port, b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
    for line in held:
        line.close()


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: \xb2\r\n",
        b"X-A: b\x00c\r\n",
        b"X-A : b\r\n",
    ],
)
def test_a_head_that_two_readers_could_read_in_two_ways_is_refused(port: int, head: bytes) -> None:
    answer = talk(port, POST + head + b"\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"content-type: application/problem+json" in answer
    assert b'"code":"request.malformed"' in answer


class Hall:
    """A throwaway authority, the service's certificate and a camera's, as files."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.cert, self.key, self.ca = folder / "cert.pem", folder / "key.pem", folder / "ca.pem"
        self.camera = folder / "camera.pem"
        self.authority.cert_pem.write_to_path(self.ca)
        self.authority.issue_cert("camera-1").private_key_and_cert_chain_pem.write_to_path(self.camera)
        self.renew()

    def renew(self) -> None:
        made = self.authority.issue_cert("127.0.0.1")
        made.private_key_pem.write_to_path(self.key)
        self.cert.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))

    def trusting(self, *, camera: bool) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca)
        if camera:
            context.load_cert_chain(self.camera)
        return context


def ask(port: int, context: ssl.SSLContext) -> tuple[bytes, bytes]:
    """The answer to GET /livez, and the server's certificate."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as line,
    ):
        line.sendall(LIVEZ)
        answer = line.recv(1 << 16)
        if not answer:
            raise ConnectionError("closed without an answer")  # asyncio sends no alert
        return answer, line.getpeercert(binary_form=True) or b""


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Hall:
    return Hall(tmp_path_factory.mktemp("hall"))


@pytest.fixture(scope="module")
def mutual(tmp_path_factory: pytest.TempPathFactory, hall: Hall) -> Iterator[tuple[int, FastAPI]]:
    tls = {"tls_cert": hall.cert, "tls_key": hall.key, "tls_client_ca": hall.ca}
    with listening(tmp_path_factory.mktemp("tls"), **tls) as found:
        yield found


def test_a_camera_with_a_certificate_is_answered(mutual: tuple[int, FastAPI], hall: Hall) -> None:
    assert b"200 OK" in ask(mutual[0], hall.trusting(camera=True))[0]


def test_without_a_client_certificate_no_request_gets_through(mutual: tuple[int, FastAPI], hall: Hall) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask(mutual[0], hall.trusting(camera=False))


def test_a_certificate_of_another_authority_is_none(mutual: tuple[int, FastAPI], hall: Hall, tmp_path: Path) -> None:
    context = hall.trusting(camera=False)
    context.load_cert_chain(Hall(tmp_path).camera)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask(mutual[0], context)


def test_plain_http_gets_nothing_from_a_service_with_tls(mutual: tuple[int, FastAPI]) -> None:
    assert b"HTTP/1.1" not in talk(mutual[0], LIVEZ)


def test_a_renewed_certificate_is_served_and_one_without_its_key_is_not(
    mutual: tuple[int, FastAPI], hall: Hall
) -> None:
    port, app = mutual
    (followed,) = app.state.followed
    before = ask(port, hall.trusting(camera=True))[1]
    hall.renew()
    followed.look()
    renewed = ask(port, hall.trusting(camera=True))[1]
    assert renewed != before
    hall.key.write_bytes(hall.camera.read_bytes())
    followed.look()
    assert "key values mismatch" in followed.trouble.lower().replace("_", " ")
    assert ask(port, hall.trusting(camera=True))[1] == renewed
    hall.renew()
    followed.look()
    assert followed.trouble is None


def test_the_container_s_probe_knows_a_living_service_whatever_it_asks_for(
    port: int, mutual: tuple[int, FastAPI]
) -> None:
    assert is_alive(port, {})
    assert is_alive(mutual[0], {"INSPECT_TLS_CERT": "x", "INSPECT_TLS_CLIENT_CA": "x"})
    assert not is_alive(mutual[0], {"INSPECT_TLS_CERT": "x"})
    assert not is_alive(mutual[0], {})
    assert not is_alive(port, {"INSPECT_TLS_CERT": "x"})


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "192.168.1.7", "inspect.example"])
def test_open_to_a_network_without_keys_it_does_not_start(host: str, tmp_path: Path) -> None:
    with pytest.raises(RefusedStart, match="INSPECT_KEYS_FILE"):
        check_binding(Settings(host=host))
    check_binding(Settings(host=host, allow_open=True))
    check_binding(Settings(host=host, keys_file=tmp_path / "keys.toml"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_on_loopback_it_needs_no_keys(host: str) -> None:
    check_binding(Settings(host=host))


@pytest.mark.usefixtures("root_logger")
def test_a_start_that_is_refused_is_one_line_and_2(tmp_path: Path) -> None:
    for name, value, says in (
        ("HOST", EVERYWHERE, "INSPECT_HOST=0.0.0.0 is open to the network"),
        ("KEYS_FILE", str(tmp_path / "none"), "INSPECT_KEYS_FILE: "),
        ("OPEN_ROUTES", "/inspect", "INSPECT_OPEN_ROUTES: "),
    ):
        outcome = CliRunner().invoke(cli, [], env={f"INSPECT_{name}": value})
        (line,) = outcome.stderr.splitlines()
        assert (outcome.exit_code, line.startswith(says)) == (2, True)


def test_a_certificate_that_is_wrong_or_half_configured_refuses_the_start(tmp_path: Path, hall: Hall) -> None:
    app = FastAPI()
    app.state.metrics, app.state.followed = None, []
    for wrong in ({"tls_key": hall.key}, {"tls_cert": hall.ca, "tls_key": hall.key}, {"tls_cert": tmp_path / "none"}):
        with pytest.raises(RefusedStart, match="INSPECT_TLS_"):
            make_server(app, Settings(**wrong))


def test_no_collection_looks_again_through_what_is_wired(monkeypatch: pytest.MonkeyPatch) -> None:
    app, frozen = FastAPI(), []
    app.state.metrics, app.state.run = None, SimpleNamespace(stopping=asyncio.Event())
    monkeypatch.setattr(Server, "run", lambda _: frozen.append(gc.get_freeze_count()))
    interval, handler = sys.getswitchinterval(), signal.getsignal(signal.SIGTERM)
    try:
        serve(app, Settings())
    finally:
        gc.unfreeze()
        sys.setswitchinterval(interval)
        signal.signal(signal.SIGTERM, handler)
    assert frozen[0] > 0


def test_keys_go_over_tls(tmp_path: Path, hall: Hall) -> None:
    key = add_key(tmp_path / "keys.toml", "reader", ["read"])
    tls = {"tls_cert": hall.cert, "tls_key": hall.key, "keys_file": tmp_path / "keys.toml"}
    with (
        listening(tmp_path, **tls) as (port, _),
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        closing(hall.trusting(camera=False).wrap_socket(plain, server_hostname="127.0.0.1")) as line,
    ):
        line.sendall(b"GET /products HTTP/1.1\r\n" + HOST + f"X-API-Key: {key}\r\n\r\n".encode())
        assert b"200 OK" in line.recv(1 << 16)
