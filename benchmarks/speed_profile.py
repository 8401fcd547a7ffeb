"""One picture: the detectors of this repository beside the papers' methods as written, and where each millisecond goes.

In: CPU threads, rounds. Out: two tables in var/benchmarks: `speed-…`, whole pictures with ratios of one run,
and `stages-…`.
"""

import argparse
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from report import Row, publish
from speed_subjects import literal_ear, make
from stopwatch import Work, measure

from detector.calibration import calibrate
from detector.evidence.maps import residual_maps
from detector.evidence.reduce import fuse, smooth
from detector.heap import keep_freed_memory
from detector.heatmap import HeatmapScale, encode_png, to_gray8
from detector.pipeline import Detector, EngineName, stack

CPU = torch.device("cpu")
ENGINES: tuple[EngineName, ...] = ("reference", "folded")
HAVE_ONNX = all(find_spec(name) is not None for name in ("onnx", "onnxruntime", "onnxscript"))
LITERAL, RIAD = "EAR as written", "RIAD, 12 masks, one by one"
NOTES = {
    LITERAL: "timm ViT-S/8, all blocks, attention by a hook; U-Net 64–512; float32 eager",
    "EAR, reference": "no last block but its CLS row, SDPA, maps shared; same answer",
    "EAR, folded": "the same on the fast engine",
    RIAD: "the same U-Net, reference engine",
    "RIAD, folded": "the same on the fast engine",
    "features, reference": "what training chooses with MobileNetV2 in the store",
    "features, folded": "the same on the engine of torch alone",
    "features, onnx": "the same, its backbone by ONNX Runtime: the default on a CPU with the extra",
    "residual, reference": "preset cpu without a backbone: spectral mask, U-Net 16–128, attenuator, MSGMS and L1",
    "residual, folded": "the same on the fast engine",
}


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--out", type=Path, default=Path("var/benchmarks"))
    parser.add_argument("--heap", choices=["kept", "given back"], default="kept", help="kept: as a worker does")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.heap == "kept":
        keep_freed_memory()
    note = (
        f"256×256, batch 1, {options.threads} CPU threads, {options.rounds} rounds in turns, ratios by the least; "
        f"freed memory {options.heap}."
    )
    suffix = f"{options.threads}{'' if options.heap == 'kept' else '-given-back'}"
    publish(options.out, f"speed-{suffix}", _whole(options.threads, options.rounds), note=note)
    publish(options.out, f"stages-{suffix}", _stages(options.rounds), note=note)


@torch.inference_mode()
def _whole(threads: int, rounds: int) -> list[Row]:
    picture = torch.rand(1, 3, 256, 256)
    subjects: dict[str, Callable[[torch.Tensor], object]] = {LITERAL: literal_ear(make("ear", "reference"))}
    for name in ("EAR", "features", "residual"):
        subjects |= {f"{name}, {engine}": make(name.lower(), engine) for engine in _engines(name)}
    often = measure({name: _on(run, picture) for name, run in subjects.items()}, rounds=rounds, warm_up=1)
    slow = {RIAD: make("riad", "reference"), "RIAD, folded": make("riad", "folded")}
    often |= measure({name: _on(run, picture) for name, run in slow.items()}, rounds=2, warm_up=0)
    return [
        {
            "what": name,
            "least ms": taken.least,
            "median ms": taken.median,
            "EAR as written ×": often[LITERAL].least / taken.least,
            "RIAD ×": often[RIAD].least / taken.least,
            "images/s/core": 1000 / taken.least / threads,
            "how": NOTES[name],
        }
        for name, taken in often.items()
    ]


@torch.inference_mode()
def _stages(rounds: int) -> list[Row]:
    rows: list[Row] = []
    for name in ("features", "residual", "ear"):
        detectors = {engine: make(name, engine) for engine in _engines(name)}
        taken = {engine: measure(_parts(detector), rounds=rounds) for engine, detector in detectors.items()}
        whole = sum(stage.least for stage in taken["folded"].values())
        rows += [
            {
                "detector": name,
                "stage": stage,
                **{
                    f"{engine} ms": taken[engine][stage].least if engine in taken else ""
                    for engine in _engines("features")
                },
                "share of folded": f"{taken['folded'][stage].least / whole:.0%}",
            }
            for stage in taken["folded"]
        ]
    return rows


def _engines(name: str) -> tuple[EngineName, ...]:
    """Those that compute this detector."""
    return (*ENGINES, "onnx") if name == "features" and HAVE_ONNX else ENGINES


def _parts(detector: Detector) -> dict[str, Work]:
    """Each stage alone, fed with what the one before it gave."""
    pixels = np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8)
    pictures = stack([pixels], CPU)
    work: dict[str, Work] = {"stack": lambda: stack([pixels], CPU)}
    if detector.spec.evidence.residuals:
        work |= _residual_parts(detector, pictures)
    if "backbone" in detector.spec.evidence.maps:
        work |= _feature_parts(detector, pictures)
    clues = detector.clues(pictures, detector.see(pictures))
    raw = detector.evidence.raw(clues)
    heatmap = detector.assess(pictures, detector.see(pictures)).heatmap
    evidence = detector.evidence
    scale = HeatmapScale.of(calibrate(np.linspace(0, 1, 50).tolist(), promise=0.05, review_rate=0, map_floor=-1))
    work["standardise, fuse, smooth"] = lambda: smooth(
        fuse(evidence.standardiser(raw), evidence.spec.fuse, evidence.weights), evidence.spec.smooth
    )
    work["score"] = lambda: evidence.score(heatmap).tolist()
    work["heatmap as PNG (not the worker's)"] = lambda: encode_png(to_gray8(heatmap[0].numpy(), scale))
    return work


def _residual_parts(detector: Detector, pictures: torch.Tensor) -> Mapping[str, Work]:
    masks = detector.saliency(pictures)
    hints = detector.hints(pictures, masks)
    gate = detector.gate(hints)
    rebuilt = detector.reconstruct(hints, gate)
    spec = detector.spec.evidence
    return {
        "saliency": lambda: detector.saliency(pictures),
        "mosaic, attenuator": lambda: detector.gate(detector.hints(pictures, masks)),
        "U-Net": lambda: detector.reconstruct(hints, gate),
        "MSGMS, L1": lambda: residual_maps(pictures, rebuilt, spec.residuals, scales=spec.msgms_scales),
    }


def _feature_parts(detector: Detector, pictures: torch.Tensor) -> Mapping[str, Work]:
    features = detector.features(pictures, "backbone")
    grid = detector.evidence.grid("backbone", features)
    field = detector.evidence.fields["backbone"]
    distances = field(grid).unsqueeze(1)
    return {
        "backbone": lambda: detector.features(pictures, "backbone"),
        "features on a grid": lambda: detector.evidence.grid("backbone", features),
        "distances (Mahalanobis)": lambda: field(grid),
        "enlarge": lambda: F.interpolate(distances, (256, 256), mode="bilinear", align_corners=False),
    }


def _on(run: Callable[[torch.Tensor], object], picture: torch.Tensor) -> Work:
    return lambda: run(picture)


if __name__ == "__main__":
    main()
