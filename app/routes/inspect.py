"""POST /inspect and the verdicts that came of it."""

from typing import Any

from fastapi import APIRouter, Request, Response

from app.arrival import arrival_of
from app.body import read_part
from app.errors import responses
from app.ledger.errors import UnknownVerdict
from app.schemas import Answer

router = APIRouter(tags=["inspection"])
TEXT = {"type": "string"}
QUERY: dict[str, Any] = {
    "product": TEXT,
    "part_id": TEXT,
    "station": TEXT,
    "captured_at": {"type": "string", "format": "date-time"},
    "heatmap": {"type": "string", "enum": ["none", "png", "overlay", "raw"], "default": "png"},
    "inline": {"type": "boolean", "default": True},
}
BINARY = {"schema": {"type": "string", "format": "binary"}}
FORM: dict[str, Any] = {
    "type": "object",
    "required": ["image"],
    "properties": {"image": {"type": "string", "format": "binary"}, **QUERY},
}
REQUEST: dict[str, Any] = {
    "parameters": [{"name": name, "in": "query", "schema": schema} for name, schema in QUERY.items()],
    "requestBody": {
        "required": True,
        "content": {"image/png": BINARY, "image/jpeg": BINARY, "multipart/form-data": {"schema": FORM}},
    },
}


@router.post(
    "/inspect",
    response_model=Answer,
    responses=responses(404, 409, 413, 415, 422, 500, 503, 504),
    openapi_extra=REQUEST,
)
async def inspect(request: Request) -> dict[str, Any]:
    """Inspect one picture. `product` (required) and the others go in the query or as form fields."""
    state = request.app.state
    data, part = await read_part(request, state.settings.max_body_bytes)
    answer: dict[str, Any] = await state.inspection.inspect(data, part, arrival_of(request).received_at)
    return answer


@router.get("/verdicts/{verdict_id}", response_model=Answer, responses=responses(404, 503))
async def verdict(request: Request, verdict_id: str) -> dict[str, Any]:
    """A verdict as it was answered, without the heatmap's data; also after a restart."""
    answer: dict[str, Any] = await request.app.state.ledger.find(verdict_id)
    return answer


@router.get("/verdicts/{verdict_id}/heatmap", response_class=Response, responses=responses(404, 503))
async def heatmap(request: Request, verdict_id: str) -> Response:
    """The heatmap that was asked for when the part was inspected."""
    ledger = request.app.state.ledger
    answer, data = await ledger.find(verdict_id), await ledger.heatmap(verdict_id)
    if data is None:
        raise UnknownVerdict(f"verdict {verdict_id!r} was inspected with heatmap=none")
    return Response(data, media_type=answer["heatmap"]["media_type"])
