"""From nothing to a verdict: how long a service takes to be ready with every product, and what its first requests cost.

In: a store. Out: medians over `--starts`: seconds from the start of the process until every product serves, beside
`import torch` alone in a fresh process; milliseconds of the first and the tenth `/inspect` of the first product, and
of the first of each other one. Files are in the page cache: the first start is not counted. Exit code 1 where ready
takes more than AIM_S longer than the import, or a first request longer than SLOWER times the tenth.
"""

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx
from report import publish
from service import add_arguments, pictures_of, serving

from model_store.registry import Registry

AIM_S = 5.0
SLOWER = 1.5  # a single request of 80 ms varies by a third on two cores
IMPORTS = {
    "import torch": "import torch",
    "import torch, timm": "import torch, timm",
    "imports of a worker": "import app.worker, model_store.artifact",
    "imports of the service": "import app.cli",
}
TENTH = 10


@dataclass(frozen=True)
class Start:
    """One start."""

    ready_s: float
    milliseconds: tuple[float, ...]
    """Of the first ten requests for the first product."""
    others: tuple[float, ...]
    """Of the first request for each other product, after those."""


def main() -> None:
    """Imports, then starts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--starts", type=int, default=5)
    options = parser.parse_args()
    imports = {name: median(import_s(line) for _ in range(options.starts)) for name, line in IMPORTS.items()}
    starts = [start(options.store, options.pictures) for _ in range(1 + options.starts)][1:]
    ready, first, tenth, others = summarise(starts)
    rows = [{"what": name, "median": round(seconds, 2), "unit": "s"} for name, seconds in imports.items()]
    rows += [
        {"what": "process to every product serving", "median": round(ready, 2), "unit": "s"},
        {"what": "first request", "median": first, "unit": "ms"},
        {"what": "tenth request", "median": tenth, "unit": "ms"},
        {"what": "first request of another product", "median": others, "unit": "ms"},
    ]
    over = ready - imports["import torch"]
    products = len(Registry(options.store).products())
    note = f"{products} products, {options.starts} starts; ready {over:.2f} s over `import torch` (aim {AIM_S:g} s)."
    publish(options.out, "cold_start", rows, note=note)
    sys.exit(over > AIM_S or max(first, others) > SLOWER * tenth)


def import_s(line: str) -> float:
    """Seconds of a fresh Python that runs `line` and ends."""
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", line], check=True)
    return time.monotonic() - started


def start(store: Path, folder: Path | None) -> Start:
    """One service, from nothing, and its first requests."""
    names = Registry(store).products()
    pictures = {name: pictures_of(store, name, folder, 1)[0] for name in names}
    began = time.monotonic()
    with serving(store) as service:
        ready_s = time.monotonic() - began
        with httpx.Client(base_url=service.address, headers=service.headers, timeout=60) as client:
            client.get("/readyz")  # the connection itself is not what is measured
            first, *rest = names
            ten = [post_ms(client, first, *pictures[first]) for _ in range(TENTH)]
            others = [post_ms(client, name, *pictures[name]) for name in rest]
    return Start(ready_s, tuple(ten), tuple(others))


def post_ms(client: httpx.Client, product: str, picture: bytes, kind: str) -> float:
    """Milliseconds of one inspection."""
    started = time.perf_counter()
    answer = client.post("/inspect", params={"product": product}, content=picture, headers={"Content-Type": kind})
    answer.raise_for_status()
    return 1e3 * (time.perf_counter() - started)


def summarise(starts: list[Start]) -> tuple[float, float, float, float]:
    """Medians: ready, first, tenth, first of another product."""
    return (
        median(each.ready_s for each in starts),
        median(each.milliseconds[0] for each in starts),
        median(each.milliseconds[-1] for each in starts),
        median([took for each in starts for took in each.others] or [0.0]),
    )


if __name__ == "__main__":
    main()
