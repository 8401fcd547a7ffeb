"""What people found of inspected parts, and how often they agreed with the verdicts."""

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from app.author import author_of
from app.catalog import Catalog
from app.ledger.dispositions import CONFIDENCE, Disposition
from app.ledger.ledger import Ledger
from app.ledger.reading import Query as Asked
from app.ledger.record import timestamp
from app.ledger_schemas import AgreementAnswer, AgreementOf, Dispose, Disposed
from app.openapi import problems
from model_store.errors import UnknownProduct

router = APIRouter(tags=["dispositions"])
RECORDED = ("verdict.unknown", "ledger.unavailable")


@router.post(
    "/verdicts/{verdict_id}/disposition",
    status_code=201,
    response_model=Disposed,
    responses=problems(*RECORDED, "verdict.is_error", "ledger.busy", "request.invalid"),
)
async def dispose(request: Request, verdict_id: str, body: Dispose) -> dict[str, Any]:
    """Say what a person found of the part, good or defective. The verdict stays; the newest disposition counts."""
    ledger: Ledger = request.app.state.ledger
    at = timestamp(datetime.now(UTC))
    author = author_of(request, body.who)
    disposition = Disposition(verdict_id=verdict_id, found=body.found, reason=body.reason, at=at, **vars(author))
    await ledger.dispose(disposition)
    return asdict(disposition)


@router.get("/verdicts/{verdict_id}/dispositions", response_model=list[Disposed], responses=problems(*RECORDED))
async def dispositions(request: Request, verdict_id: str) -> list[dict[str, Any]]:
    """Everything that people found of the part, the newest last."""
    ledger: Ledger = request.app.state.ledger
    await ledger.find(verdict_id)
    return [asdict(each) for each in await ledger.dispositions(verdict_id)]


@router.get(
    "/products/{product}/agreement",
    response_model=AgreementAnswer,
    responses=problems("product.unknown", "product.unavailable", "ledger.unavailable", "request.invalid"),
)
async def agreement(request: Request, product: str, of: Annotated[AgreementOf, Query()]) -> dict[str, Any]:
    """False rejects and escapes per inspected part, as people found them, with exact 95 % intervals.

    Only parts that somebody looked at say anything, and the rates hold for all parts only where those of each verdict
    were chosen at random: look at some that were judged ok, too. Nothing looked at: `rate` is null and the interval
    is as wide as it can be. `python -m training agreement` makes a measurement system analysis of the answer.
    """
    catalog: Catalog = request.app.state.catalog
    if product not in await asyncio.to_thread(catalog.products):
        raise UnknownProduct(f"no version of {product!r} is in the store")
    ledger: Ledger = request.app.state.ledger
    since, until = (None if moment is None else timestamp(moment) for moment in (of.since, of.until))
    asked = Asked(product=product, since=since, until=until, model_version=of.version, simulated=False)
    found = asdict(await ledger.agreement(asked))
    return {
        "product": product,
        "version": of.version,
        "since": since,
        "until": until,
        "confidence": CONFIDENCE,
        **found,
    }
