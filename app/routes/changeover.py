"""Which versions there are, and how another one comes to serve."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Body, Path, Request

from app.catalog import Catalog
from app.changeover import Changeover, Preparation
from app.openapi import problems
from app.routes.products import describe
from app.schemas import Prepare, Preparing, Product, Version
from model_store.errors import UnknownProduct

router = APIRouter(prefix="/products/{product}", tags=["changeover"])
STORE = ("product.unknown", "product.bad_name", "product.unavailable")
BODY = ("product.unknown_version", "request.invalid", "request.too_large", "request.too_slow")
CHANGE = (*STORE, "product.version_refused", "product.too_large", "product.no_room")
NEWEST = Prepare()
VersionNumber = Annotated[int, Path(ge=1, le=999_999_999)]


@router.get("/versions", responses=problems(*STORE))
async def versions(request: Request, product: str) -> list[Version]:
    """Every version of a product, which is active in the store, and which serves."""
    state = request.app.state
    known = await asyncio.to_thread(state.registry.versions, product)
    if not known:
        raise UnknownProduct(f"no version of {product!r} is in the store")
    active = await asyncio.to_thread(state.registry.active, product)
    catalog: Catalog = state.catalog
    served = catalog.served(product)
    serving = None if served is None else served.ref.version
    return [Version(version=it, active=it == active, serving=it == serving) for it in known]


@router.post("/prepare", status_code=202, responses=problems(*STORE, *BODY))
async def prepare(request: Request, product: str, body: Annotated[Prepare, Body()] = NEWEST) -> Preparing:
    """Load a version onto a worker, so that its activation is quick. Answers at once; GET shows the progress."""
    changeover: Changeover = request.app.state.changeover
    return _describe(await changeover.prepare(product, body.version))


@router.get("/prepare", responses=problems("product.not_prepared"))
async def progress(request: Request, product: str) -> Preparing:
    """How far the last preparation of a product is."""
    changeover: Changeover = request.app.state.changeover
    return _describe(changeover.progress(product))


@router.post("/versions/{version}/activate", responses=problems(*CHANGE, "product.unknown_version", "request.invalid"))
async def activate(request: Request, product: str, version: VersionNumber) -> Product:
    """Load a version, score its golden pictures, and only then make it the one that serves.

    Parts that are being inspected are finished by the version before. Where the new one fails, the one before goes on.
    """
    state = request.app.state
    await state.changeover.activate(product, version)
    return describe(state.catalog, state.thresholds, product)


@router.post("/rollback", responses=problems(*CHANGE, "product.nothing_to_roll_back"))
async def roll_back(request: Request, product: str) -> Product:
    """Return to the version that was active before this one; it is proved first, as in an activation."""
    state = request.app.state
    await state.changeover.roll_back(product)
    return describe(state.catalog, state.thresholds, product)


@router.post("/release", responses=problems(*STORE))
async def release(request: Request, product: str) -> Product:
    """Let its versions leave the workers' memory when others need the room; they serve until then.

    A part that comes later has them loaded again, if that fits. An activation or a preparation takes it back.
    """
    state = request.app.state
    await state.changeover.release(product)
    return await asyncio.to_thread(describe, state.catalog, state.thresholds, product)


def _describe(preparation: Preparation) -> Preparing:
    return Preparing(
        product=preparation.found.product,
        version=preparation.found.version,
        state=preparation.state,
        reason=preparation.reason,
        bytes=preparation.bytes,
        estimated_s=round(preparation.estimated_s, 3),
        elapsed_s=round(preparation.elapsed_s, 3),
    )
