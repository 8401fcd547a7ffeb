"""SIGKILL the worker twice while pictures are posted: is an answer lost, and is every score the one of training?

In: a store (--store) and run folders (--runs) of the same products. Out: one line per product on stdout; exit code 1
when an answer is missing or a score is more than 1e-5 from `training evaluate`'s for the same file.
"""

import argparse
import json
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from service import Service, serving

from model_store.registry import Registry

CLIENTS, PICTURES, TOLERANCE = 8, 200, 1e-5
KILL_AT = (60, 130)  # answers that have come


def main() -> None:
    """All products of the store, one after the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--store", type=Path, default=Path("var/models"))
    parser.add_argument("--runs", type=Path, default=Path("var/runs"))
    options = parser.parse_args()
    with serving(options.store) as service:
        right = [_check(service, product, options.runs) for product in Registry(options.store).products()]
    sys.exit(not all(right))


def _check(service: Service, product: str, runs: Path) -> bool:
    parts = json.loads((runs / product / "scores.json").read_text())["parts"]
    parts = [part for part in parts if part["role"] == "test"]
    parts = parts[:: max(1, len(parts) // PICTURES)][:PICTURES]
    largest, missing, killed = 0.0, 0, 0
    with httpx.Client(base_url=service.address, timeout=120) as client, ThreadPoolExecutor(CLIENTS) as posts:

        def post(part: dict[str, str]) -> httpx.Response:
            data, query = Path(part["path"]).read_bytes(), {"product": product, "heatmap": "none"}
            return client.post("/inspect", params=query, content=data, headers={"Content-Type": "image/png"})

        for count, (part, answer) in enumerate(zip(parts, posts.map(post, parts), strict=True)):
            if count in KILL_AT:
                os.kill(client.get("/status").json()["workers"][0]["pid"], signal.SIGKILL)
                killed += 1
            missing += answer.status_code != 200
            if answer.status_code == 200:
                largest = max(largest, abs(answer.json()["score"] - part["score"]))
    answers = f"{len(parts) - missing} of {len(parts)} answers"
    print(f"{product}: {answers}, {killed} kills, largest |Δscore| against training {largest:.1e}", flush=True)
    return missing == 0 and largest <= TOLERANCE


if __name__ == "__main__":
    main()
