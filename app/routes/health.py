"""Is it alive, is it ready, what is it doing, what did it count."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app.errors import NotReady
from app.openapi import binary, problems
from app.schemas import Alive
from app.status import Status, describe, why_not_ready

router = APIRouter(tags=["operation"])


@router.get("/livez", responses=problems())
async def livez() -> Alive:
    """The process answers."""
    return Alive(status="alive")


@router.get("/readyz", responses=problems("service.not_ready"))
async def readyz(request: Request) -> Alive:
    """A worker has loaded a product and its golden pictures scored as at export, and the ledger takes verdicts.

    Else `detail` has the reasons.
    """
    state = request.app.state
    await state.ledger.probe()
    if reasons := why_not_ready(state.run, state.pool, state.catalog, state.ledger):
        raise NotReady("; ".join(reasons))
    return Alive(status="ready")


@router.get("/status", responses=problems("product.unavailable"))
async def status(request: Request) -> Status:
    """Workers, queues and products, as they are now."""
    state = request.app.state
    return await describe(
        run=state.run, pool=state.pool, admission=state.admission, catalog=state.catalog, ledger=state.ledger
    )


@router.get("/metrics", response_class=Response, responses=binary("text/plain") | problems())
async def metrics(request: Request) -> Response:
    """Prometheus text."""
    state = request.app.state
    collectors, pool = state.metrics, state.pool
    collectors.heatmap_bytes.set(state.keeping.heatmaps.store.bytes)
    collectors.picture_bytes.set(state.keeping.pictures.store.bytes)
    collectors.queue.set(pool.waiting)
    collectors.held.set(len(state.admission.total))
    collectors.held_bytes.set(state.admission.total.bytes)
    collectors.quarantined.set(len(state.quarantine))
    collectors.workers.set(pool.workers_up)
    collectors.restarts.inc(pool.restarts - collectors.restarts_seen)
    collectors.restarts_seen = pool.restarts
    for device, size in pool.resident_bytes.items():
        collectors.resident.labels(device).set(size)
    for product, delta in pool.golden_delta.items():
        collectors.golden.labels(product).set(delta)
    return Response(generate_latest(collectors.registry), media_type=CONTENT_TYPE_LATEST)
