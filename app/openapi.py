"""What OpenAPI cannot read off the code: the body of POST /inspect, the errors of a route, what each code means.

In: stable codes of app/errors.py. Out: pieces of an OpenAPI document for the routes' decorators. Refuses: a code that
no error has (KeyError, when the service starts).
"""

from collections import defaultdict
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, get_args

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.arrival import ACCEPTED, REQUEST_ID
from app.body import LONGEST_LABEL
from app.deadline import HEADER, LONGEST_MS
from app.errors import COME_AGAIN, PROBLEM, TABLE
from app.ledger_schemas import Page, Pending
from app.part import HeatmapStyle
from app.schemas import Problem
from app.security import API_KEY, Rule, find_rule
from app.submission import KEY, PREFER
from app.trace import HEADER as TRACEPARENT
from detector.decode import SUPPORTED_MEDIA_TYPES

FAULT = "service.fault"
STATUSES = {code: status for status, code in TABLE.values()} | {FAULT: 500}
MEANINGS = {code: (kind.__doc__ or "").partition("\n")[0] for kind, (_, code) in reversed(TABLE.items())} | {
    "detector.fault": "The detector raised on purpose, for a reason that has no code of its own.",
    "ledger.unavailable": "The ledger did not answer. What was not recorded is no verdict: send the picture again.",
    "product.unavailable": "No version of the product loads; `detail` says why.",
    FAULT: "A fault of ours; the log has more under `request_id`.",
}
ABOUT = """Post the image of a part, get an anomaly score, a verdict and a heatmap.

Every error is `application/problem+json` with a stable `code`; `detail` is for people. An error is never a verdict.
Every answer carries `X-Request-Id`: the client's own, if it sent one of 1 to 128 characters of `A-Za-z0-9._-`.
Every answer carries `traceparent` (W3C trace context), in your trace where you sent one.
429 and 503 carry `Retry-After`, seconds. Timestamps are UTC, RFC 3339, milliseconds.
Where the service has keys, send one as `Authorization: Bearer …` or `X-API-Key`; each operation names the scope that it
needs, and `admin` stands for all."""

TEXT = {"type": "string", "maxLength": LONGEST_LABEL, "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]*$"}
FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "product": ({"type": "string", "maxLength": 63}, "Required, here or in the form. GET /products lists them."),
    "part_id": (TEXT, "Your name of the part; comes back in the verdict."),
    "station": (TEXT, "Your name of the camera or station; comes back in the verdict."),
    "job": (TEXT, "Your name of the job or lot; comes back in the verdict."),
    "simulated": (
        {"type": "boolean", "default": False},
        "A trial: it is recorded and marked, and counts neither for the part nor for rates.",
    ),
    "reinspect": (
        {"type": "boolean", "default": False},
        "The part is inspected again on purpose: `revision` counts up, `supersedes` names the verdict before.",
    ),
    "captured_at": ({"type": "string", "format": "date-time"}, "When the camera took it, RFC 3339 with a zone."),
    "heatmap": ({"type": "string", "enum": list(get_args(HeatmapStyle)), "default": "png"}, "How it is drawn."),
    "inline": (
        {"type": "boolean", "default": True},
        "Whether the answer holds the heatmap, base64; else only its `url`.",
    ),
}
BINARY = {"type": "string", "format": "binary"}
PROPERTIES = {name: schema | {"description": says} for name, (schema, says) in FIELDS.items()}
FORM = {"type": "object", "required": ["image"], "properties": {"image": BINARY, **PROPERTIES}}
EXAMPLES = {"product": "solar-mono", "part_id": "C-0042", "station": "EL-1", "captured_at": "2026-11-24T08:15:02.120Z"}
INSPECT: dict[str, Any] = {
    "parameters": [
        {"name": name, "in": "query", "schema": schema, "description": says}
        | ({"example": EXAMPLES[name]} if name in EXAMPLES else {})
        for name, (schema, says) in FIELDS.items()
    ]
    + [
        {
            "name": REQUEST_ID,
            "in": "header",
            "schema": {"type": "string", "pattern": f"^{ACCEPTED.pattern}$"},
            "description": "Your name of this request; another one is replaced.",
        },
        {
            "name": TRACEPARENT,
            "in": "header",
            "schema": {"type": "string"},
            "description": "W3C trace context; the answer carries one too, with our span in your trace.",
        },
        {
            "name": HEADER,
            "in": "header",
            "schema": {"type": "integer", "minimum": 1, "maximum": LONGEST_MS},
            "description": "Milliseconds from this request's head; a verdict that cannot come by then is not made.",
        },
        {
            "name": KEY,
            "in": "header",
            "schema": {"type": "string", "maxLength": 200},
            "description": "Requests of one key are one request: a repeated one is answered with the verdict that was "
            "given, and `Idempotency-Replayed: true`; errors take no key. For as long as the verdict is kept.",
        },
        {
            "name": PREFER,
            "in": "header",
            "schema": {"type": "string"},
            "description": "`respond-async`: 202 at once, and the verdict at `Location` when it is there.",
        },
    ],
    "requestBody": {
        "required": True,
        "description": "The picture as the whole body, or a form with the file field `image`; the first bytes of the "
        "picture say what it is, not its name or type. A field may stand in the query or in the form, not in both.",
        "content": {
            "multipart/form-data": {"schema": FORM, "example": {"image": "@part.png", **EXAMPLES}},
            **{kind: {"schema": BINARY} for kind in (*sorted(SUPPORTED_MEDIA_TYPES), "application/octet-stream")},
        },
    },
}
SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The key, in `Authorization: Bearer …`."},
    "key": {"type": "apiKey", "in": "header", "name": API_KEY, "description": "The same key, where that is simpler."},
}
AT_THE_DOOR = ("key.missing", "key.unknown", "key.expired", "key.scope_missing", "key.rate_limited")
ANYWHERE = ("service.too_many_connections", "request.malformed", "request.head_too_large")


def problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries of the errors that a route can answer, by status, each code with its meaning and an example."""
    by_status: dict[int, list[str]] = defaultdict(list)
    for code in {*codes, FAULT}:
        by_status[STATUSES[code]].append(code)
    return {status: _entry(status, sorted(codes)) for status, codes in sorted(by_status.items())}


def binary(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entry of an answer that is no JSON."""
    return {200: {"description": "The bytes.", "content": {kind: {"schema": BINARY} for kind in kinds}}}


def later() -> dict[int | str, dict[str, Any]]:
    """OpenAPI entry of an inspection that goes on after its answer."""
    headers = {"Location": {"schema": {"type": "string"}, "description": "Where the verdict will be."}}
    return {202: {"model": Pending, "description": "Taken, with `Prefer: respond-async`.", "headers": headers}}


def listing() -> dict[int | str, dict[str, Any]]:
    """OpenAPI entry of a page of verdicts in three forms."""
    text = {"schema": {"type": "string"}}
    headers = {
        "Link": {"schema": {"type": "string"}, "description": 'The next page, `rel="next"`.'},
        "X-Cursor": {"schema": {"type": "string"}, "description": "The cursor after this page."},
        "X-More": {"schema": {"type": "boolean"}, "description": "Whether there is something after it already."},
    }
    content = {"application/x-ndjson": text, "text/csv": text}
    return {200: {"model": Page, "description": "In the order of commits.", "headers": headers, "content": content}}


def install_openapi(app: FastAPI, *, has_keys: bool) -> None:
    """Generate the document once, with the problem that error answers refer to and without FastAPI's own 422."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, description=ABOUT, routes=app.routes)
            schema["components"]["schemas"]["Problem"] = Problem.model_json_schema()
            schema["components"]["securitySchemes"] = SCHEMES
            for name in ("HTTPValidationError", "ValidationError"):
                schema["components"]["schemas"].pop(name, None)
            for path, operations in schema["paths"].items():
                for method, operation in operations.items():
                    _drop_foreign_problem(operation["responses"])
                    _describe_door(operation, find_rule(method.upper(), path), has_keys=has_keys)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _describe_door(operation: dict[str, Any], rule: Rule | None, *, has_keys: bool) -> None:
    """Who may pass, and what the others are told."""
    needed = "admin" if rule is None else rule.scope
    _add_problems(operation["responses"], ANYWHERE)
    if needed is None:
        return
    _add_problems(operation["responses"], AT_THE_DOOR)
    operation["security"] = [*({scheme: []} for scheme in SCHEMES), *([] if has_keys else [{}])]
    operation["description"] += f"\n\nScope: `{needed}`."


def _add_problems(responses: dict[str, Any], codes: Sequence[str]) -> None:
    for status in sorted({STATUSES[code] for code in codes}):
        before = responses.get(str(status), {}).get("content", {}).get(PROBLEM, {}).get("examples", {})
        mine = {code for code in codes if STATUSES[code] == status}
        responses[str(status)] = _entry(status, sorted({*before, *mine}))


def _entry(status: int, codes: list[str]) -> dict[str, Any]:
    wait = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    return {
        "description": "\n".join([HTTPStatus(status).phrase, "", *(f"- `{code}`: {MEANINGS[code]}" for code in codes)]),
        "headers": wait if status in COME_AGAIN else {},
        "content": {
            PROBLEM: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {code: {"value": _example(status, code)} for code in codes},
            }
        },
    }


def _example(status: int, code: str) -> dict[str, Any]:
    return {
        "type": f"urn:inspect:error:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": MEANINGS[code],
        "request_id": "line-3.0042",
    }


def _drop_foreign_problem(responses: dict[str, Any]) -> None:
    """FastAPI promises its own 422 for every parameter; ours are text and cannot fail."""
    if "application/json" in responses.get("422", {}).get("content", {}):
        del responses["422"]
