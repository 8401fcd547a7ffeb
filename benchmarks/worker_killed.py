"""SIGKILL a worker ten times at random while pictures are posted: is an answer lost, double or of another product?

In: a store (--store); run folders (--runs) of the same products, whose test pictures are posted and whose scores the
service must give again, else the golden pictures. Out: one row per product, the longest time from a kill to the next
verdict. Exit code 1 where an answer is missing, wrong or double, or a score is more than 1e-5 from training's.
"""

import argparse
import json
import math
import os
import random
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from line import recorded_verdicts
from report import Row, publish
from service import KINDS, Service, add_arguments, pictures_of, serving
from traffic import Outcome, Shot, closed_loop, summarise

from model_store.registry import Registry

CLIENTS, TOLERANCE = 8, 1e-5


@dataclass(frozen=True)
class Known:
    """A picture, and the score that training wrote down for it."""

    product: str
    data: bytes
    kind: str
    score: float | None = None


def main() -> None:
    """All products at once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--runs", type=Path, default=Path("var/runs"))
    parser.add_argument("--posts", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=10)
    options = parser.parse_args()
    products = Registry(options.store).products()
    known = [_known(options, product) for product in products]
    parts = [
        known[number % len(known)][number // len(known) % len(known[number % len(known)])]
        for number in range(options.posts)
    ]
    shots = [Shot(at=0.0, product=part.product, picture=part.data, kind=part.kind) for part in parts]
    scores = {shot.part_id: part.score for shot, part in zip(shots, parts, strict=True)}
    outcomes: list[Outcome] = []
    kills: list[float] = []
    with serving(options.store) as service:
        before = recorded_verdicts(service)
        killer = threading.Thread(target=_kill, args=(service, options, outcomes, kills), daemon=True)
        began = time.monotonic()
        killer.start()
        closed_loop(service, CLIENTS, math.inf, lambda number: shots[number], most=len(shots), into=outcomes)
        surplus = recorded_verdicts(service) - before - summarise(outcomes).served
    rows = [_row(product, [it for it in outcomes if it.shot.product == product], scores) for product in products]
    times = [_until_next(outcomes, at - began) for at in kills]
    note = (
        f"{len(kills)} kills; from a kill to the next verdict {max(times, default=0.0):.2f} s at most. "
        f"Verdicts recorded beyond those answered: {surplus}."
    )
    publish(options.out, "worker_killed", rows, note=note)
    total = summarise(outcomes)
    wrong = max(float(str(row["largest score difference"])) for row in rows)
    sys.exit(total.served < len(shots) or total.duplicated + abs(surplus) > 0 or wrong > TOLERANCE)


def _known(options: argparse.Namespace, product: str) -> list[Known]:
    file = options.runs / product / "scores.json"
    if not file.is_file():
        return [Known(product, *picture) for picture in pictures_of(options.store, product, options.pictures)]
    parts = [part for part in json.loads(file.read_text())["parts"] if part["role"] == "test"]
    paths = [(Path(part["path"]), part["score"]) for part in parts]
    return [Known(product, path.read_bytes(), KINDS[path.suffix.lower()], score) for path, score in paths]


def _kill(service: Service, options: argparse.Namespace, outcomes: list[Outcome], kills: list[float]) -> None:
    """After random numbers of answers."""
    draw = random.Random(0)  # noqa: S311 -- a schedule, no secret
    for answers in sorted(draw.sample(range(options.posts * 9 // 10), options.kills)):
        while len(outcomes) < answers:
            time.sleep(0.005)
        while not (pids := service.workers()):
            time.sleep(0.05)
        os.kill(draw.choice(pids), signal.SIGKILL)
        kills.append(time.monotonic())


def _until_next(outcomes: list[Outcome], at: float) -> float:
    return min((it.ended_at - at for it in outcomes if it.status == 200 and it.ended_at > at), default=math.inf)


def _row(product: str, outcomes: list[Outcome], scores: dict[str, float | None]) -> Row:
    total = summarise(outcomes)
    differences = [
        abs(it.score - wanted)
        for it in outcomes
        if it.score is not None and (wanted := scores[it.shot.part_id]) is not None
    ]
    return {
        "product": product,
        "posts": total.offered,
        "served": total.served,
        "lost or wrong": total.lost,
        "other errors": total.offered - total.served - total.lost,
        "duplicated": total.duplicated,
        "p99 ms": total.p99,
        "largest score difference": f"{max(differences, default=0.0):.1e}",
    }


if __name__ == "__main__":
    main()
