"""The same detector behind a bare FastAPI handler, LitServe, Ray Serve and BentoML, beside this service, in one run.

In: a store, a product. Needs `pip install -e ".[bench]"`. Out: parts a second and p99 with 1, 8 and 32 clients. Every
server decodes, preprocesses, scores on the same engine and answers JSON, on the same cores, one after the other. The
peers do less: no verdict, no heatmap, no ledger. Exit code 1 where this service is not ahead of all of them.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from report import Row, publish
from service import Service, add_arguments, pictures_of, serving
from traffic import Summary, closed_loop, in_turn, summarise

CLIENTS = (1, 8, 32)
WARM_UP_S, START_S = 3.0, 180.0


def main() -> None:
    """Ours, then each peer, with the same pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--product", default="solar-mono")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--peers", nargs="*", default=["fastapi", "litserve", "ray"])
    options = parser.parse_args()
    with serving(options.store) as service:
        ours = _measure(service, options)
    figures = {"inspect-line": ours}
    for name in options.peers:
        with _hosting(name, options) as service:
            figures[name] = _measure(service, options)
    rows = [_row(name, clients, total) for name, totals in figures.items() for clients, total in totals.items()]
    publish(options.out, "peers", rows, note=f"Product {options.product}; peers answer the score alone.")
    behind = [
        name
        for name, totals in figures.items()
        if any(total.served_rate > ours[clients].served_rate for clients, total in totals.items())
    ]
    sys.exit(bool(behind))


@contextmanager
def _hosting(name: str, options: argparse.Namespace) -> Iterator[Service]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = Path(__file__).with_name(f"peer_{name}.py")
    command = [sys.executable, script, str(options.store), options.product, str(port)]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        service = Service(f"http://127.0.0.1:{port}", process.pid)
        _wait(service, options)
        yield service
    finally:
        process.terminate()
        process.wait(60)
        with suppress(ProcessLookupError):  # LitServe's workers outlive it and would spin beside the next peer
            os.killpg(process.pid, signal.SIGKILL)


def _wait(service: Service, options: argparse.Namespace) -> None:
    data, kind = pictures_of(options.store, options.product, options.pictures)[0]
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            url = f"{service.address}/inspect"
            if httpx.post(url, content=data, headers={"Content-Type": kind}, timeout=60).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    sys.exit("the peer did not come up")


def _measure(service: Service, options: argparse.Namespace) -> dict[int, Summary]:
    pictures = pictures_of(options.store, options.product, options.pictures)
    make = in_turn(options.product, pictures)
    totals = {}
    for clients in CLIENTS:
        closed_loop(service, clients, WARM_UP_S, make)
        totals[clients] = summarise(closed_loop(service, clients, options.seconds, make))
    return totals


def _row(name: str, clients: int, total: Summary) -> Row:
    return {
        "server": name,
        "clients": clients,
        "parts /s": round(total.served_rate, 2),
        "p50 ms": total.p50,
        "p99 ms": total.p99,
        "not served": total.offered - total.served,
    }


if __name__ == "__main__":
    main()
