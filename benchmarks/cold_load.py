"""What the others notice when a product is loaded that was not in memory.

In: a store. Out: p50 and p99 of the other products in open loop, without and with loads of one more, and how long
a load took. A product is loaded again and again: its next version is a copy that no worker has seen. Exit code 1
where p99 rises by 25 % or more.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path

import httpx
from report import Row, publish
from service import Service, add_arguments, pictures_of, serving
from traffic import Shot, Summary, open_loop, summarise

from model_store.manifest import MANIFEST
from model_store.registry import Registry

MOST_SLOWER = 1.25


def main() -> None:
    """The same traffic twice, beside loads the second time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--rate", type=float, default=3, help="parts a second of the others together")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--loads", type=int, default=5)
    options = parser.parse_args()
    products = Registry(options.store).products()
    pictures = {product: pictures_of(options.store, product, options.pictures) for product in products}

    def shots() -> list[Shot]:
        made = []
        for number in range(int(options.rate * options.seconds)):
            product = products[number % len(products)]
            data, kind = pictures[product][number % len(pictures[product])]
            made.append(Shot(at=number / options.rate, product=product, picture=data, kind=kind))
        return made

    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder, "store")
        shutil.copytree(options.store, store)
        with serving(store) as service:
            cold = _copies(store, products[0], options.loads)
            open_loop(service, shots()[: 2 * len(products)])
            quiet = summarise(open_loop(service, shots()), options.seconds)
            took: list[float] = []
            beside: list[Awaitable[object]] = [_load(service, products[0], cold, options.seconds, took)]
            busy = summarise(open_loop(service, shots(), beside), options.seconds)
    change = 100 * (busy.p99 / quiet.p99 - 1)
    note = f"{len(took)} loads, {max(took):.2f} s at most; p99 {change:+.1f} %."
    publish(options.out, "cold_load", [_row("no load", quiet), _row("beside loads", busy)], note=note)
    sys.exit(busy.p99 >= MOST_SLOWER * quiet.p99 or busy.lost > 0)


def _copies(store: Path, product: str, count: int) -> list[int]:
    """Versions that are not active, each with a digest of its own."""
    source = Registry(store).resolve(product)
    versions = range(source.version + 1, source.version + 1 + count)
    for version in versions:
        folder = source.path.with_name(str(version))
        shutil.copytree(source.path, folder)
        manifest = json.loads((folder / MANIFEST).read_text())
        (folder / MANIFEST).write_text(json.dumps(manifest | {"version": version}))
    return list(versions)


async def _load(service: Service, product: str, versions: list[int], seconds: float, took: list[float]) -> None:
    async with httpx.AsyncClient(base_url=service.address, timeout=60) as client:
        for version in versions:
            started = time.monotonic()
            (await client.post(f"/products/{product}/prepare", json={"version": version})).raise_for_status()
            state = {"state": "loading"}
            while state["state"] == "loading":
                await asyncio.sleep(0.1)
                state = (await client.get(f"/products/{product}/prepare")).json()
            if state["state"] != "ready":
                sys.exit(f"the load failed: {state['reason']}")
            took.append(state["elapsed_s"])
            await asyncio.sleep(max(0.0, seconds / len(versions) - (time.monotonic() - started)))


def _row(what: str, total: Summary) -> Row:
    return {
        "what": what,
        "parts": total.offered,
        "served /s": round(total.served_rate, 2),
        "p50 ms": total.p50,
        "p95 ms": total.p95,
        "p99 ms": total.p99,
        "lost": total.lost,
    }


if __name__ == "__main__":
    main()
