"""Error → status, stable code, problem+json (RFC 9457). The only table of its kind; one handler reads it."""

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from app import pool_errors as pool
from app.arrival import REQUEST_ID, arrival_of
from app.delivery import errors as delivery
from app.ledger import errors as ledger
from app.metrics import Metrics
from app.picture_errors import (
    HeatmapDamaged,
    HeatmapExpired,
    HeatmapLost,
    HeatmapNotKept,
    HeatmapUnavailable,
    ImageDamaged,
    ImageExpired,
    ImageLost,
    ImageUnavailable,
    NoHeatmap,
    NoImage,
)
from app.trace import HEADER as TRACEPARENT
from detector import errors as detector
from model_store import errors as store

log = logging.getLogger(__name__)
RETRY_AFTER_S = 1  # where an error does not say how long it will take
LONGEST_RETRY_S = 60
NO_MEMBERS: Mapping[str, Any] = {}


class RequestError(Exception):
    """Root of what is wrong with a request beyond its picture."""


class UnsupportedMediaType(RequestError):
    """The content type is neither a picture's nor multipart."""


class BodyTooLarge(RequestError):
    """More bytes than the service takes."""


class InvalidRequest(RequestError):
    """A parameter or form field is missing or malformed."""


class UploadCutOff(RequestError):
    """The sender went away before the body had ended."""


class UploadTooSlow(RequestError):
    """The body had not ended within the time that an upload may take."""


class KeyMissing(RequestError):
    """The route needs an API key, and the request carries none."""


class KeyUnknown(RequestError):
    """The API key is not one of this service's."""


class KeyExpired(RequestError):
    """The API key was good until its time was over."""


class ScopeMissing(RequestError):
    """The API key is good, but not for this route."""


class RateLimited(RequestError):
    """The API key asks more often than it may; come again, in `wait_s`."""

    def __init__(self, message: str, *, wait_s: float) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class TooManyConnections(RequestError):
    """More connections are open than the service serves; this one was closed."""


class MalformedRequest(RequestError):
    """The request's head is no HTTP, or could be read in two ways; the connection was closed."""


class HeadTooLarge(RequestError):
    """The request's line and headers have more bytes than the service takes; the connection was closed."""


class HungUp(RequestError):
    """The client went away before its answer; its work was cancelled."""


class VersionRefused(RequestError):
    """The version did not load or did not score as at export; the one before goes on serving."""


class NotPrepared(RequestError):
    """No preparation of this product was asked for."""


class BadThresholds(RequestError):
    """Thresholds that make no sense beside each other or beside the version's calibration."""


class VersionGone(RequestError):
    """The version that gave the verdict is no longer in the store."""


class VersionAltered(RequestError):
    """The version of this number in the store is not the one that gave the verdict."""


class NotReady(RequestError):
    """No worker has loaded a product and scored its golden pictures."""


class Refused(Exception):
    """A part was not inspected: `cause` says why, and a record says so in place of a verdict."""

    def __init__(self, cause: Exception, *, verdict_id: str, counts_as: str, recorded: bool) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.members = {"verdict": "error", "counts_as": counts_as, "id": verdict_id, "recorded": recorded}
        """What the problem says beyond its code."""


