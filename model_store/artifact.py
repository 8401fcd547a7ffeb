"""A version of a product on disk ↔ a detector in memory.

In: what training made (`Draft`), written once into a new folder; or such a folder, whose bytes are not trusted.
Out: a manifest; or a detector that has just given the golden scores again.
Refuses: everything that FORMAT.md does, in this order: names, sizes, manifest, hashes, tensors, golden scores.
"""

import hashlib
import logging
import math
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from detector.build import join_parts, load_detector_weights
from detector.calibration import Calibration
from detector.decode import DECODERS, decode
from detector.engine import arrange, attach
from detector.errors import DecodeError, GraphRefused, SpecError, WeightsMismatch
from detector.graph import BackboneGraph
from detector.image_health import HealthReference
from detector.pipeline import Detector, EngineName, TorchEngine, stack
from detector.preprocess import resize_to_input
from detector.spec import DetectorSpec
from model_store.backbones import BackboneStore, Place
from model_store.disk import read_capped, write_folder
from model_store.errors import (
    GoldenMismatch,
    GraphUnusable,
    HashMismatch,
    ManifestInvalid,
    MissingFile,
    StoreFault,
    TooLarge,
    UnexpectedFile,
    UnsafePath,
    WeightsInvalid,
)
from model_store.graph import open_graph
from model_store.manifest import (
    FORMAT_VERSION,
    GRAPH,
    MANIFEST,
    MAX_MANIFEST_BYTES,
    WEIGHTS,
    Manifest,
    TrainingRecord,
    check_place,
    check_product_name,
    read_manifest,
    validate_manifest,
)

MAX_WEIGHTS_BYTES = 2 << 30
MAX_GRAPH_BYTES = 1 << 20  # MobileNetV2's has 18 KB: no weights
MAX_GOLDEN_BYTES = 32 << 20  # the largest picture that the service decodes
FLOAT_BYTES = 4
LIBRARIES = ("numpy", "safetensors", "timm", "torch")  # what a score can depend on, beside DECODERS

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Draft:
    """All of a version but its number."""

    product: str
    detector: DetectorSpec
    weights: Mapping[str, Tensor]
    """What `detector.build.detector_weights` gives."""
    calibration: Calibration
    training: TrainingRecord
    metrics: Mapping[str, float]
    golden: Mapping[str, bytes]
    """`golden/0001.png` → the bytes of the picture, as a camera would post them."""
    golden_scores: Mapping[str, float]
    """The same names → what export measured."""
    golden_tolerance: float = 1e-4
    image_health: HealthReference | None = None
    """Of the calibration pictures, where they were measured."""
    graph: bytes | None = None
    """What `model_store.graph.bare_graph` gives, for the engine `onnx`."""


@dataclass(frozen=True)
class LoadedModel:
    """A detector that has proved itself on this device."""

    detector: Detector
    manifest: Manifest
    digest: str
    """SHA-256 of manifest.json: names the model in every verdict."""
    golden_delta: float
    """Largest |Δscore| of the golden pictures against export."""


def save_artifact(directory: Path, draft: Draft, version: int) -> Manifest:
    """Write `directory` (`…/<product>/versions/<version>`) at once or not at all; `VersionExists` if it is there."""
    check_product_name(draft.product)
    if draft.golden.keys() != draft.golden_scores.keys():
        raise ManifestInvalid("every golden picture needs a score, and every score its picture")
    files = {WEIGHTS: safetensors.torch.save(dict(draft.weights)), **draft.golden}
    files |= {} if draft.graph is None else {GRAPH: draft.graph}
    manifest = _manifest(draft, version, files)
    check_place(manifest, directory)
    written = manifest.to_bytes()
    for name, data in files.items():
        _check_size(name, len(data), _limit(name))
    _check_size(MANIFEST, len(written), MAX_MANIFEST_BYTES)
    write_folder(directory, {**files, MANIFEST: written})
    return manifest


def load_artifact(
    directory: Path, backbones: BackboneStore, device: torch.device, engine: EngineName = "folded"
) -> LoadedModel:
    """A version, ready on `device`, checked from its file names to its golden scores; `onnx` is for a CPU.

    Logs a warning where another decoder than export's reads its pictures: golden scores agree, others may differ a bit.
    """
    present = _list_files(directory)
    manifest, digest = read_manifest(directory)
    _check_listing(directory, present, manifest)
    contents = {name: _read_checked(directory, name, sha256) for name, sha256 in manifest.files.items()}
    layers: TorchEngine = "reference" if engine == "reference" else "folded"
    detector = _detector(manifest.detector, contents.pop(WEIGHTS), backbones, device, layers)
    if engine == "onnx":
        attach(detector, _graph(directory, contents.get(GRAPH), detector))
    delta = _golden_delta(detector, manifest, contents, device)
    if changes := _other_decoders(manifest):
        log.warning("%s@%d: %s; golden scores differ by %.1e", manifest.product, manifest.version, changes, delta)
    return LoadedModel(detector, manifest, digest, delta)


def _manifest(draft: Draft, version: int, files: Mapping[str, bytes]) -> Manifest:
    fields = {
        "format_version": FORMAT_VERSION,
        "product": draft.product,
        "version": version,
        "created_at": datetime.now(UTC).replace(microsecond=0),
        "detector": draft.detector,
        "calibration": draft.calibration,
        "training": draft.training,
        "metrics": dict(draft.metrics),
        "libraries": {"python": platform.python_version(), **{name: installed(name) for name in LIBRARIES}, **DECODERS},
        "golden": tuple({"file": name, "score": score} for name, score in sorted(draft.golden_scores.items())),
        "golden_tolerance": draft.golden_tolerance,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        "image_health": draft.image_health,
    }
    return validate_manifest(fields)


