"""`make demo`: draw a product, train it, serve it, post good and defective parts, show what came back.

In: --once to stop after the table. Out: exit code 0 when at least 9 of 10 defective parts scored above the threshold
and at most 1 good part of 20 was rejected, else 1. Everything goes through the front doors: the command lines and HTTP.
"""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent
WORK = ROOT / "var/demo"
PRODUCT = "demo-plate"
HOST, PORT = "127.0.0.1", int(os.environ.get("INSPECT_PORT", "8080"))
START_S = 120
GOOD, PER_KIND = 20, 4
console = Console()


def main() -> int:
    """Run the whole path."""
    _check_port()
    shutil.rmtree(WORK, ignore_errors=True)
    _training("sample", "--out", str(WORK / "data"))
    _training(
        *("fit", "--product", PRODUCT, "--data", str(WORK / "data"), "--config", "demo"),
        *("--store", str(WORK / "models"), "--runs", str(WORK / "runs")),
    )
    protection = ("INSPECT_KEYS_", "INSPECT_TLS_")  # a line's would keep the demo out
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(protection)},
        "INSPECT_PORT": str(PORT),
        "INSPECT_HOST": HOST,
        "INSPECT_MODEL_STORE": str(WORK / "models"),
        "INSPECT_DATA": str(WORK / "ledger"),
        "INSPECT_LOG_LEVEL": "warning",  # the table, not the requests, is what a person came for
    }
    service = subprocess.Popen([sys.executable, "-m", "app"], cwd=ROOT, env=environment)
    passed = None
    try:
        _wait_until_ready(service)
        passed = _post_parts()
        run = WORK / "runs" / PRODUCT
        console.print(f"\nreport: {run / 'report.html'}   scores: {run / 'scores.json'}", markup=False, soft_wrap=True)
        console.print(f"API: http://{HOST}:{PORT}/docs   metrics: http://{HOST}:{PORT}/metrics", markup=False)
        if "--once" not in sys.argv:
            console.print("serving; stop with Ctrl-C")
            service.wait()
    except KeyboardInterrupt:
        if passed is None:
            return 130
    finally:
        service.terminate()
        service.wait(60)
    return 0 if passed else 1


def _check_port() -> None:
    """Another service on this port would answer in place of ours."""
    with socket.socket() as probe:
        if probe.connect_ex((HOST, PORT)) == 0:
            sys.exit(f"port {PORT} is taken; choose another: INSPECT_PORT=8081 make demo")


def _training(*arguments: str) -> None:
    outcome = subprocess.run([sys.executable, "-m", "training", *arguments], cwd=ROOT, check=False)  # noqa: S603
    if outcome.returncode:
        sys.exit(outcome.returncode)


def _wait_until_ready(service: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and service.poll() is None:
        try:
            if _request("GET", "/readyz")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.3)
    sys.exit(f"the service did not become ready within {START_S} s; its log is above")


def _post_parts() -> bool:
    """Post parts, print the table, and say whether the demo holds what it promises."""
    table = Table("image", "score", "threshold", "verdict", "ms")
    rejected = {True: 0, False: 0}
    files = sorted((WORK / "data/test/good").glob("*.png"))[:GOOD]
    for folder in sorted((WORK / "data/test").iterdir()):
        files += sorted(folder.glob("*.png"))[:PER_KIND] if folder.name != "good" else []
    for file in files:
        address = f"/inspect?product={PRODUCT}&part_id={quote(file.stem)}&inline=false"
        status, answer = _request("POST", address, file.read_bytes())
        if status != 200:
            sys.exit(f"{file}: {answer}")
        threshold = answer["thresholds"]["ng_above"]
        rejected[file.parent.name == "good"] += answer["score"] > threshold
        name, milliseconds = f"{file.parent.name}/{file.name}", f"{answer['timings_ms']['total']:.1f}"
        table.add_row(name, f"{answer['score']:.2f}", f"{threshold:.2f}", answer["verdict"], milliseconds)
    console.print(table)
    defects = len(files) - GOOD
    console.print(
        f"defective parts rejected: {rejected[False]} of {defects}; good parts rejected: {rejected[True]} of {GOOD}"
    )
    return rejected[False] >= 0.9 * defects and rejected[True] <= GOOD / 20


def _request(method: str, address: str, body: bytes | None = None) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection(HOST, PORT, timeout=60)
    connection.request(method, address, body, {"Content-Type": "image/png"})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


if __name__ == "__main__":
    sys.exit(main())
