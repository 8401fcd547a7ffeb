"""SIGKILL of the whole service, again and again, while clients post and one polls.

In: how the service is started, and how often it is killed. Out: what clients were told, what the poller saw, what the
ledger holds. A client goes on with the same idempotency key until it is told 200, as a line would.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from tests.attacks.pictures import encoded
from tests.e2e.process import free_port, wait_until_ready

ROOT = Path(__file__).parents[2]
CLIENTS = 6
AGAIN_S = 0.05


@dataclass
class Told:
    """By the service, over all of its lives."""

    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Part → the verdict of its 200."""
    polled: list[dict[str, Any]] = field(default_factory=list)


class Line:
    """Clients and a poller beside a service that is killed."""

    def __init__(self, folder: Path, ledger_url: str | None) -> None:
        self._port = free_port()
        self.address = f"http://127.0.0.1:{self._port}"
        names = {"PORT": str(self._port), "MODEL_STORE": str(folder / "store"), "DATA": str(folder / "data")}
        names |= {"DEVICES": "cpu", "LOG_LEVEL": "error"} | ({} if ledger_url is None else {"LEDGER_URL": ledger_url})
        settings = {f"INSPECT_{name}": value for name, value in names.items()}
        self._environment = os.environ | settings | {"PYTHONPATH": str(ROOT)}
        self._stop = threading.Event()
        self._service: subprocess.Popen[bytes] | None = None
        self.told = Told()

    def start(self) -> None:
        """The service, in a process group of its own."""
        program = [sys.executable, str(ROOT / "tests/e2e/fake_service.py")]
        self._service = subprocess.Popen(program, env=self._environment, cwd=ROOT, start_new_session=True)
        wait_until_ready(self.address)

    def kill(self) -> None:
        """SIGKILL of the service and its workers."""
        if self._service is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._service.pid, signal.SIGKILL)
            self._service.wait()

    def stop(self) -> float:
        """SIGTERM of the service; the seconds that it took to end."""
        began = time.monotonic()
        if self._service is not None:
            self._service.terminate()
            self._service.wait(60)
        return time.monotonic() - began

    def run(self, kills: int, chance: random.Random) -> list[dict[str, Any]]:
        """Kill it `kills` times at random under load; the whole ledger, in its order, read afterwards."""
        self.start()
        threads = [threading.Thread(target=self._post, args=(client,)) for client in range(CLIENTS)]
        threads.append(threading.Thread(target=self._poll))
        for thread in threads:
            thread.start()
        try:
            for _ in range(kills):
                time.sleep(chance.uniform(0.2, 0.8))
                self.kill()
                self.start()
            time.sleep(0.3)
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()
        with httpx.Client(base_url=self.address) as client:
            return self._all(client)

    def _post(self, client: int) -> None:
        count = 0
        with httpx.Client(base_url=self.address, timeout=10) as session:
            while not self._stop.is_set():
                count += 1
                self._until_told(session, f"{client}-{count}", count % 200)

    def _until_told(self, session: httpx.Client, part: str, level: int) -> None:
        data = encoded(np.full((16, 16, 3), level, np.uint8), "png")
        headers = {"Content-Type": "image/png", "Idempotency-Key": part}
        query = {"product": "plate", "heatmap": "none", "part_id": part}
        while True:
            try:
                answer = session.post("/inspect", params=query, content=data, headers=headers)
            except httpx.TransportError:
                time.sleep(AGAIN_S)
                continue
            if answer.status_code == 200:
                self.told.answers[part] = answer.json()
                return
            time.sleep(AGAIN_S)

    def _poll(self) -> None:
        query: dict[str, Any] = {"wait": 1, "limit": 50}
        with httpx.Client(base_url=self.address, timeout=10) as session:
            while not self._stop.is_set():
                try:
                    page = session.get("/verdicts", params=query)
                except httpx.TransportError:
                    time.sleep(AGAIN_S)
                    continue
                if page.status_code == 200:
                    self.told.polled += page.json()["verdicts"]
                    query["after"] = page.json()["cursor"]

    def _all(self, client: httpx.Client) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        query: dict[str, Any] = {"limit": 1000}
        while True:
            page = client.get("/verdicts", params=query).json()
            found += page["verdicts"]
            if not page["more"]:
                return found
            query["after"] = page["cursor"]
