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


class PictureFacts(BaseModel):
    """The upright picture as it was sent, px."""

    width: int
    height: int
    format: str


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
    url: str
    lost: bool = False
    """The disk refused it: `url` will never give it; the verdict holds."""
    data: str | None = None


class Answer(BaseModel):
    """What POST /inspect and GET /verdicts/{id} give. Timestamps are UTC, RFC 3339."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "3f0c3f0e-7a55-4d0e-9b7c-1f2d3c4b5a69",
                "product": "solar-mono",
                "part_id": "C-0042",
                "station": "EL-1",
                "captured_at": "2026-11-24T08:15:02.120Z",
                "received_at": "2026-11-24T08:15:02.137Z",
                "inspected_at": "2026-11-24T08:15:02.161Z",
                "verdict": "ng",
                "score": 5.31,
                "thresholds": {"ng_above": 3.9, "review_above": 3.4, "revision": 1, "decided_by": 3.9},
                "model": {"version": 3, "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
                "picture": {"width": 300, "height": 300, "format": "png"},
                "regions": [{"x": 40, "y": 112, "width": 31, "height": 9, "area": 143, "peak": 5.31}],
                "heatmap": None,
                "timings_ms": {"decode": 1.1, "device": 17.9, "total": 24.0},
            }
        }
    )

    id: str
    product: str
    part_id: str | None
    station: str | None
    captured_at: str | None
    received_at: str | None = None
    """When the service had the request's head; absent in verdicts of schema 1."""
    inspected_at: str
    verdict: Literal["ok", "review", "ng"]
    score: float
    thresholds: Thresholds
    model: Model
    picture: PictureFacts
    regions: list[Region]
    heatmap: Heatmap | None
    timings_ms: dict[str, float]


class Product(BaseModel):
    """What the store holds of a product, and whether it serves."""

    product: str
    state: Literal["serving", "unavailable"]
    reason: str | None
    version: int | None
    digest: str | None
    ng_above: float | None
    review_above: float | None
    promise: float | None
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


class Health(BaseModel):
    """Alive, or ready."""

    status: Literal["alive", "ready"]
