"""POST /inspect: a picture in, a verdict out, or an error in its place; recorded either way."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from structlog.contextvars import bind_contextvars

from app.arrival import arrival_of
from app.body import part_in_query, read_part
from app.deadline import HEADER, read_deadline_ms
from app.errors import RequestError
from app.hangup import while_connected
from app.inspection import Inspected, Inspection
from app.later import Later
from app.openapi import INSPECT, STATUSES, later, problems
from app.part import Part
from app.refusal import Refusals
from app.schemas import Answer
from app.submission import Submission, natural_key, read_key, submit, wants_later
from app.verdict import answer_of, pending_answer
from model_store.errors import UnknownProduct

router = APIRouter(tags=["inspection"])
READING = ("verdict.unknown", "verdict.is_error", "part.unknown", "cursor.bad", "cursor.retired")
FATES = ("lost", "expired", "damaged", "unavailable")
FATE = [f"{kind}.{fate}" for kind in ("heatmap", "image") for fate in FATES]
KEPT = ("heatmap.none", "heatmap.not_kept", "image.none", "hold.none", *FATE)
AUDIT = ("thresholds.bad", "thresholds.changed", "replay.version_gone", "replay.version_altered")
CHANGEOVER = ("product.version_refused", "product.not_prepared", "product.nothing_to_roll_back")
AWAY = ("service.not_ready", "delivery.unknown_target")
ELSEWHERE = {*READING, *KEPT, *AUDIT, *CHANGEOVER, *AWAY}  # codes that inspecting never gives
CODES = sorted(STATUSES.keys() - ELSEWHERE)
REPLAYED = "Idempotency-Replayed"


@router.post(
    "/inspect",
    response_model=Answer,
    responses=later() | problems(*CODES),
    openapi_extra=INSPECT,
)
async def inspect(request: Request, response: Response) -> Any:
    """Inspect one picture. The verdict is recorded before it is answered, and GET /verdicts/{id} gives it again.

    Two ways, the same answer:

    - the picture as the body, its fields in the query:
      `curl -H 'Content-Type: image/jpeg' --data-binary @part.jpg 'http://…/inspect?product=solar-mono&part_id=C-42'`
    - a form: `curl -F image=@part.jpg -F product=solar-mono http://…/inspect`

    JPEG, PNG, BMP, TIFF or WebP; of several frames the first. EXIF says which way is up, and regions are in pixels of
    the upright picture.

    An error is recorded too, in place of a verdict: the problem then has `id`, `verdict: error` and `counts_as`, which
    is `ng` or `review` as the product's setting says. `recorded` is false where the ledger did not take it.
    """
    submission = await _receive(request)
    if wants_later(request.headers):
        return await _begin(request, submission)
    inspection: Inspection = request.app.state.inspection
    refusals: Refusals = request.app.state.refusals
    inspected = await refusals.guard(submission, while_connected(request, inspection.inspect(submission)))
    answer = answer_of(inspected.record, inspected.drawn)
    _describe_span(request, answer, replayed=inspected.replayed)
    if inspected.replayed:
        response.headers[REPLAYED] = "true"
    return answer


async def _receive(request: Request) -> Submission:
    """The picture as it came; one that did not come whole is an error of the part that the query names."""
    state, arrival = request.app.state, arrival_of(request)
    given_ms, given_key = read_deadline_ms(request.headers.get(HEADER)), read_key(request.headers)
    try:
        data, part = await read_part(request, state.settings.max_body_bytes)
    except RequestError as error:
        named = part_in_query(request)
        if named is None:
            raise
        _note(request, named)
        lost = Submission(part=named, received_at=arrival.received_at, request_id=arrival.request_id)
        raise await state.refusals.refuse(lost, error) from error
    _note(request, part)
    submission = await submit(data, part, arrival, due=state.deadlines.due(arrival, part.product, given_ms))
    key = given_key or (natural_key(submission) if state.settings.natural_key else None)
    return submission.under(key)


def _note(request: Request, part: Part) -> None:
    """Whose picture it is, for what is counted and logged from now on."""
    request.state.product = part.product if request.app.state.catalog.served(part.product) else ""
    bind_contextvars(product=part.product, part_id=part.part_id, station=part.station)


def _describe_span(request: Request, answer: dict[str, Any], *, replayed: bool) -> None:
    """What its span says of a part, for app/otel.py; the stages of a verdict that was given before are past."""
    request.state.stages = {} if replayed else answer["timings_ms"]
    names = ("product", "part_id", "station", "verdict")
    known = {f"inspect.{name}": answer[name] for name in names if answer[name] is not None}
    request.state.span = known | {"inspect.verdict_id": answer["id"]}


async def _begin(request: Request, submission: Submission) -> Response:
    """202 and where the verdict will be; a verdict that was given before under the same key at once."""
    state = request.app.state
    background: Later = state.later
    if not await state.refusals.knows(submission.part.product):
        raise UnknownProduct(f"no version of {submission.part.product!r} is in the store")
    running: Submission | None = state.inflight.leader(submission.key)
    if running is None:
        inspection: Inspection = state.inspection
        before: Inspected | None = await state.refusals.guard(submission, inspection.replay(submission))
        if before is not None:
            return JSONResponse(answer_of(before.record, before.drawn), headers={REPLAYED: "true"})
        await state.refusals.guard(submission, background.start(submission))
        running = submission
    headers = {"Location": f"/verdicts/{running.id}", "Preference-Applied": "respond-async", "Retry-After": "1"}
    return JSONResponse(pending_answer(running), 202, headers)
