"""What the store holds and what serves."""

from fastapi import APIRouter, Request

from app.catalog import Catalog
from app.drift import Drift, DriftReport
from app.openapi import problems
from app.schemas import Product
from app.thresholds import Thresholds
from model_store.errors import UnknownProduct

router = APIRouter(tags=["products"])


@router.get("/products", responses=problems("product.unavailable"))
async def products(request: Request) -> list[Product]:
    """Every product, whether it serves or not."""
    catalog: Catalog = request.app.state.catalog
    return [describe(catalog, request.app.state.thresholds, name) for name in catalog.products()]


@router.get("/products/{product}", responses=problems("product.unknown", "product.unavailable"))
async def product(request: Request, product: str) -> Product:
    """One product; `reason` says why it, or its newest version, does not serve."""
    catalog: Catalog = request.app.state.catalog
    if product not in catalog.products():
        raise UnknownProduct(f"no version of {product!r} is in the store")
    return describe(catalog, request.app.state.thresholds, product)


@router.get("/products/{product}/drift", responses=problems("product.unknown", "product.unavailable"))
async def drift(request: Request, product: str) -> list[DriftReport]:
    """By station: has something changed since calibration, and is it the lamp or the product? `cause` says it.

    Empty until parts have come. `scores` is null before 50 good-judged parts; `rejects.rate` while it is learned.
    """
    state = request.app.state
    if product not in state.catalog.products():
        raise UnknownProduct(f"no version of {product!r} is in the store")
    found: Drift = state.drift
    return found.reports(product)


def describe(catalog: Catalog, thresholds: Thresholds, name: str) -> Product:
    """What serves a product, or why nothing does."""
    served = catalog.served(name)
    reason = catalog.failures.get(name)
    if served is None:
        reason = reason or "no worker has loaded it yet"
        nothing = dict.fromkeys(("version", "digest", "ng_above", "review_above", "threshold_revision", "promise"))
        return Product.model_validate(
            {"product": name, "state": "unavailable", "reason": reason, "metrics": {}, **nothing}
        )
    calibrated, calibration = served.manifest.calibration, thresholds.of(served)
    return Product(
        product=name,
        state="serving",
        reason=reason,
        version=served.ref.version,
        digest=served.ref.digest,
        ng_above=calibration.ng_above,
        review_above=calibration.review_above,
        threshold_revision=calibration.revision,
        promise=calibration.promise if calibration.revision == calibrated.revision else None,
        metrics=served.manifest.metrics,
    )
