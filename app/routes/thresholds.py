"""Which thresholds are in force, other ones in their place, and what others would have judged."""

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request

from app.author import author_of
from app.catalog import Catalog, Served
from app.keeping_schemas import PutThresholds, Simulate, Simulated, ThresholdRevision, ThresholdsAnswer
from app.ledger.dispositions import CONFIDENCE
from app.ledger.ledger import Ledger
from app.ledger.record import timestamp
from app.ledger.scores import Window
from app.ledger.thresholds import ThresholdChange
from app.openapi import problems
from app.thresholds import Thresholds, Wanted, replaced
from app.what_if import project

router = APIRouter(prefix="/products/{product}", tags=["thresholds"])
SERVING = ("product.unknown", "product.bad_name", "product.unavailable", "product.no_active_version")
AWAY = (*SERVING, "product.too_large", "ledger.unavailable")


@router.get("/thresholds", responses=problems(*AWAY))
async def thresholds(request: Request, product: str) -> ThresholdsAnswer:
    """The thresholds in force for the version that serves, its calibrated ones, and every change of the product."""
    ledger: Ledger = request.app.state.ledger
    served = await _served(request, product)
    changes = [_revision(change) for change in await ledger.threshold_history(product)]
    mine = [change for change in changes if change.digest == served.ref.digest]
    calibrated = _calibrated(served)
    return ThresholdsAnswer(
        product=product, in_force=mine[-1] if mine else calibrated, calibrated=calibrated, history=changes
    )


@router.put("/thresholds", responses=problems(*AWAY, "thresholds.bad", "thresholds.changed", "request.invalid"))
async def change(request: Request, product: str, body: PutThresholds) -> ThresholdRevision:
    """Judge by other thresholds from the next verdict on: a new revision, with no restart and no device.

    Its number is in every verdict that it decided. It belongs to the version that serves: another version that is
    activated starts with its own calibrated thresholds. Heatmaps are drawn around the new `ng_above`, too. To undo it,
    put the old numbers. Try them with POST `thresholds:simulate` first.
    """
    state = request.app.state
    in_force: Thresholds = state.thresholds
    wanted = Wanted(
        ng_above=body.ng_above,
        review_above=body.review_above,
        author=author_of(request, body.who),
        why=body.why,
        at=timestamp(datetime.now(UTC)),
        seen_version=body.version,
        seen_revision=body.revision,
    )
    return _revision(await in_force.change(await _served(request, product), wanted))


@router.post(
    "/thresholds:simulate",
    response_model=Simulated,
    responses=problems(*AWAY, "thresholds.bad", "request.invalid"),
)
async def simulate(request: Request, product: str, body: Simulate) -> dict[str, Any]:
    """What other thresholds would have made of stored scores of the version that serves. Changes nothing.

    Every inspection counts, re-inspections too; errors and simulated parts do not. Intervals are exact (Clopper and
    Pearson, 95 %) for parts that are independent of each other.
    """
    ledger: Ledger = request.app.state.ledger
    served = await _served(request, product)
    calibrated = served.manifest.calibration
    calibration = replaced(calibrated, calibrated.revision, body.ng_above, body.review_above)
    window = Window(
        product=product,
        model_digest=served.ref.digest,
        since=None if body.since is None else timestamp(body.since),
        until=None if body.until is None else timestamp(body.until),
        limit=body.limit,
    )
    found = await ledger.scores(window)
    projection = asdict(await asyncio.to_thread(project, found.scores, calibration))
    about = {"product": product, "version": served.ref.version, "confidence": CONFIDENCE, "complete": found.complete}
    return about | projection


async def _served(request: Request, product: str) -> Served:
    catalog: Catalog = request.app.state.catalog
    return await catalog.resolve(product)


def _calibrated(served: Served) -> ThresholdRevision:
    calibration, ref = served.manifest.calibration, served.ref
    return ThresholdRevision(
        version=ref.version,
        digest=ref.digest,
        revision=calibration.revision,
        ng_above=calibration.ng_above,
        review_above=calibration.review_above,
        calibrated=True,
        who=None,
        operator=None,
        authenticated=False,
        why=None,
        at=timestamp(served.manifest.created_at),
    )


def _revision(change: ThresholdChange) -> ThresholdRevision:
    return ThresholdRevision(
        version=change.model_version,
        digest=change.model_digest,
        revision=change.revision,
        ng_above=change.ng_above,
        review_above=change.review_above,
        calibrated=False,
        who=change.who,
        operator=change.operator,
        authenticated=change.authenticated,
        why=change.why,
        at=change.at,
    )
