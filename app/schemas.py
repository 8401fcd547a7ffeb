"""Wire types: what an answer looks like, for OpenAPI and for whoever writes a client."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Thresholds(BaseModel):
    """A score above `ng_above` is ng; one above `review_above` goes to a person."""

    ng_above: float
    review_above: float
    revision: int
    decided_by: float


class Model(BaseModel):
    """The version that scored, and the SHA-256 of its manifest."""

    version: int
    digest: str
    spec_digest: str | None = None
    """SHA-256 of what the detector is, without its weights; absent in verdicts of schema 1 and 2."""


class Health(BaseModel):
    """How good the picture is as a picture: app/image_health.py."""

    mean: float
    contrast: float
    sharpness: float
    saturated_share: float


class PictureFacts(BaseModel):
    """The upright picture as it was sent, px; an error may know less of it."""

    sha256: str | None = None
    """Of the bytes as they were sent."""
    width: int | None
    height: int | None
    format: str | None
    health: Health | None = None
    url: str | None = None
    """Where the picture is found again; null where the policy wanted none."""
    lost: bool = False
    """The policy wanted it, and the disk or the bucket refused it; the verdict holds."""


class Region(BaseModel):
    """One connected place above the ng threshold, in the picture's own pixels; on an ok part too small to decide."""

    x: int
    y: int
    width: int
    height: int
    area: int
    peak: float


class Heatmap(BaseModel):
    """8-bit grey on the product's fixed scale (128 = ng threshold), an overlay, or raw little-endian float32."""

    style: Literal["png", "overlay", "raw"]
    media_type: str
    width: int
    height: int
    scale: dict[str, float]
    url: str | None
    lost: bool = False
    """The disk or the bucket refused it; the verdict holds."""
    kept: bool = True
    """False where it was drawn for the answer alone, or lost: `url` is null then."""
    sha256: str | None = None
    data: str | None = None


class Answer(BaseModel):
    """What POST /inspect and GET /verdicts/{id} give. Timestamps are UTC, RFC 3339.

    An `error` has a `code` in place of a score; `counts_as` says what to do with the part, and is never `ok` then.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "3f0c3f0e-7a55-4d0e-9b7c-1f2d3c4b5a69",
                "seq": 1041,
                "product": "solar-mono",
                "part_id": "C-0042",
                "station": "EL-1",
                "job": "LOT-7",
                "simulated": False,
                "captured_at": "2026-11-24T08:15:02.120Z",
                "received_at": "2026-11-24T08:15:02.137Z",
                "queued_at": "2026-11-24T08:15:02.139Z",
                "decided_at": "2026-11-24T08:15:02.161Z",
                "verdict": "ng",
                "code": None,
                "detail": None,
                "counts_as": "ng",
                "score": 5.31,
                "thresholds": {"ng_above": 3.9, "review_above": 3.4, "revision": 1, "decided_by": 3.9},
                "model": {
                    "version": 3,
                    "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                    "spec_digest": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
                },
                "picture": {
                    "sha256": "fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13",
                    "width": 300,
                    "height": 300,
                    "format": "png",
                    "health": {"mean": 0.31, "contrast": 0.52, "sharpness": 0.08, "saturated_share": 0.001},
                    "url": "/verdicts/3f0c3f0e-7a55-4d0e-9b7c-1f2d3c4b5a69/image",
                    "lost": False,
                },
                "regions": [{"x": 40, "y": 112, "width": 31, "height": 9, "area": 143, "peak": 5.31}],
                "heatmap": None,
                "timings_ms": {"decode": 1.1, "device": 17.9, "total": 24.0},
                "software": "0.1.0",
                "device": "cpu",
                "precision": "float32",
                "revision": 1,
                "supersedes": None,
                "request_id": "line-3.0042",
            }
        }
    )

    id: str
    seq: int | None
    """Counts from 1, without a gap, in the order of commits; null while the verdict waits in the journal."""
    product: str
    part_id: str | None
    station: str | None
    job: str | None
    simulated: bool
    captured_at: str | None
    received_at: str | None
    """When the service had the request's head."""
    queued_at: str | None
    """When it was ready for a worker."""
    decided_at: str
    verdict: Literal["ok", "review", "ng", "error"]
    code: str | None
    detail: str | None
    counts_as: Literal["ok", "review", "ng"]
    score: float | None
    thresholds: Thresholds | None
    model: Model | None
    picture: PictureFacts | None
    regions: list[Region]
    heatmap: Heatmap | None
    timings_ms: dict[str, float]
    software: str | None
    device: str | None
    precision: str | None
    revision: int | None
    """Counts the re-inspections of the part that were meant; null while the verdict waits in the journal."""
    supersedes: str | None
    """The id of the verdict that this one takes the place of."""
    request_id: str | None


class Product(BaseModel):
    """What the store holds of a product, and whether it serves."""

    product: str
    state: Literal["serving", "unavailable"]
    reason: str | None
    version: int | None
    digest: str | None
    ng_above: float | None
    review_above: float | None
    threshold_revision: int | None
    promise: float | None
    """Of the calibrated thresholds; null where a person has set others, which promise nothing."""
    metrics: dict[str, float]


class Version(BaseModel):
    """`active` is what the store says; `serving` what a worker has proved and answers with."""

    version: int
    active: bool
    serving: bool


class Prepare(BaseModel):
    """Which version to load; the newest where none is named."""

    model_config = ConfigDict(extra="forbid")

    version: int | None = Field(None, ge=1, le=999_999_999)


class Preparing(BaseModel):
    """A load in the background; `reason` says why it failed. `estimated_s` is that of the whole load."""

    product: str
    version: int
    state: Literal["loading", "ready", "failed"]
    reason: str | None
    bytes: int
    estimated_s: float
    elapsed_s: float


class Problem(BaseModel):
    """RFC 9457; `code` is stable, `detail` is for a person."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    id: str | None = None
    """Of the record that stands in place of a verdict, where one was asked for."""
    verdict: Literal["error"] | None = None
    counts_as: Literal["ng", "review"] | None = None
    recorded: bool | None = None
    """False where the ledger did not take the record."""
    stored_sha256: str | None = None
    sent_sha256: str | None = None
    """Both pictures of an idempotency key that was used twice."""
    earliest: str | None = None
    """The cursor to go on from, where the one that was sent is retired."""


class Alive(BaseModel):
    """Alive, or ready."""

    status: Literal["alive", "ready"]
    degraded: str | None = None
    """What is not as it should be, though parts are inspected."""
