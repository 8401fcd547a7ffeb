"""A template and values → one HTML file that opens offline; pixels → pictures that stand inside it.

In: what a template asks for. Out: text. Refuses: a value that a template names and nobody gave (`UndefinedError`).
No script, no link, nothing fetched: templates/page.html holds a browser to it, and everything is escaped.
"""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

TEMPLATES = Path(__file__).parent / "templates"
JPEG_QUALITY = 88


def render(template: str, filters: dict[str, Any] | None = None, **values: Any) -> str:
    """The page; `filters` are what the template calls on a value."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters or {}
    return environment.get_template(template).render(**values)


def data_uri(pixels: npt.NDArray[np.uint8], *, largest_side: int, quality: int = JPEG_QUALITY) -> str:
    """(h,w,3) as JPEG, (h,w) as PNG, made smaller to `largest_side` px."""
    image, file = Image.fromarray(pixels), io.BytesIO()
    image.thumbnail((largest_side, largest_side))
    kind = "PNG" if pixels.ndim == 2 else "JPEG"
    options = {"optimize": True} if kind == "PNG" else {"quality": quality, "subsampling": 0}
    image.save(file, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"
