"""A real Prometheus (Debian's package) with our rules, on a free port, looking at one service five times a second."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.e2e.process import free_port

ROOT = Path(__file__).parents[2]
LONGEST_S = 60
NOTHING_YET: dict[str, list[Any]] = {"result": [], "alerts": []}


@contextmanager
def watching(folder: Path, address: str) -> Iterator[Callable[[str, dict[str, str]], Any]]:
    """Its API: (path under /api/v1, parameters) → data, NOTHING_YET while it starts.

    The scrape configuration is ours, but for time and target, which need not be there yet.
    """
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not here (make services)")
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "200ms", "evaluation_interval": "200ms"}
    config["rule_files"] = [str(ROOT / "deploy/prometheus/alerts.yml")]
    config["scrape_configs"][0]["static_configs"] = [{"targets": [address.removeprefix("http://")]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    here = f"127.0.0.1:{free_port()}"
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb"]
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen([*command, f"--web.listen-address={here}"], stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://{here}/api/v1") as client:
            yield lambda path, parameters: _ask(client, path, parameters)
    finally:
        process.kill()
        process.wait()


def until(condition: Callable[[], Any]) -> Any:
    """What `condition` gives once it is true of it."""
    end = time.monotonic() + LONGEST_S
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def _ask(client: httpx.Client, path: str, parameters: dict[str, str]) -> Any:
    try:
        answer = client.get(path, params=parameters)
    except httpx.TransportError:
        return NOTHING_YET
    if answer.status_code == 503:  # in plain text, while it starts
        return NOTHING_YET
    return answer.raise_for_status().json()["data"]
