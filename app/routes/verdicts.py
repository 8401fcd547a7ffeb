"""Reading the ledger: one verdict, what follows a cursor, and a stream of it."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.ledger.ledger import LATEST, Ledger
from app.ledger.record import Record
from app.ledger_schemas import Pending
from app.listing import Filters, Listing, render
from app.openapi import listing, problems
from app.schemas import Answer
from app.verdict import answer_of, pending_answer

router = APIRouter(prefix="/verdicts", tags=["verdicts"])
AWAY = ("ledger.unavailable",)
RECORDED = ("verdict.unknown", *AWAY)
CURSOR = ("cursor.bad", "cursor.retired", "request.invalid")
PAGE = 100  # verdicts that a stream reads at once
TURN_S = 1.0  # that a stream waits for a verdict before it looks whether the service is stopping


@router.get("", responses=listing() | problems(*CURSOR, *AWAY), response_class=Response)
async def verdicts(request: Request, query: Annotated[Listing, Query()]) -> Response:
    """Verdicts and errors in the order in which they were committed, after a cursor. No gap, no duplicate.

    Poll with the `cursor` of the answer before; `wait` holds the request until something fits, at most so many seconds.
    A page may be empty and still have `more: true`: go on with its `cursor`. Without `after` it begins with the oldest;
    `after=latest` with what comes from now on, `after=latest-500` with the last 500 numbers. `Accept:
    application/x-ndjson` gives a record per line, `text/csv` a table; the cursor is then in the headers `X-Cursor` and
    `Link`.
    """
    ledger: Ledger = request.app.state.ledger
    after = await ledger.place(query.after)
    page = await ledger.page(query.question, after, query.limit, query.wait)
    return render(page.records, cursor=ledger.cursor(page.last_seq), has_more=page.has_more, request=request)


async def _resume(request: Request, last_event_id: Annotated[str | None, Header()] = None) -> int:
    """Where a stream begins: a dependency, so that a cursor that is refused is refused before the stream has begun."""
    ledger: Ledger = request.app.state.ledger
    return await ledger.place(last_event_id or LATEST)


@router.get("/stream", response_class=EventSourceResponse, responses=problems(*CURSOR, *AWAY))
async def stream(
    request: Request, filters: Annotated[Filters, Query()], after: Annotated[int, Depends(_resume)]
) -> AsyncIterator[ServerSentEvent]:
    """The same as server-sent events of the name `verdict`: `id` is the cursor, so that a client which comes back with
    `Last-Event-ID` misses nothing. Without one it begins with what comes from now on.
    """
    ledger: Ledger = request.app.state.ledger
    stopping: asyncio.Event = request.app.state.run.stopping
    while not stopping.is_set():
        page = await ledger.page(filters.question, after, PAGE, TURN_S)
        for record in page.records:
            yield ServerSentEvent(id=ledger.cursor(record.seq), event="verdict", data=answer_of(record))
        after = page.last_seq


@router.get("/{verdict_id}", response_model=Answer | Pending, responses=problems(*RECORDED))
async def verdict(request: Request, response: Response, verdict_id: str) -> Any:
    """A verdict as it was answered, without the heatmap's data; also after a restart. Its `ETag` never changes.

    `verdict` is `pending` while a picture that was posted with `Prefer: respond-async` is being inspected.
    """
    pending = request.app.state.later.find(verdict_id)
    if pending is not None:
        response.headers["Retry-After"] = "1"
        return pending_answer(pending)
    record = await find_record(request, verdict_id)
    answer = answer_of(record)
    if record.seq == 0:  # it will have a number
        return answer
    etag = f'"{hashlib.sha256(json.dumps(answer).encode()).hexdigest()[:32]}"'
    response.headers["ETag"] = etag
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"ETag": etag})
    return answer


async def find_record(request: Request, verdict_id: str) -> Record:
    """A record by its id, or by the id that was promised for it."""
    state = request.app.state
    ledger: Ledger = state.ledger
    return await ledger.find(state.later.resolve(verdict_id))
