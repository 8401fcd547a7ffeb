"""The use case: bytes → decode → pool → judge → picture store, ledger, metrics → answer.

In: the bytes of one picture and what the sender says about it. Out: the answer of POST /inspect, committed.
Refuses: what detector.errors, model_store.errors, app.pool_errors and app.ledger.errors draw. Nothing is kept on `self`
between calls, and an error is never a verdict.
"""

import asyncio
import base64
import logging
import time
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from app.catalog import Catalog, Served
from app.ledger.sqlite import Ledger
from app.metrics import Metrics
from app.picture_errors import HeatmapLost
from app.pictures import PictureStore
from app.pool import Pool
from app.work import Scored
from detector.decode import DecodeLimits, Picture, decode
from detector.heatmap import HeatmapScale, encode_png, overlay, to_gray8
from detector.preprocess import resize_to_input
from detector.regions import find_regions
from detector.verdict import judge

log = logging.getLogger(__name__)

HeatmapStyle = Literal["none", "png", "overlay", "raw"]


@dataclass(frozen=True, kw_only=True)
class Part:
    """What the sender says about the picture."""

    product: str
    part_id: str | None = None
    station: str | None = None
    captured_at: datetime | None = None
    heatmap: HeatmapStyle = "png"
    inline: bool = True


class Inspection:
    """The parts that one inspection passes through."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        pool: Pool,
        ledger: Ledger,
        pictures: PictureStore,
        metrics: Metrics,
        limits: DecodeLimits,
    ) -> None:
        self._catalog = catalog
        self._pool = pool
        self._ledger = ledger
        self._pictures = pictures
        self._metrics = metrics
        self._limits = limits

    async def inspect(self, data: bytes, part: Part, received_at: datetime) -> dict[str, Any]:
        """Inspect one picture; the answer is in the ledger before this returns."""
        clock = _Stages()
        served = await self._catalog.resolve(part.product)
        picture, pixels = await asyncio.to_thread(self._decode, data, served)
        clock.lap("decode")
        scored = await self._pool.submit(served.ref, pixels)
        clock.lap("pool")
        answer = _answer(part, served, picture, scored, received_at)
        drawn = None
        if part.heatmap != "none":
            answer["heatmap"] = _describe(part, answer["id"], scored, served)
            drawn = await asyncio.to_thread(_draw, part.heatmap, picture, scored, served)
        clock.lap("post")
        if drawn is not None:
            answer["heatmap"]["lost"] = not await asyncio.to_thread(self._keep, answer["id"], part.heatmap, drawn)
            clock.lap("heatmap")
        clock.laps |= {"queue": scored.queue_ms, "device": scored.device_ms}
        answer["timings_ms"] = {name: round(value, 3) for name, value in clock.laps.items()}
        await self._ledger.append(answer)
        clock.lap("ledger")
        self._observe(part.product, answer, clock)
        answer["timings_ms"] = {name: round(value, 3) for name, value in clock.laps.items()} | {"total": clock.total}
        if drawn is not None and part.inline:
            answer["heatmap"] = answer["heatmap"] | {"data": base64.b64encode(drawn).decode()}
        return answer

    def _decode(self, data: bytes, served: Served) -> tuple[Picture, npt.NDArray[np.uint8]]:
        spec = served.manifest.detector.input
        picture = decode(data, spec, self._limits)
        return picture, resize_to_input(picture.pixels, spec)

    def _keep(self, verdict_id: str, style: HeatmapStyle, drawn: bytes) -> bool:
        """Whether the disk took the heatmap; a verdict does not wait for a full disk to be emptied."""
        try:
            self._pictures.save(verdict_id, style, drawn)
        except HeatmapLost as error:
            log.error("%s", error)
            self._metrics.heatmaps_lost.inc()
            return False
        return True

    def _observe(self, product: str, answer: dict[str, Any], clock: "_Stages") -> None:
        for stage, milliseconds in clock.laps.items():
            self._metrics.stages.labels(product, stage).observe(milliseconds / 1000)
        self._metrics.verdicts.labels(product, answer["verdict"]).inc()
        if answer["thresholds"]["ng_above"] > 0:  # a standardised score has no fixed zero
            self._metrics.ratio.labels(product).observe(answer["score"] / answer["thresholds"]["ng_above"])


class _Stages:
    """Milliseconds per stage of one request."""

    def __init__(self) -> None:
        self._started = self._last = time.perf_counter()
        self.laps: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """The stage that has just ended."""
        now = time.perf_counter()
        self.laps[stage], self._last = (now - self._last) * 1000, now

    @property
    def total(self) -> float:
        """Since the beginning."""
        return round((time.perf_counter() - self._started) * 1000, 3)


def timestamp(moment: datetime) -> str:
    """UTC, RFC 3339, milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _answer(part: Part, served: Served, picture: Picture, scored: Scored, received_at: datetime) -> dict[str, Any]:
    calibration = served.manifest.calibration
    judgement = judge(scored.score, calibration)
    regions = find_regions(
        scored.heatmap, calibration.ng_above, picture_width=picture.width, picture_height=picture.height
    )
    return {
        "id": str(uuid.uuid4()),
        "product": part.product,
        "part_id": part.part_id,
        "station": part.station,
        "captured_at": None if part.captured_at is None else timestamp(part.captured_at),
        "received_at": timestamp(received_at),
        "inspected_at": timestamp(datetime.now(UTC)),
        "verdict": str(judgement.verdict),
        "score": scored.score,
        "thresholds": {
            "ng_above": calibration.ng_above,
            "review_above": calibration.review_above,
            "revision": calibration.revision,
            "decided_by": judgement.decided_by,
        },
        "model": {"version": served.ref.version, "digest": served.ref.digest},
        "picture": {"width": picture.width, "height": picture.height, "format": picture.format},
        "regions": [asdict(region) for region in regions],
        "heatmap": None,
        "timings_ms": {},
    }


def _describe(part: Part, verdict_id: str, scored: Scored, served: Served) -> dict[str, Any]:
    height, width = scored.heatmap.shape
    return {
        "style": part.heatmap,
        "media_type": "application/octet-stream" if part.heatmap == "raw" else "image/png",
        "width": width,
        "height": height,
        "scale": asdict(HeatmapScale.of(served.manifest.calibration)),
        "url": f"/verdicts/{verdict_id}/heatmap",
    }


def _draw(style: HeatmapStyle, picture: Picture, scored: Scored, served: Served) -> bytes:
    """`raw` is the map itself: height x width float32, little-endian, row by row."""
    if style == "raw":
        return scored.heatmap.astype("<f4").tobytes()
    scale = HeatmapScale.of(served.manifest.calibration)
    if style == "overlay":
        return encode_png(overlay(picture.pixels, scored.heatmap, scale))
    return encode_png(to_gray8(scored.heatmap, scale))
