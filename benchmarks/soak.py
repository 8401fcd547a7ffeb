"""Hours of parts: does memory grow, does it get slower?

In: a store, --minutes. Out: a row for each sixth of the time; the slope of memory (a line, without the first sixth).
Exit code 1 where memory grows by 1 MB a minute or more, or an answer is lost.
"""

import argparse
import asyncio
import sys
import time

import numpy as np
from report import Row, publish
from service import Service, add_arguments, pictures_of, serving
from traffic import Outcome, Shot, open_loop, summarise

from model_store.registry import Registry

MOST_GROWTH = 1.0  # MB a minute
PARTS = 6


def main() -> None:
    """One open loop over all products, memory beside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=4, help="parts a second")
    options = parser.parse_args()
    seconds = options.minutes * 60
    products = Registry(options.store).products()
    pictures = {product: pictures_of(options.store, product, options.pictures) for product in products}

    def shot(number: int) -> Shot:
        product = products[number % len(products)]
        data, kind = pictures[product][number // len(products) % len(pictures[product])]
        return Shot(at=number / options.rate, product=product, picture=data, kind=kind)

    memory: list[tuple[float, int]] = []
    with serving(options.store) as service:
        shots = [shot(number) for number in range(int(options.rate * seconds))]
        outcomes = open_loop(service, shots, [_watch(service, memory, seconds)])
    points = np.array([(at / 60, size / 1e6) for at, size in memory if at > seconds / PARTS])
    slope = float(np.polyfit(points[:, 0], points[:, 1], 1)[0])
    rows = [_row(number, outcomes, memory, seconds) for number in range(PARTS)]
    total = summarise(outcomes, seconds)
    publish(options.out, "soak", rows, note=f"{options.minutes:g} minutes; memory {slope:+.3f} MB a minute.")
    sys.exit(slope >= MOST_GROWTH or total.lost > 0)


async def _watch(service: Service, memory: list[tuple[float, int]], seconds: float) -> None:
    started = time.monotonic()
    while (now := time.monotonic() - started) < seconds:
        memory.append((now, await asyncio.to_thread(service.memory)))
        await asyncio.sleep(min(5.0, seconds / 60))


def _row(number: int, outcomes: list[Outcome], memory: list[tuple[float, int]], seconds: float) -> Row:
    begin, end = number * seconds / PARTS, (number + 1) * seconds / PARTS
    total = summarise([it for it in outcomes if begin <= it.shot.at < end], seconds / PARTS)
    sizes = [size for at, size in memory if begin <= at < end]
    return {
        "minutes": f"{begin / 60:.1f}-{end / 60:.1f}",
        "served /s": round(total.served_rate, 2),
        "p50 ms": total.p50,
        "p99 ms": total.p99,
        "memory MB": max(sizes, default=0) / 1e6,
        "errors": total.offered - total.served,
    }


if __name__ == "__main__":
    main()
