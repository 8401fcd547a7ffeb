"""The operator's page. Everything it is made of comes from this service; what it shows, it asks the API for.

The page holds no secret and needs no key; a browser that opens it asks its user for one where the API wants one.
"""

from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

router = APIRouter(include_in_schema=False)
PAGE = files("app.console").joinpath("static/index.html").read_text(encoding="utf-8")
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "img-src 'self'",  # pictures come with the key in a header: scripts fetch them and draw them on a canvas
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",  # ask whether it changed: a panel is not closed for an upgrade
}
TYPES = {".js": "text/javascript", ".css": "text/css", ".json": "application/json", ".woff2": "font/woff2"}


class Assets(StaticFiles):
    """Scripts, styles and languages with the page's headers, whatever this machine takes their types for."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file, 304, or what StaticFiles refuses with."""
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        for ending, kind in TYPES.items():
            if path.endswith(ending):
                response.headers["Content-Type"] = f"{kind}; charset=utf-8" if kind[:4] == "text" else kind
        return response


router.mount("/console/assets", Assets(packages=[("app.console", "static")]))


@router.get("/console")
async def console() -> HTMLResponse:
    """Relative addresses, so that it also works behind a proxy's prefix."""
    return HTMLResponse(PAGE, headers=HEADERS)
