"""What one more product costs a worker: private bytes beside the bytes of its weights.

In: a store. Out: a table with one row a load, of all products again and again, by the worker's own loader, in this
process; after each load one picture is scored, so that nothing is counted that comes later. Exit code 1 where a
product takes more than MOST times its weights; its backbone is shared, and counts with the first product that needs it.
"""

import argparse
import gc
import sys
from pathlib import Path

from report import Row, publish

from app.worker import Runner, load_detector
from detector.decode import decode
from detector.preprocess import resize_to_input
from model_store.manifest import WEIGHTS, read_manifest
from model_store.registry import Registry

MOST = 1.1
MIB = 1 << 20


def main() -> None:
    """Load, score, weigh."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, default=Path("var/models"))
    parser.add_argument("--rounds", type=int, default=4, help="how often each product is loaded")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("var/benchmarks"), help="where the figures are written")
    options = parser.parse_args()
    products = Registry(options.store).products() * options.rounds
    held: list[Runner] = []
    rows: list[Row] = []
    if not products:
        sys.exit(f"no product in {options.store}")
    for product in products:
        path = Registry(options.store).resolve(product).path
        before = private_bytes()
        held.append(load_detector(path, options.device))
        score(held[-1], path)
        weights, grown = (path / WEIGHTS).stat().st_size, private_bytes() - before
        rows.append(
            {
                "product": product,
                "weights MiB": weights / MIB,
                "grew by MiB": grown / MIB,
                "process MiB": (before + grown) / MIB,
            }
        )
    first, *others = rows  # the first load brings the backbone, and what torch allocates once
    grew, weighed = (sum(float(str(row[name])) for row in others) for name in ("grew by MiB", "weights MiB"))
    note = (
        f"After the first load a product takes {grew / weighed:.2f} times its weights (aim {MOST:g}); the first took "
    )
    publish(options.out, "resident_memory", rows, note=f"{note}{float(str(first['grew by MiB'])):.0f} MiB.")
    sys.exit(grew > MOST * weighed)


def score(runner: Runner, path: Path) -> None:
    """One golden picture."""
    manifest, _ = read_manifest(path)
    spec = manifest.detector.input
    runner([resize_to_input(decode((path / manifest.golden[0].file).read_bytes(), spec).image, spec)])


def private_bytes() -> int:
    """Of this process: pages that it shares with no other, and not those of libraries."""
    gc.collect()
    lines = [line.split() for line in Path("/proc/self/smaps_rollup").read_text().splitlines()]
    return sum(int(line[1]) << 10 for line in lines if line[0] == "Private_Dirty:")


if __name__ == "__main__":
    main()