TABLE: dict[type[Exception], tuple[int, str]] = {
    detector.EmptyPicture: (422, "picture.empty"),
    detector.UnsupportedFormat: (415, "picture.unsupported_format"),
    detector.TruncatedPicture: (422, "picture.truncated"),
    detector.CorruptPicture: (422, "picture.corrupt"),
    detector.UnsupportedPixels: (422, "picture.unsupported_pixels"),
    detector.PictureTooLarge: (413, "picture.too_large"),
    detector.PictureTooSmall: (422, "picture.too_small"),
    detector.ScoreNotFinite: (500, "score.not_finite"),
    detector.DetectorError: (500, "detector.fault"),
    store.BadProductName: (422, "product.bad_name"),
    store.UnknownProduct: (404, "product.unknown"),
    store.UnknownVersion: (404, "product.unknown_version"),
    store.NoActiveVersion: (409, "product.no_active_version"),
    store.NothingToRollBack: (409, "product.nothing_to_roll_back"),
    store.ArtifactError: (503, "product.unavailable"),
    pool.QueueFull: (503, "queue.full"),
    pool.ProductQueueFull: (429, "queue.product_full"),
    pool.Draining: (503, "service.draining"),
    pool.NoWorker: (503, "service.no_worker"),
    pool.ModelUnavailable: (503, "product.unavailable"),
    pool.ModelTooLarge: (507, "product.too_large"),
    pool.NoRoom: (507, "product.no_room"),
    pool.InspectionFailed: (500, "inspection.failed"),
    pool.PictureQuarantined: (422, "picture.quarantined"),
    pool.WorkerLost: (422, "picture.quarantined"),
    pool.DeadlineMissed: (504, "inspection.deadline_missed"),
    pool.InspectionTimeout: (504, "inspection.timeout"),
    ledger.UnknownVerdict: (404, "verdict.unknown"),
    ledger.UnknownPart: (404, "part.unknown"),
    ledger.KeyTaken: (409, "request.key_taken"),
    ledger.NothingToDispose: (409, "verdict.is_error"),
    ledger.NotOnHold: (404, "hold.none"),
    ledger.ThresholdsChanged: (409, "thresholds.changed"),
    ledger.BadCursor: (422, "cursor.bad"),
    ledger.CursorRetired: (410, "cursor.retired"),
    ledger.LedgerBusy: (503, "ledger.busy"),
    ledger.LedgerError: (503, "ledger.unavailable"),
    delivery.UnknownTarget: (404, "delivery.unknown_target"),
    NoHeatmap: (404, "heatmap.none"),
    HeatmapLost: (404, "heatmap.lost"),
    HeatmapExpired: (410, "heatmap.expired"),
    HeatmapUnavailable: (503, "heatmap.unavailable"),
    HeatmapNotKept: (404, "heatmap.not_kept"),
    HeatmapDamaged: (410, "heatmap.damaged"),
    NoImage: (404, "image.none"),
    ImageLost: (404, "image.lost"),
    ImageExpired: (410, "image.expired"),
    ImageDamaged: (410, "image.damaged"),
    ImageUnavailable: (503, "image.unavailable"),
    UnsupportedMediaType: (415, "request.unsupported_media_type"),
    BodyTooLarge: (413, "request.too_large"),
    InvalidRequest: (422, "request.invalid"),
    RequestValidationError: (422, "request.invalid"),
    UploadCutOff: (400, "request.cut_off"),
    UploadTooSlow: (408, "request.too_slow"),
    HungUp: (400, "request.hung_up"),
    KeyMissing: (401, "key.missing"),
    KeyUnknown: (401, "key.unknown"),
    KeyExpired: (401, "key.expired"),
    ScopeMissing: (403, "key.scope_missing"),
    RateLimited: (429, "key.rate_limited"),
    MalformedRequest: (400, "request.malformed"),
    HeadTooLarge: (431, "request.head_too_large"),
    TooManyConnections: (503, "service.too_many_connections"),
    VersionRefused: (409, "product.version_refused"),
    NotPrepared: (404, "product.not_prepared"),
    BadThresholds: (422, "thresholds.bad"),
    VersionGone: (410, "replay.version_gone"),
    VersionAltered: (409, "replay.version_altered"),
    NotReady: (503, "service.not_ready"),
}
COME_AGAIN = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}  # these carry Retry-After
HTTP_CODES = {404: "route.unknown", 405: "method.not_allowed"}
CHALLENGES = {  # RFC 6750, section 3
    "key.missing": 'Bearer realm="inspect-line"',
    "key.unknown": 'Bearer realm="inspect-line", error="invalid_token"',
    "key.expired": 'Bearer realm="inspect-line", error="invalid_token"',
    "key.scope_missing": 'Bearer realm="inspect-line", error="insufficient_scope"',
}
PROBLEM = "application/problem+json"


