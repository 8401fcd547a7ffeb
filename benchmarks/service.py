"""The service under test: one of our own, started on a free port and stopped at the end, or one that runs already.

In: a store (--store), or an address and a key (--url, --key). Out: `Service`, and the pictures to post. Refuses: a
service whose products do not come up.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from model_store.registry import Registry

START_S = 120
REAL = ("-m", "app")
DISK = Path("var")  # for ledger and pictures; /tmp may be memory
KINDS = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".bmp": "image/bmp", ".tif": "image/tiff"}


@dataclass(frozen=True)
class Service:
    """Where it listens, the key for it, and its process where it is ours."""

    address: str
    pid: int | None = None
    key: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What each request carries."""
        return {} if self.key is None else {"Authorization": f"Bearer {self.key}"}

    def get(self, path: str) -> Any:
        """JSON of a GET."""
        return httpx.get(f"{self.address}{path}", headers=self.headers, timeout=60).raise_for_status().json()

    def workers(self) -> list[int]:
        """Process ids of the workers that are alive."""
        return [worker["pid"] for worker in self.get("/status")["workers"] if worker["pid"] is not None]

    def batches(self) -> Counter[int]:
        """Pictures in a batch → how often, of all workers since they were first started."""
        counts: Counter[int] = Counter()
        for worker in self.get("/status")["workers"]:
            counts.update({int(size): count for size, count in worker["batches"].items()})
        return counts

    def memory(self) -> int:
        """Bytes of the service and its workers (PSS: shared pages count once); only of a service of this machine."""
        files = [Path(f"/proc/{pid}/smaps_rollup") for pid in (self.pid, *self.workers()) if pid is not None]
        lines = [line.split() for file in files for line in file.read_text().splitlines()]
        return sum(int(line[1]) << 10 for line in lines if line[0] == "Pss:")


@contextmanager
def serving(store: Path, *, program: Sequence[str] = REAL, **settings: object) -> Iterator[Service]:
    """Every product of `store` loaded and proved; `settings` are INSPECT_*; the ledger is thrown away afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    DISK.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=DISK) as ledger:
        values = {"port": port, "model_store": store, "data": ledger, "log_level": "error", **settings}
        environment = {**os.environ, **{f"INSPECT_{name.upper()}": str(value) for name, value in values.items()}}
        process = subprocess.Popen([sys.executable, *program], env=environment)
        try:
            service = Service(f"http://127.0.0.1:{port}", process.pid)
            _wait(service, len(Registry(store).products()))
            yield service
        finally:
            process.terminate()
            process.wait(60)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What every benchmark takes."""
    parser.add_argument("--store", type=Path, default=Path("var/models"), help="products of a service that is started")
    parser.add_argument("--pictures", type=Path, help="folder with one folder of pictures a product; else golden ones")
    parser.add_argument("--out", type=Path, default=Path("var/benchmarks"), help="where the figures are written")


def pictures_of(store: Path, product: str, folder: Path | None, most: int = 64) -> list[tuple[bytes, str]]:
    """(bytes, media type) of pictures: of `<folder>/<product>`, else those that the active version was proved with."""
    root = Registry(store).resolve(product).path / "golden" if folder is None else folder / product
    files = [file for file in sorted(root.rglob("*")) if file.suffix.lower() in KINDS]
    if not files:
        sys.exit(f"no pictures in {root}")
    return [(file.read_bytes(), KINDS[file.suffix.lower()]) for file in _spread(files, most)]


def _spread(files: Sequence[Path], most: int) -> Sequence[Path]:
    return files[:: max(1, len(files) // most)][:most]


def _wait(service: Service, products: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            if sum(item["state"] == "serving" for item in service.get("/products")) == products:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.02)
    sys.exit("the products did not come up")
