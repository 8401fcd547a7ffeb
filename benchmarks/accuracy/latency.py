"""How much accuracy a millisecond buys: image AUROC against the time of a picture, for sizes of the detector.

In: products, a backbone's weights. Out: a table (stdout, --out) and a curve for each way of seeing as SVG. Evidence is
features alone, so no network is fitted; distributions learn from all good pictures but those that set the threshold.
A picture's time is what the service's engine takes, one by one, on as many threads as torch has (OMP_NUM_THREADS).
"""

import argparse
import io
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from geometry import CPU, backbone_detector, spread
from matplotlib.axes import Axes
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).parents[1]))  # the other benchmarks
from plot import GREY, STYLE
from report import Row, publish
from stopwatch import measure

from detector.build import build_detector
from detector.engine import as_served
from detector.pipeline import Detector, stack
from detector.spec import DetectorSpec, EvidenceSpec, InputSpec, SaliencySpec
from training.data import load_pictures, read_dataset
from training.fit_evidence import fit_evidence
from training.metrics import auroc

SIDES = (96, 128, 192, 256, 320, 384)  # px
WAYS = ("stages of 4, 8, 16 px", "stages of 4, 8 px", "filters")  # of MobileNetV2; without weights
BATCH, ROUNDS = 8, 40


def main() -> None:
    """Every size of every product."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", nargs="+", default=["solar-mono", "magnetic-tile", "ball-screw"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of products")
    parser.add_argument("--weights", type=Path, default=Path("../shared/weights/mobilenetv2_100_same.safetensors"))
    parser.add_argument("--most", type=int, default=10_000, help="pictures of each kind")
    parser.add_argument("--out", type=Path, default=Path("var/benchmarks"), help="where table and curves are written")
    options = parser.parse_args()
    rows = []
    for product in options.products:
        for way in WAYS:
            rows += [_row(options, product, way, side) for side in SIDES]
            print(rows[-len(SIDES) :], file=sys.stderr, flush=True)
    publish(options.out, "latency", rows, note=f"Features alone; {torch.get_num_threads()} thread(s).")
    (options.out / "latency.svg").write_text(_draw(rows))


def _row(options: argparse.Namespace, product: str, way: str, side: int) -> Row:
    size = InputSpec(height=side, width=side)
    detector = _detector(options.weights, size, way)
    dataset = read_dataset(options.data / product, hold_out=0.2, calibrate=0.2)
    fitted = load_pictures(spread([*dataset.train, *dataset.hold_out], options.most), size)
    good, bad = (
        spread([sample for sample in dataset.test if sample.is_defective is kind], options.most)
        for kind in (False, True)
    )
    tested = load_pictures([*good, *bad], size)
    fit_evidence(detector, fitted, fitted[::8])  # what one map alone is measured in moves no order
    served = as_served(detector)
    figure = auroc(_scores(served, tested), np.repeat([False, True], (len(good), len(bad))))
    picture = stack([tested[0]], CPU)
    return {
        "product": product,
        "sees by": way,
        "px": side,
        "image AUROC, %": 100 * figure,
        "ms": measure({"": lambda: served(picture)}, rounds=ROUNDS)[""].least,
        "MB": sum(it.numel() * it.element_size() for it in served.evidence.buffers()) / 1e6,
    }


def _detector(weights: Path, size: InputSpec, way: str) -> Detector:
    if way == "filters":
        evidence = EvidenceSpec(maps=("filters",))
        saliency = SaliencySpec(kind="none")
        return build_detector(DetectorSpec(input=size, saliency=saliency, fader=None, evidence=evidence), None)
    usual = EvidenceSpec().backbone
    levels = usual.levels if "16" in way else usual.levels[:-1]
    return backbone_detector(weights, size, replace(usual, levels=levels))


def _scores(detector: Detector, pictures: np.ndarray) -> np.ndarray:
    batches = (list(pictures[start : start + BATCH]) for start in range(0, len(pictures), BATCH))
    return np.concatenate([detector(stack(batch, CPU)).score.numpy() for batch in batches])


def _draw(rows: list[Row]) -> str:
    """A panel a product; each point is a size of the input."""
    products = list(dict.fromkeys(str(row["product"]) for row in rows))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.2 * len(products), 2.8), layout="constrained")
        panels = figure.subplots(1, len(products), squeeze=False)[0]
        for axes, product in zip(panels, products, strict=True):
            _panel(axes, product, [row for row in rows if row["product"] == product])
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def _panel(axes: Axes, product: str, rows: list[Row]) -> None:
    for way in WAYS:
        points = [row for row in rows if row["sees by"] == way]
        axes.plot([row["ms"] for row in points], [row["image AUROC, %"] for row in points], marker="o", label=way)
        for row in points:
            axes.annotate(f"{row['px']}", (row["ms"], row["image AUROC, %"]), fontsize=6, color=GREY)
    axes.set(title=product, xlabel="ms a picture", ylabel="image AUROC, %")
    axes.legend(fontsize=6, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