def _other_decoders(manifest: Manifest) -> str:
    """`pillow 12.0.0 at export, 13.0.0 here`, of what both name."""
    named = ((name, manifest.libraries.get(name, here), here) for name, here in DECODERS.items())
    return ", ".join(f"{name} {then} at export, {here} here" for name, then, here in named if then != here)


def _limit(name: str) -> int:
    return {WEIGHTS: MAX_WEIGHTS_BYTES, GRAPH: MAX_GRAPH_BYTES}.get(name, MAX_GOLDEN_BYTES)


def _check_size(name: str, size: int, limit: int) -> None:
    if size > limit:
        raise TooLarge(f"{name} has {size} bytes; the limit is {limit}")


def _list_files(directory: Path) -> frozenset[str]:
    """Names of the plain files, relative; a link or a device anywhere is refused."""
    names: set[str] = set()
    try:
        for parent, folders, files in os.walk(directory, onerror=_raise):
            for name in (*folders, *files):
                path = Path(parent, name)
                if path.is_symlink() or not (path.is_file() or path.is_dir()):
                    raise UnsafePath(f"{path} is neither a plain file nor a folder")
            names.update(Path(parent, name).relative_to(directory).as_posix() for name in files)
            names.update(f"{Path(parent, name).relative_to(directory).as_posix()}/" for name in folders)
    except FileNotFoundError as exc:
        raise MissingFile(f"{directory} is missing") from exc
    except OSError as exc:
        raise StoreFault(f"{directory} cannot be read: {exc.strerror}") from exc
    return frozenset(names)


def _raise(error: OSError) -> None:
    raise error


def _check_listing(directory: Path, present: frozenset[str], manifest: Manifest) -> None:
    wanted = {MANIFEST, "golden/", *manifest.files}
    if extra := sorted(present - wanted):
        raise UnexpectedFile(f"{directory} holds {extra[0]!r}, which its manifest does not list")
    if missing := sorted(wanted - present):
        raise MissingFile(f"{directory} lacks {missing[0]!r}")


def _read_checked(directory: Path, name: str, sha256: str) -> bytes:
    """Read once, so that the bytes that are parsed are the bytes that were hashed."""
    data = read_capped(directory / name, _limit(name))
    if hashlib.sha256(data).hexdigest() != sha256:
        raise HashMismatch(f"{directory / name} was changed: its SHA-256 is not the manifest's")
    return data


def _graph(directory: Path, data: bytes | None, detector: Detector) -> BackboneGraph:
    if data is None:
        raise GraphUnusable(
            f"{directory} has no {GRAPH}: it was trained without the extra `train`, or reads no backbone"
        )
    return open_graph(data, detector)


def _detector(
    spec: DetectorSpec, data: bytes, backbones: BackboneStore, device: torch.device, engine: TorchEngine
) -> Detector:
    tensors = _tensors(data)
    _check_scale(spec, len(data))
    size, backbone = spec.input, None
    try:
        if spec.backbone is not None:
            place = Place(size.height, size.width, str(device), engine)
            backbone = backbones.network(spec.backbone, place)
        detector = join_parts(spec, backbone, most_bytes=len(data))
        load_detector_weights(detector, tensors)
    except (WeightsMismatch, SpecError) as exc:
        raise WeightsInvalid(f"weights and spec do not fit: {exc}") from exc
    return arrange(detector.to(device), engine)


def _tensors(data: bytes) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(data)
    except (SafetensorError, KeyError, ValueError) as exc:  # KeyError: a dtype that torch lacks
        raise WeightsInvalid(f"{WEIGHTS} is no safetensors file: {exc}") from exc


def _check_scale(spec: DetectorSpec, size: int) -> None:
    """A few bytes of spec must not make us allocate a network that the weights file could never fill."""
    widest = max(spec.unet.widths) ** 2
    hidden = 0 if spec.fader is None else spec.fader.hidden
    if FLOAT_BYTES * (widest + hidden) > size:
        raise WeightsInvalid(f"the spec asks for larger layers than {size} bytes of weights can fill")


def _golden_delta(detector: Detector, manifest: Manifest, pictures: Mapping[str, bytes], device: torch.device) -> float:
    """Score the golden pictures the way the service does; the largest |Δscore|."""
    largest = 0.0
    for golden in manifest.golden:
        score = _score(detector, golden.file, pictures[golden.file], device)
        delta = abs(score - golden.score)
        if not math.isfinite(delta) or delta > manifest.golden_tolerance:
            raise GoldenMismatch(
                f"{manifest.product}@{manifest.version}: {golden.file} scores {score:.6g} here and scored "
                f"{golden.score:.6g} at export; {manifest.golden_tolerance:g} is tolerated"
            )
        largest = max(largest, delta)
    return largest


def _score(detector: Detector, name: str, data: bytes, device: torch.device) -> float:
    spec = detector.spec.input
    try:
        picture = decode(data, spec)
    except DecodeError as exc:
        raise GoldenMismatch(f"{name} is no picture: {exc}") from exc
    try:
        return float(detector(stack([resize_to_input(picture.image, spec)], device)).score.item())
    except GraphRefused as exc:
        raise GraphUnusable(str(exc)) from exc
