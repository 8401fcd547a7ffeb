"""A service of its own for a benchmark: started on a free port with every product of a store, stopped at the end."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from model_store.registry import Registry

START_S = 120


@dataclass(frozen=True)
class Service:
    """Where it listens, and its process."""

    address: str
    pid: int


@contextmanager
def serving(store: Path) -> Iterator[Service]:
    """Every product of `store` loaded and proved; the ledger is thrown away afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as ledger:
        settings = {"PORT": str(port), "MODEL_STORE": str(store), "DATA": ledger, "LOG_LEVEL": "error"}
        environment = {**os.environ, **{f"INSPECT_{name}": value for name, value in settings.items()}}
        process = subprocess.Popen([sys.executable, "-m", "app"], env=environment)
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(address, len(Registry(store).products()))
            yield Service(address, process.pid)
        finally:
            process.terminate()
            process.wait(60)


def _wait(address: str, products: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            if sum(item["state"] == "serving" for item in httpx.get(f"{address}/products").json()) == products:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    sys.exit("the products did not come up")
