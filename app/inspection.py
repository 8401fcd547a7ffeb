"""The use case: bytes → admission → score → judge → picture store, ledger, metrics → answer.

In: the bytes of one picture and what the sender says about it. Out: the answer of POST /inspect, committed.
Refuses: what detector.errors, model_store.errors, app.pool_errors and app.ledger.errors draw. Nothing is kept on `self`
between calls, and an error is never a verdict.
"""

import asyncio
import base64
import logging
import math
import time
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from structlog.contextvars import get_contextvars

from app.admission import Admission
from app.drift import Drift
from app.ledger.sqlite import Ledger
from app.metrics import Metrics, score_ratio
from app.picture_errors import HeatmapLost
from app.pictures import PictureStore
from app.pool_errors import DeadlineMissed
from app.scoring import Scoring, Seen
from app.stages import Stages
from detector.heatmap import HeatmapScale, encode_png, overlay, to_gray8
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
        admission: Admission,
        scoring: Scoring,
        ledger: Ledger,
        pictures: PictureStore,
        metrics: Metrics,
        drift: Drift,
    ) -> None:
        self._admission = admission
        self._scoring = scoring
        self._ledger = ledger
        self._pictures = pictures
        self._metrics = metrics
        self._drift = drift

    async def inspect(self, data: bytes, part: Part, received_at: datetime, due: float = math.inf) -> dict[str, Any]:
        """Inspect one picture; the answer is in the ledger before this returns, and not later than `due`.

        `due` is a moment of time.monotonic(). Past it nothing is recorded.
        """
        try:
            with self._admission.admit(part.product, len(data)):
                return await self._inspect(data, part, received_at, due)
        except DeadlineMissed:
            self._metrics.deadlines.labels(part.product if self._scoring.serves(part.product) else "").inc()
            raise

    async def _inspect(self, data: bytes, part: Part, received_at: datetime, due: float) -> dict[str, Any]:
        stages = Stages()
        seen = await self._scoring.score(data, part.product, due, stages)
        answer, drawn = await self._conclude(part, seen, received_at, stages)
        if time.monotonic() > due:
            raise DeadlineMissed("the verdict was there after the deadline, and was not recorded")
        await self._ledger.append(answer)
        stages.lap("ledger")
        answer["timings_ms"] = stages.rounded | {"total": stages.total}
        self._observe(part, seen, answer)
        log.info("%s", answer["verdict"], extra={"verdict_id": answer["id"], "score": round(seen.scored.score, 4)})
        if drawn is not None and part.inline:
            answer["heatmap"] = answer["heatmap"] | {"data": base64.b64encode(drawn).decode()}
        return answer

    async def _conclude(
        self, part: Part, seen: Seen, received_at: datetime, stages: Stages
    ) -> tuple[dict[str, Any], bytes | None]:
        """The answer, and its heatmap, kept on disk."""
        answer = _answer(part, seen, received_at)
        drawn = None
        if part.heatmap != "none":
            answer["heatmap"] = _describe(part, answer["id"], seen)
            drawn = await asyncio.to_thread(_draw, part.heatmap, seen)
        stages.lap("post")
        if drawn is not None:
            answer["heatmap"]["lost"] = not await asyncio.to_thread(self._keep, answer["id"], part.heatmap, drawn)
            stages.lap("heatmap")
        stages.laps |= {"queue": seen.scored.queue_ms, "device": seen.scored.device_ms}
        answer["timings_ms"] = stages.rounded
        return answer, drawn

    def _keep(self, verdict_id: str, style: HeatmapStyle, drawn: bytes) -> bool:
        """Whether the disk took the heatmap; a verdict does not wait for a full disk to be emptied."""
        try:
            self._pictures.save(verdict_id, style, drawn)
        except HeatmapLost as error:
            log.error("%s", error)
            self._metrics.heatmaps_lost.inc()
            return False
        return True

    def _observe(self, part: Part, seen: Seen, answer: dict[str, Any]) -> None:
        metrics, product, score, verdict = self._metrics, part.product, seen.scored.score, answer["verdict"]
        station = metrics.stations.label(product, part.station)
        metrics.begin(product, station)
        trace = get_contextvars().get("trace_id")
        for stage, milliseconds in answer["timings_ms"].items():
            metrics.stages.labels(product, stage).observe(milliseconds / 1000, trace and {"trace_id": trace})
        metrics.verdicts.labels(product, station, verdict).inc()
        metrics.batch.labels(product).observe(seen.scored.batch_size)
        metrics.ratio.labels(product, station).observe(max(0.0, score_ratio(score, seen.served.manifest.calibration)))
        metrics.observe_picture(product, station, seen.health)
        self._drift.add(seen.served, station or None, score=score, verdict=verdict, health=seen.health)


def timestamp(moment: datetime) -> str:
    """UTC, RFC 3339, milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _answer(part: Part, seen: Seen, received_at: datetime) -> dict[str, Any]:
    served, picture, scored = seen.served, seen.picture, seen.scored
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


def _describe(part: Part, verdict_id: str, seen: Seen) -> dict[str, Any]:
    height, width = seen.scored.heatmap.shape
    return {
        "style": part.heatmap,
        "media_type": "application/octet-stream" if part.heatmap == "raw" else "image/png",
        "width": width,
        "height": height,
        "scale": asdict(HeatmapScale.of(seen.served.manifest.calibration)),
        "url": f"/verdicts/{verdict_id}/heatmap",
    }


def _draw(style: HeatmapStyle, seen: Seen) -> bytes:
    """`raw` is the map itself: height x width float32, little-endian, row by row."""
    if style == "raw":
        return seen.scored.heatmap.astype("<f4").tobytes()
    scale = HeatmapScale.of(seen.served.manifest.calibration)
    if style == "overlay":
        return encode_png(overlay(seen.picture.pixels, seen.scored.heatmap, scale))
    return encode_png(to_gray8(seen.scored.heatmap, scale))
