"""p50 of POST /inspect against p50 of decode + Detector.forward, one client, in one run; memory of the service.

In: a model store (--store) and one picture (--picture) of --product. Out: a table on stdout.
"""

import argparse
import statistics
import time
from pathlib import Path

import httpx
import torch
from service import serving

from detector.decode import DecodeLimits, decode
from detector.pipeline import stack
from detector.preprocess import resize_to_input
from model_store.backbones import BackboneStore
from model_store.engines import load_on_engine
from model_store.registry import Registry

ROUNDS, WARM_UP = 60, 10


def main() -> None:
    """Start the service, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--store", type=Path, default=Path("var/models"))
    parser.add_argument("--product", default="solar-mono")
    parser.add_argument("--picture", type=Path, required=False)
    options = parser.parse_args()
    registry = Registry(options.store)
    ref = registry.resolve(options.product)
    picture = options.picture or next((ref.path / "golden").iterdir())
    model = load_on_engine(ref.path, BackboneStore(registry.backbones_root), torch.device("cpu"), "auto")
    with serving(options.store) as service, httpx.Client(base_url=service.address, timeout=60) as client:
        _measure(client, model.detector, options.product, picture.read_bytes())
        print(f"memory with {len(registry.products())} products: {_memory_mib(service.pid):.0f} MiB (PSS)")


def _measure(client: httpx.Client, detector: torch.nn.Module, product: str, data: bytes) -> None:
    direct, served = [], []
    spec = detector.spec.input
    for turn in range(WARM_UP + ROUNDS):
        started = time.perf_counter()
        pixels = resize_to_input(decode(data, spec, DecodeLimits()).image, spec)
        detector(stack([pixels], torch.device("cpu"))).score.item()
        middle = time.perf_counter()
        query = {"product": product, "heatmap": "none"}
        client.post("/inspect", params=query, content=data, headers={"Content-Type": "image/png"}).raise_for_status()
        if turn >= WARM_UP:
            direct.append((middle - started) * 1000)
            served.append((time.perf_counter() - middle) * 1000)
    a, b = statistics.median(direct), statistics.median(served)
    print(
        f"{product} {spec.width}x{spec.height}: decode + forward p50 {a:.1f} ms, "
        f"/inspect p50 {b:.1f} ms, {b / a - 1:+.0%}"
    )


def _memory_mib(pid: int) -> float:
    """Proportional set size of the process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    tasks = Path(f"/proc/{pid}/task").iterdir()
    workers = [child for task in tasks for child in (task / "children").read_text().split()]
    total = 0
    for process in {str(pid), *children, *workers}:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


if __name__ == "__main__":
    main()
