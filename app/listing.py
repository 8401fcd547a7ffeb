"""What a client asks of GET /verdicts → a question to the ledger; a page of records → JSON, NDJSON or CSV.

In: query parameters, and records. Out: `Query`, and an answer with its cursor in `X-Cursor` and `Link`. Refuses:
parameters that are unknown or malformed; one that is misspelled would otherwise filter nothing.
"""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Annotated, Literal

from fastapi import Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.ledger.reading import Query
from app.ledger.record import Record, timestamp
from app.verdict import answer_of

NDJSON, CSV = "application/x-ndjson", "text/csv"
LONGEST_WAIT_S = 60.0
MOST = 1000
Text = Annotated[str, Field(max_length=200)]
Kind = Literal["ok", "review", "ng", "error"]
NOT_IN_CSV = {"regions", "heatmap", "timings_ms", "idempotency_key", "reinspect"}
COLUMNS = [field.name for field in fields(Record) if field.name not in NOT_IN_CSV]


class Filters(BaseModel):
    """Which verdicts; nothing given is any."""

    model_config = ConfigDict(extra="forbid")

    product: Text | None = None
    station: Text | None = None
    part_id: Text | None = None
    job: Text | None = None
    verdict: list[Kind] | None = Field(None, description="Repeat it for several.")
    simulated: bool | None = None
    since: AwareDatetime | None = Field(None, description="Decided at this moment or later; RFC 3339 with a zone.")
    until: AwareDatetime | None = Field(None, description="Decided before this moment.")

    @property
    def question(self) -> Query:
        """To the ledger."""
        return Query(
            product=self.product,
            station=self.station,
            part_id=self.part_id,
            job=self.job,
            verdict=None if self.verdict is None else tuple(self.verdict),
            simulated=self.simulated,
            since=None if self.since is None else timestamp(self.since),
            until=None if self.until is None else timestamp(self.until),
        )


class Listing(Filters):
    """Where to begin, how many, and how long to wait for the first."""

    after: str | None = Field(None, max_length=200, description="A cursor, `latest`, or `latest-500`.")
    limit: int = Field(100, ge=1, le=MOST)
    wait: float = Field(0.0, ge=0, le=LONGEST_WAIT_S, description="Seconds.")


def render(records: Sequence[Record], *, cursor: str, has_more: bool, request: Request) -> Response:
    """A page in the form that the client accepts; JSON where it does not say."""
    accepted = request.headers.get("accept", "")
    if NDJSON in accepted:
        response = Response("".join(f"{_json(answer_of(record))}\n" for record in records), media_type=NDJSON)
    elif CSV in accepted:
        response = Response(_table(records), media_type=CSV)
    else:
        page = {"verdicts": [answer_of(record) for record in records], "cursor": cursor, "more": has_more}
        response = Response(_json(page), media_type="application/json")
    url = request.url.include_query_params(after=cursor)
    response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    response.headers["X-Cursor"], response.headers["X-More"] = cursor, str(has_more).lower()
    response.headers["Cache-Control"] = "no-store"
    response.headers["Vary"] = "Accept"
    return response


def _table(records: Sequence[Record]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([_cell(getattr(record, name)) for name in COLUMNS] for record in records)
    return text.getvalue()


def _cell(value: object) -> object:
    """`true`, as JSON says it, and not Python's `True`."""
    return str(value).lower() if isinstance(value, bool) else value


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
