"""How much of a plain loop's rate the service reaches with 16 clients, and what batching gives: all in one run.

In: a store, a product. Out: a row for the plain loop (batches of 8 and of 1), one for each service: batches on and off,
1 and 16 clients, and with --workers also other numbers of workers and threads. Loop and services take turns, and of
each the better turn counts, since a machine's speed may move by more than what is to be shown.
The aims: 16 clients at 90 % of the plain loop; batches on above off at 16, and no more than 5 % over its p50 at 1.
"""

import argparse
import subprocess
import sys
from collections import Counter
from pathlib import Path

from report import Row, publish
from service import add_arguments, pictures_of, serving
from traffic import closed_loop, in_turn, summarise

PLAIN = Path(__file__).with_name("plain_loop.py")
CLIENTS = (1, 16)
WARM_UP_S = 2.0
BATCHES_ON, BATCHES_OFF = 8, 1
TURNS = 2


def main() -> None:
    """Plain, services, and again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--product", default="solar-mono")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--workers", nargs="*", default=[], help="devices:threads, as cpu,cpu:1")
    options = parser.parse_args()
    settings: list[dict[str, object]] = [{"batch_limit": BATCHES_ON}, {"batch_limit": BATCHES_OFF}]
    for workers in options.workers:
        devices, _, threads = workers.partition(":")
        settings.append({"batch_limit": BATCHES_ON, "devices": devices, "cpu_threads": threads or "0"})
    plain, turns = dict.fromkeys((BATCHES_OFF, BATCHES_ON), 0.0), []
    for _ in range(TURNS):
        plain = {batch: max(rate, _plain(options, batch)) for batch, rate in plain.items()}
        turns.append([row for setting in settings for row in _measure(options, setting)])
    rows = [max(same, key=lambda row: float(str(row["parts /s"]))) for same in zip(*turns, strict=True)]
    best = max(plain.values())
    shares = [{**row, "of plain %": 100 * float(str(row["parts /s"])) / best} for row in rows]
    publish(options.out, "saturation", [*_plain_rows(plain, best), *shares], note=f"Product {options.product}.")


def _plain(options: argparse.Namespace, batch: int) -> float:
    command = [sys.executable, PLAIN, "--store", options.store, "--product", options.product, "--batch", batch]
    command += ["--seconds", options.seconds]
    command += [] if options.pictures is None else ["--pictures", options.pictures]
    return float(subprocess.run([str(it) for it in command], capture_output=True, text=True, check=True).stdout)


def _plain_rows(plain: dict[int, float], best: float) -> list[Row]:
    nothing = {"p50 ms": 1000.0, "p99 ms": 0.0, "mean batch": 0.0}
    return [
        {
            "what": f"plain loop, batches of {batch}",
            "clients": 0,
            "parts /s": round(rate, 2),
            **nothing,
            "p50 ms": 1000 * batch / rate,
            "of plain %": 100 * rate / best,
        }
        for batch, rate in plain.items()
    ]


def _measure(options: argparse.Namespace, setting: dict[str, object]) -> list[Row]:
    pictures = pictures_of(options.store, options.product, options.pictures)
    make = in_turn(options.product, pictures)
    rows: list[Row] = []
    with serving(options.store, **setting) as service:
        for clients in CLIENTS:
            closed_loop(service, clients, WARM_UP_S, make)
            sizes = service.batches()
            outcomes = closed_loop(service, clients, options.seconds, make)
            total = summarise(outcomes)
            rows.append(
                {
                    "what": ", ".join(f"{name} {value}" for name, value in setting.items()),
                    "clients": clients,
                    "parts /s": round(total.served_rate, 2),
                    "p50 ms": total.p50,
                    "p99 ms": total.p99,
                    "mean batch": _mean(service.batches() - sizes),
                }
            )
    return rows


def _mean(sizes: Counter[int]) -> float:
    return sum(size * count for size, count in sizes.items()) / max(1, sizes.total())


if __name__ == "__main__":
    main()
