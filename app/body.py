"""An HTTP request → the bytes of one picture and what was said about it.

In: a raw `image/*` body, or multipart with the field `image`. Refuses: another content type (before a byte of the body
is read), more bytes than the limit (counted as they come), an upload that is broken off, missing or malformed fields.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Annotated

from fastapi import Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.types import AwareDatetime
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from app.errors import BodyTooLarge, InvalidRequest, UnsupportedMediaType, UploadCutOff
from app.part import HeatmapStyle, Part
from detector.decode import SUPPORTED_MEDIA_TYPES
from model_store.manifest import check_product_name

FORM_SLACK = 64 << 10  # bytes that boundaries and text fields may add to a picture
LONGEST_LABEL = 128  # characters of a name that its sender gives to a part, a station or a job


def check_printable(text: str) -> str:
    """Refuse what could write into a log or a terminal, or turn a line around: control and format characters."""
    if not text.isprintable():
        raise ValueError("has a character that cannot be printed")
    return text


Label = Annotated[str, Field(max_length=LONGEST_LABEL), AfterValidator(check_printable)]
Name = Annotated[Label | None, BeforeValidator(lambda given: given or None)]  # an empty field of a form names nothing


class Fields(BaseModel):
    """What may stand in the query or in the form; a field given in both is refused."""

    model_config = ConfigDict(extra="forbid")

    product: str = Field(max_length=63)
    part_id: Name = None
    station: Name = None
    job: Name = None
    captured_at: AwareDatetime | None = None
    simulated: bool = False
    reinspect: bool = False
    heatmap: HeatmapStyle = "png"
    inline: bool = True


async def read_part(request: Request, limit: int) -> tuple[bytes, Part]:
    """The picture's bytes, `limit` at most, and the part that it shows."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    query = dict(request.query_params)
    if len(request.query_params.multi_items()) != len(query):
        raise InvalidRequest("a query parameter is given twice")
    if kind in SUPPORTED_MEDIA_TYPES or kind == "application/octet-stream":
        fields = _fields(query)  # before the body: a wrong name costs no upload
        return b"".join([chunk async for chunk in _limited(request, limit)]), fields
    if kind != "multipart/form-data":
        raise UnsupportedMediaType(
            f"content type {kind or '(none)'!r}: send {', '.join(sorted(SUPPORTED_MEDIA_TYPES))} or a form"
        )
    return await _read_form(request, limit, query)


def part_in_query(request: Request) -> Part | None:
    """The part that the query alone names, where a body could not be read; None where it names none."""
    try:
        return _fields(dict(request.query_params))
    except InvalidRequest:
        return None


async def _read_form(request: Request, limit: int, query: Mapping[str, str]) -> tuple[bytes, Part]:
    parser = MultiPartParser(request.headers, _limited(request, limit + FORM_SLACK), max_files=1, max_fields=10)
    try:
        form = await parser.parse()
    except (MultiPartException, HTTPException, KeyError) as exc:
        raise InvalidRequest(f"the multipart body cannot be read: {getattr(exc, 'message', exc)}") from exc
    upload = form.get("image")
    if not isinstance(upload, UploadFile):
        raise InvalidRequest("the multipart body has no file field `image`")
    data = await upload.read()
    await form.close()
    if len(data) > limit:
        raise BodyTooLarge(f"the picture has {len(data)} bytes; the limit is {limit}")
    if len(form.multi_items()) != len(form.keys()):
        raise InvalidRequest("a form field is given twice")
    texts = {name: value for name, value in form.items() if isinstance(value, str)}
    if twice := sorted(texts.keys() & query.keys()):
        raise InvalidRequest(f"{twice[0]} is given in the query and in the form")
    return data, _fields({**query, **texts})


async def _limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise BodyTooLarge(f"the body has {declared} bytes; the limit is {limit}")
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise BodyTooLarge(f"the body has more than {limit} bytes")
            yield chunk
    except ClientDisconnect as exc:
        raise UploadCutOff(f"the upload was broken off after {size} bytes") from exc


def _fields(values: Mapping[str, str]) -> Part:
    try:
        fields = Fields.model_validate(values)
    except ValidationError as exc:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in exc.errors())
        raise InvalidRequest(problems) from exc
    check_product_name(fields.product)
    return Part(**dict(fields))
