"""POST /inspect and the verdicts that came of it."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response
from structlog.contextvars import bind_contextvars

from app.arrival import arrival_of
from app.body import read_part
from app.deadline import HEADER, read_deadline_ms
from app.hangup import while_connected
from app.inspection import Inspection
from app.openapi import INSPECT, STATUSES, binary, problems
from app.picture_errors import HeatmapLost, NoHeatmap
from app.schemas import Answer

router = APIRouter(tags=["inspection"])
RECORDED = ("verdict.unknown", "ledger.unavailable")
HEATMAP = ("heatmap.none", "heatmap.lost", "heatmap.expired", "heatmap.unavailable")
CHANGEOVER = ("product.version_refused", "product.not_prepared", "product.nothing_to_roll_back")
ELSEWHERE = {"verdict.unknown", *HEATMAP, *CHANGEOVER, "service.not_ready"}  # codes that inspecting never gives
CODES = sorted(STATUSES.keys() - ELSEWHERE)


@router.post(
    "/inspect",
    response_model=Answer,
    responses=problems(*CODES),
    openapi_extra=INSPECT,
)
async def inspect(request: Request) -> dict[str, Any]:
    """Inspect one picture. The verdict is recorded before it is answered, and GET /verdicts/{id} gives it again.

    Two ways, the same answer:

    - the picture as the body, its fields in the query:
      `curl -H 'Content-Type: image/jpeg' --data-binary @part.jpg 'http://…/inspect?product=solar-mono&part_id=C-42'`
    - a form: `curl -F image=@part.jpg -F product=solar-mono http://…/inspect`

    JPEG, PNG, BMP, TIFF or WebP; of several frames the first. EXIF says which way is up, and regions are in pixels of
    the upright picture.
    """
    state = request.app.state
    given_ms, arrival = read_deadline_ms(request.headers.get(HEADER)), arrival_of(request)
    data, part = await read_part(request, state.settings.max_body_bytes)
    request.state.product = part.product if state.catalog.served(part.product) else ""
    due = state.deadlines.due(arrival, part.product, given_ms)
    inspection: Inspection = state.inspection
    bind_contextvars(product=part.product, part_id=part.part_id, station=part.station)
    answer = await while_connected(request, inspection.inspect(data, part, arrival.received_at, due))
    _describe_span(request, answer)
    return answer


@router.get("/verdicts/{verdict_id}", response_model=Answer, responses=problems(*RECORDED))
async def verdict(request: Request, verdict_id: str) -> dict[str, Any]:
    """A verdict as it was answered, without the heatmap's data; also after a restart."""
    answer: dict[str, Any] = await request.app.state.ledger.find(verdict_id)
    return answer


@router.get(
    "/verdicts/{verdict_id}/heatmap",
    response_class=Response,
    responses=binary("image/png", "application/octet-stream") | problems(*RECORDED, *HEATMAP),
)
async def heatmap(request: Request, verdict_id: str) -> Response:
    """The heatmap that was asked for when the part was inspected; `raw` is float32, little-endian, row by row."""
    state = request.app.state
    kept = (await state.ledger.find(verdict_id))["heatmap"]
    if kept is None:
        raise NoHeatmap(f"verdict {verdict_id!r} was inspected with heatmap=none")
    if kept.get("lost"):
        raise HeatmapLost(f"the heatmap of verdict {verdict_id!r} was refused by the disk when it was inspected")
    data = await state.ledger.old_heatmap(verdict_id)
    if data is None:
        data = await asyncio.to_thread(state.pictures.load, verdict_id, kept["style"])
    return Response(data, media_type=kept["media_type"])


def _describe_span(request: Request, answer: dict[str, Any]) -> None:
    """What its span says of a part, for app/otel.py."""
    request.state.stages = answer["timings_ms"]
    names = ("product", "part_id", "station", "verdict")
    known = {f"inspect.{name}": answer[name] for name in names if answer[name] is not None}
    request.state.span = known | {"inspect.verdict_id": answer["id"]}
