"""The service as its own process, as a line would run it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

START_S = 60
PATH = {"PYTHONPATH": str(Path(__file__).parents[2])}
REAL = ("-m", "app")
FAKE = (str(Path(__file__).with_name("fake_service.py")),)  # where the detector is beside the point: no torch to import


@contextmanager
def started(
    store: Path, data: Path, *, program: Sequence[str] = REAL, **environment: str
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The process and its address, once it is ready; killed in the end where it still runs."""
    port = free_port()
    settings = {"PORT": str(port), "MODEL_STORE": str(store), "DATA": str(data), "LOG_LEVEL": "warning", **environment}
    service = subprocess.Popen(
        [sys.executable, *program],
        env=os.environ | PATH | {f"INSPECT_{name}": it for name, it in settings.items()},
        start_new_session=True,  # a process group of its own, as a supervisor would give it
    )
    try:
        wait_until_ready(f"http://127.0.0.1:{port}")
        yield service, f"http://127.0.0.1:{port}"
    finally:
        service.kill()
        service.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_ready(address: str) -> None:
    deadline = time.monotonic() + START_S
    with httpx.Client() as client:  # one: each reads all certificates
        while time.monotonic() < deadline:
            try:
                if client.get(f"{address}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
    pytest.fail("the service did not become ready")