def row_of(error: Exception) -> tuple[int, str]:
    """The row of the nearest class; a fault of ours where there is none."""
    return next((TABLE[kind] for kind in type(error).__mro__ if kind in TABLE), (500, "service.fault"))


def problem(request: Request, status: int, code: str, detail: str, members: Mapping[str, Any] = NO_MEMBERS) -> Response:
    """One problem+json answer, and its line in the log; `members` are those of this kind of problem."""
    arrival = arrival_of(request)
    request_id = arrival.request_id
    is_ours = status >= HTTPStatus.INTERNAL_SERVER_ERROR and code != "service.not_ready"  # which probes ask for
    level = logging.WARNING if is_ours else logging.INFO
    # %a: what a sender wrote stays one line of ASCII
    who = request.scope["state"].get("who")
    asked = (request_id, f" of {who}" if who else "", request.method, request.scope["path"])
    log.log(level, "request %s%s: %s %a: %d %s: %a", *asked, status, code, detail)
    body = {
        "type": f"urn:inspect:error:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": request_id,
        **members,
    }
    # a fault of ours is answered outside of the middleware that sets them
    headers = {REQUEST_ID: request_id, TRACEPARENT: arrival.trace.header}
    if status in COME_AGAIN:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if code in CHALLENGES:
        headers["WWW-Authenticate"] = CHALLENGES[code]
    return JSONResponse(body, status, headers, PROBLEM)


def refuse(request: Request, raised: Exception, metrics: Metrics) -> Response:
    """The answer to one error of the table, or to what is in none; its code is counted."""
    error = raised.cause if isinstance(raised, Refused) else raised
    status, code = row_of(error)
    metrics.errors.labels(product_of(request), code).inc()
    detail = "a fault of ours" if code == "service.fault" else _detail(error)
    response = problem(request, status, code, detail, {**_members(error), **_members(raised)})
    if isinstance(error, pool.Full | RateLimited):
        response.headers["Retry-After"] = str(min(LONGEST_RETRY_S, max(1, math.ceil(error.wait_s))))
    return response


def product_of(request: Request) -> str:
    """The product that serves and was to be inspected; empty before that is known, and for what senders made up."""
    product: str = getattr(request.state, "product", "")
    return product


def install_handlers(app: FastAPI, metrics: Metrics) -> None:
    """Answer every error of the table, and what is in none, as problem+json; count its code."""

    async def answer(request: Request, error: Exception) -> Response:
        return refuse(request, error, metrics)

    async def answer_http(request: Request, error: Exception) -> Response:
        if isinstance(error.__cause__, RequestError):  # FastAPI calls whatever stops a JSON body a bad request
            return refuse(request, error.__cause__, metrics)
        status = error.status_code if isinstance(error, HTTPException) else 500
        code = HTTP_CODES.get(status, "request.invalid")
        if code == "request.invalid":  # FastAPI: 400, for a JSON body that is none
            status = TABLE[InvalidRequest][0]
        metrics.errors.labels(product_of(request), code).inc()
        response = problem(request, status, code, str(getattr(error, "detail", error)))
        response.headers.update(_headers(error))
        return response

    for kind in (*TABLE, Refused, Exception):
        app.add_exception_handler(kind, answer)
    app.add_exception_handler(HTTPException, answer_http)


def _detail(error: Exception) -> str:
    if isinstance(error, RequestValidationError):
        return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
    return str(error)


def _members(error: Exception) -> Mapping[str, Any]:
    """What a client needs to go on, beyond the code."""
    if isinstance(error, Refused):
        return error.members
    if isinstance(error, ledger.KeyTaken):
        return {"stored_sha256": error.stored_sha256, "sent_sha256": error.sent_sha256}
    return {"earliest": error.earliest} if isinstance(error, ledger.CursorRetired) else NO_MEMBERS


def _headers(error: Exception) -> Mapping[str, str]:
    """`Allow` of a method that the route does not know."""
    return (error.headers or {}) if isinstance(error, HTTPException) else {}
