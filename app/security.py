"""Who may do what: the scope of every route, and the door that checks it before a body is read.

In: a request's head. Out: `request.state.who`, the name of its key (None where the service has no keys or the route is
open). Refuses: no key, an unknown or expired one (401), one without the scope (403), one that asks too often (429).
Pure ASGI and not a dependency of each route: FastAPI reads a JSON body before it asks any dependency.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from re import Pattern

from fastapi import Request
from starlette.datastructures import Headers
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from app.arrival import arrival_of
from app.errors import KeyExpired, KeyMissing, KeyUnknown, RateLimited, RequestError, ScopeMissing, refuse
from app.keys import LONGEST_KEY, Key, Keyring, Scope
from app.metrics import Metrics
from app.rates import Rates

log = logging.getLogger(__name__)

# Every route and what its caller needs; None is open whatever the settings say. A route that is not here needs `admin`,
# and a test fails. HEAD needs what GET needs. A path of constant text stands before one that means the same.
ROUTES: dict[str, Scope | None] = {
    "GET /livez": None,
    "GET /console": None,  # nothing secret is in the page: what it shows it asks for, with a key
    "GET /console/assets/{path:path}": None,
    "GET /readyz": "read",
    "GET /status": "read",
    "GET /metrics": "read",
    "GET /docs": "read",
    "GET /docs/assets/{path:path}": "read",
    "GET /openapi.json": "read",
    "POST /inspect": "inspect",
    "GET /verdicts": "read",
    "GET /verdicts/stream": "read",
    "GET /verdicts/{verdict_id}": "read",
    "GET /verdicts/{verdict_id}/image": "read",
    "GET /verdicts/{verdict_id}/heatmap": "read",
    "GET /verdicts/{verdict_id}/hold": "read",
    "PUT /verdicts/{verdict_id}/hold": "operate",
    "DELETE /verdicts/{verdict_id}/hold": "operate",
    "GET /verdicts/{verdict_id}/replay": "operate",
    "GET /retention": "read",
    "GET /products/{product}/thresholds": "read",
    "PUT /products/{product}/thresholds": "operate",
    "POST /products/{product}/thresholds:simulate": "read",
    "GET /verdicts/{verdict_id}/dispositions": "read",
    "POST /verdicts/{verdict_id}/disposition": "operate",
    "GET /deliveries": "read",
    "GET /deliveries/{target}": "read",
    "POST /deliveries/{target}/replay": "operate",
    "GET /parts/{part_id:path}": "read",
    "GET /products": "read",
    "GET /products/{product}": "read",
    "GET /products/{product}/drift": "read",
    "GET /products/{product}/agreement": "read",
    "GET /products/{product}/versions": "read",
    "GET /products/{product}/prepare": "read",
    "POST /products/{product}/prepare": "operate",
    "POST /products/{product}/versions/{version}/activate": "operate",
    "POST /products/{product}/rollback": "operate",
    "POST /products/{product}/release": "operate",
}
MAY_BE_OPEN = (
    "/readyz",
    "/metrics",
    "/status",
    "/docs",
    "/openapi.json",
)  # by setting: they are for machines and readers
NONE_OPEN = "none"
BEARER = "bearer "
API_KEY = "X-API-Key"


@dataclass(frozen=True)
class Rule:
    """What one route needs. `path` is its template."""

    method: str
    path: str
    scope: Scope | None
    pattern: Pattern[str] = field(repr=False)

    @classmethod
    def of(cls, route: str, scope: Scope | None) -> "Rule":
        """`GET /verdicts/{verdict_id}`, as in the table."""
        method, _, path = route.partition(" ")
        return cls(method, path, scope, compile_path(path)[0])


RULES = tuple(Rule.of(route, scope) for route, scope in ROUTES.items())


def find_rule(method: str, path: str) -> Rule | None:
    """The rule of a request; None where the table has none."""
    method = "GET" if method == "HEAD" else method
    return next((rule for rule in RULES if rule.method == method and rule.pattern.match(path)), None)


def parse_open_routes(setting: str) -> frozenset[str]:
    """`/readyz,/metrics` → those paths; `none` → no path. ValueError names one that may not be open."""
    paths = frozenset(path.strip() for path in setting.split(",")) - {"", NONE_OPEN}
    if wrong := sorted(paths - set(MAY_BE_OPEN)):
        raise ValueError(f"{wrong[0]!r} cannot be open; of {', '.join(MAY_BE_OPEN)} some can, or {NONE_OPEN}")
    return paths


class Guard:
    """Middleware: nobody passes without what the table asks for."""

    def __init__(self, app: ASGIApp, *, keyring: Keyring | None, open_routes: frozenset[str], metrics: Metrics) -> None:
        self._app = app
        self._keyring = keyring
        self._open = open_routes
        self._metrics = metrics
        self._rates = Rates()
        self._now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """One connection; what is not HTTP passes, and finds no route."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        rule, state = find_rule(scope["method"], scope["path"]), scope["state"]
        state["who"] = None
        try:
            if self._keyring is not None and not self._is_open(rule):
                key = self._keyring.find(read_key(Headers(scope=scope)))
                state["who"] = None if key is None else key.name
                self._check(key, rule)
        except RequestError as error:
            if rule is not None:
                scope["route"] = rule  # what the answer is counted under
            await refuse(Request(scope), error, self._metrics)(scope, receive, send)
            return
        if rule is not None and rule.scope in ("operate", "admin"):
            _note_who(Request(scope))
        await self._app(scope, receive, send)

    def _is_open(self, rule: Rule | None) -> bool:
        if rule is None:
            return False
        return rule.scope is None or rule.path.removesuffix("/assets/{path:path}") in self._open

    def _check(self, key: Key | None, rule: Rule | None) -> None:
        if key is None:
            raise KeyUnknown("this key is not known here")
        if key.is_expired(self._now()):
            raise KeyExpired(f"the key {key.name} has expired")
        if key.rate is not None and (wait_s := self._rates.take(key.name, key.rate)):
            raise RateLimited(f"the key {key.name} may ask {key.limit} times", wait_s=wait_s)
        needed: Scope = "admin" if rule is None or rule.scope is None else rule.scope
        if not key.may(needed):
            missing = f"has not the scope {needed}" if rule is not None else "has no such route"
            raise ScopeMissing(f"the key {key.name} {missing}")


def read_key(headers: Headers) -> str:
    """What the request carries, in `Authorization: Bearer …` or `X-API-Key`; `KeyMissing` unless it is one key."""
    bearers = [value for value in headers.getlist("Authorization") if value.lower().startswith(BEARER)]
    given = {value[len(BEARER) :].strip() for value in bearers} | set(headers.getlist(API_KEY))
    if not given:
        raise KeyMissing(f"send a key as `Authorization: Bearer …` or `{API_KEY}: …`")
    if len(given) > 1:
        raise KeyUnknown("two different keys were sent")
    (key,) = given
    return key[: LONGEST_KEY + 1]


def who_of(request: Request) -> str | None:
    """The name of the key that the request came with."""
    who: str | None = request.scope["state"].get("who")
    return who


def _note_who(request: Request) -> None:
    """Who changes what the line runs with stands in the log, whatever comes of it."""
    log.info(
        "request %s: %s asks for %s %a",
        arrival_of(request).request_id,
        who_of(request) or "somebody",
        request.method,
        request.scope["path"],
    )
