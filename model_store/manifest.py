"""What a version of a product is: manifest.json ↔ Manifest. FORMAT.md specifies the bytes.

In: an artifact's folder. Out: the manifest and the model digest. Refuses: everything that FORMAT.md does.
Imports no torch, so that the service's own process can read thresholds.
"""

import hashlib
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from detector.calibration import Calibration
from detector.errors import DetectorError
from detector.image_health import HealthReference
from detector.spec import DetectorSpec
from model_store.disk import read_capped
from model_store.errors import BadProductName, ManifestInvalid, UnknownFormatVersion, UnsafePath, WrongPlace
from model_store.strict_json import parse_object, to_bytes

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
WEIGHTS = "weights.safetensors"
GRAPH = "backbone.onnx"

MAX_MANIFEST_BYTES = 4 << 20
MAX_SCORES = 100_000  # calibration sample; 25 bytes of JSON each stay under MAX_MANIFEST_BYTES
MAX_GOLDEN = 64  # each is scored at every load
MAX_TOLERANCE = 0.1  # of ng_above - map_floor: a golden test that allows more proves nothing

PRODUCT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
BACKBONE_NAME = re.compile(r"[a-z0-9_]{1,64}(\.[a-z0-9_]{1,64})?")  # a timm name; never `hf-hub:…`, which downloads
GOLDEN_NAME = re.compile(r"golden/[0-9]{4}\.(png|jpg|bmp|tif|webp)")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}\z")]
_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Golden(BaseModel):
    """A picture and what it scored when the version was exported."""

    model_config = _STRICT

    file: str
    """`golden/0001.png`; one of the manifest's files."""
    score: float


class TrainingRecord(BaseModel):
    """How the version was made."""

    model_config = _STRICT

    config: dict[str, JsonValue]
    seed: int
    data_digest: Sha256
    images: dict[str, Annotated[int, Field(ge=0)]]
    """Role (`train`, `calibrate`, …) → how many."""
    minutes: Annotated[float, Field(ge=0)]
    device: str
    saliency: str
    backbone: str | None
    """timm's name."""
    decided_by: dict[str, float] = Field(default_factory=dict)
    """What training decided for itself went by these: `align.gain`, `align.turn_gain`,
    `statistics.pooled`, `statistics.per-location`, `statistics.nearest`."""


class Manifest(BaseModel):
    """One immutable version of one product."""

    model_config = _STRICT

    format_version: Literal[1]
    product: str
    version: Annotated[int, Field(ge=1)]
    created_at: AwareDatetime
    """UTC."""
    detector: DetectorSpec
    calibration: Calibration
    training: TrainingRecord
    metrics: dict[str, float]
    """A figure that could not be measured is left out; there is no NaN."""
    libraries: dict[str, str]
    golden: Annotated[tuple[Golden, ...], Field(min_length=1, max_length=MAX_GOLDEN)]
    golden_tolerance: Annotated[float, Field(gt=0)]
    """Largest |Δscore| of a golden picture at which the version still loads."""
    files: dict[str, Sha256]
    """SHA-256 of every file but manifest.json."""
    image_health: HealthReference | None = None
    """Of the calibration pictures; versions from before it was measured have none."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not PRODUCT_NAME.fullmatch(self.product):
            raise ValueError(f"{self.product!r} is no product name")
        if self.created_at.utcoffset() != timedelta(0):
            raise ValueError("created_at must be UTC")
        backbone = self.detector.backbone
        if backbone and not (BACKBONE_NAME.fullmatch(backbone.name) and re.fullmatch(r"[0-9a-f]{64}", backbone.digest)):
            raise ValueError("detector.backbone must name a timm network and a SHA-256")
        _check_calibration(self.calibration)
        if self.golden_tolerance > MAX_TOLERANCE * (self.calibration.ng_above - self.calibration.map_floor):
            raise ValueError(f"golden_tolerance {self.golden_tolerance} is coarse beside the thresholds")
        return self

    def to_bytes(self) -> bytes:
        """The bytes of manifest.json: the same for the same manifest."""
        absent = {"image_health"} if self.image_health is None else None
        return to_bytes(self.model_dump(mode="json", exclude=absent))


def check_product_name(product: str) -> None:
    """Raise `BadProductName` unless `product` can be a folder and part of an address."""
    if not PRODUCT_NAME.fullmatch(product):
        raise BadProductName(f"{product!r} is no product name: a-z, 0-9, - and _, 63 at most, a letter or digit first")


def read_manifest(directory: Path) -> tuple[Manifest, str]:
    """The manifest of `…/<product>/versions/<version>`, and the model digest: SHA-256 of manifest.json's bytes."""
    data = read_capped(directory / MANIFEST, MAX_MANIFEST_BYTES)
    manifest = parse_manifest(data)
    check_place(manifest, directory)
    return manifest, hashlib.sha256(data).hexdigest()


def check_place(manifest: Manifest, directory: Path) -> None:
    """Raise `WrongPlace` when a version was copied into another one's folder."""
    if directory.absolute().parts[-3:] != (manifest.product, "versions", str(manifest.version)):
        raise WrongPlace(f"{directory} holds {manifest.product}@{manifest.version}")


def parse_manifest(data: bytes) -> Manifest:
    """Bytes of a manifest.json → Manifest."""
    fields = parse_object(data, MANIFEST)
    if fields.get("format_version") != FORMAT_VERSION:
        raise UnknownFormatVersion(f"format version {fields.get('format_version')!r}; this program reads 1")
    return validate_manifest(fields, data)


def validate_manifest(fields: dict[str, Any], data: bytes | None = None) -> Manifest:
    """`fields` as Python objects, or the JSON `data` that they were parsed from → Manifest."""
    try:
        manifest = Manifest.model_validate(fields) if data is None else Manifest.model_validate_json(data)
    except ValidationError as exc:
        raise ManifestInvalid(f"the manifest is not valid: {_first(exc)}") from exc
    except DetectorError as exc:  # from a spec or calibration that checks itself
        raise ManifestInvalid(f"the manifest is not valid: {exc}") from exc
    _check_files(manifest)
    return manifest


def _check_files(manifest: Manifest) -> None:
    for name in (*manifest.files, *(golden.file for golden in manifest.golden)):
        if name not in (WEIGHTS, GRAPH) and not GOLDEN_NAME.fullmatch(name):
            raise UnsafePath(f"{name!r} is no file name that an artifact may hold")
    listed = [WEIGHTS, *(golden.file for golden in manifest.golden)]
    if sorted(listed) != sorted(set(manifest.files) - {GRAPH}):
        raise ManifestInvalid("files must be the weights and each golden picture, once, and the graph if there is one")
    if GRAPH in manifest.files and "backbone" not in manifest.detector.evidence.maps:
        raise ManifestInvalid("a detector that reads no features of a backbone has no graph of one")


def _check_calibration(calibration: Calibration) -> None:
    """What `Calibration` leaves open, because only a file can lie about it."""
    scores = calibration.scores
    if not 1 <= len(scores) <= MAX_SCORES or list(scores) != sorted(scores):
        raise ValueError(f"calibration.scores must be 1 to {MAX_SCORES} numbers, ascending")
    if calibration.revision < 1 or not 0 < calibration.promise < 1 or not 0 <= calibration.review_rate < 1:
        raise ValueError("calibration: revision counts from 1, promise and review_rate are shares")


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"]
