"""The API as a page. Its scripts come from this service: a factory's network reaches no CDN."""

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

router = APIRouter(include_in_schema=False)
router.mount("/docs/assets", StaticFiles(packages=[("fastapi_offline", "static")]))
SETTINGS = {"validatorUrl": None, "docExpansion": "list", "defaultModelsExpandDepth": 0}  # no validator: it is a host


@router.get("/docs")
async def docs() -> HTMLResponse:
    """Swagger UI; relative addresses, so that it also works behind a proxy's prefix."""
    return get_swagger_ui_html(
        openapi_url="openapi.json",
        title="inspect-line API",
        swagger_js_url="docs/assets/swagger-ui-bundle.js",
        swagger_css_url="docs/assets/swagger-ui.css",
        swagger_favicon_url="docs/assets/favicon.png",
        swagger_ui_parameters=SETTINGS,
    )
