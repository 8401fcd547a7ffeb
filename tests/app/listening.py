"""The service behind a real socket, in a thread of this process: what only the server does needs one."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from app.main import create_app
from app.server import make_server
from app.settings import Settings
from tests.app.fake_detector import load_fake

START_S = 30


@contextmanager
def listening(folder: Path, **settings: Any) -> Iterator[tuple[int, FastAPI]]:
    """A service without products, its port and its app."""
    values = {"model_store": folder / "store", "data": folder / "data", "devices": "cpu", "port": 0, **settings}
    chosen = Settings(**values)
    app = create_app(chosen, load_fake)
    server = make_server(app, chosen)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        end = time.monotonic() + START_S
        while not server.started:
            assert time.monotonic() < end
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1], app
    finally:
        server.should_exit = True
        thread.join()


def talk(port: int, *pieces: bytes, pause_s: float = 0.0) -> bytes:
    """Send the pieces, then read until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        for piece in pieces:
            line.sendall(piece)
            time.sleep(pause_s)
        return read_all(line)


def read_all(line: socket.socket) -> bytes:
    """Until the other side closes, politely or not."""
    read = b""
    try:
        while more := line.recv(1 << 16):
            read += more
    except ConnectionResetError:
        pass
    return read
