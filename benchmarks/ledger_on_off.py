"""What of the service's rate the durable ledger costs: the same load on a service with it, and on one without.

In: a store, a product, clients that post one part after the other. Out: a row a run (with, without, without, with: what
the machine does meanwhile hits both), the share, and exit code 1 where it is under the aim, 95 %. SQLite with its
defaults: WAL, synchronous=FULL.
"""

import argparse
import sys
from pathlib import Path

from report import Row, publish
from service import REAL, add_arguments, pictures_of, serving
from traffic import Outcome, closed_loop, in_turn, summarise

WITHOUT = (str(Path(__file__).with_name("without_ledger.py")),)
TURNS = ("with", "without", "without", "with")
WARM_UP_S = 3.0
AIM = 0.95


def main() -> None:
    """Turn by turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--product", default="solar-mono")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=20, help="of each run")
    options = parser.parse_args()
    rows = [_row(what, _run(what, options)) for what in TURNS]
    share = _mean(rows, "with") / _mean(rows, "without")
    publish(
        options.out, "ledger_on_off", rows, note=f"Product {options.product}. With the ledger: {share:.1%} of without."
    )
    sys.exit(share < AIM)


def _run(what: str, options: argparse.Namespace) -> list[Outcome]:
    pictures = pictures_of(options.store, options.product, options.pictures)
    make = in_turn(options.product, pictures)
    with serving(options.store, program=REAL if what == "with" else WITHOUT) as service:
        closed_loop(service, options.clients, WARM_UP_S, make)
        return closed_loop(service, options.clients, options.seconds, make)


def _row(what: str, outcomes: list[Outcome]) -> Row:
    total = summarise(outcomes)
    return {
        "ledger": what,
        "parts /s": round(total.served_rate, 2),
        "p50 ms": total.p50,
        "p99 ms": total.p99,
        "lost or refused": total.offered - total.served,
    }


def _mean(rows: list[Row], what: str) -> float:
    rates = [float(str(row["parts /s"])) for row in rows if row["ledger"] == what]
    return sum(rates) / len(rates)


if __name__ == "__main__":
    main()
