"""Is it alive, is it ready, what is it doing, what did it count."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app.errors import NotReady
from app.openapi import binary, problems
from app.schemas import Health
from app.status import Status, describe, why_not_ready

router = APIRouter(tags=["operation"])


@router.get("/livez", responses=problems())
async def livez() -> Health:
    """The process answers."""
    return Health(status="alive")


@router.get("/readyz", responses=problems("service.not_ready"))
async def readyz(request: Request) -> Health:
    """A worker has loaded a product and its golden pictures scored as at export; else `detail` has the reasons."""
    state = request.app.state
    if reasons := why_not_ready(state.run, state.pool, state.catalog):
        raise NotReady("; ".join(reasons))
    return Health(status="ready")


@router.get("/status", responses=problems("product.unavailable"))
async def status(request: Request) -> Status:
    """Workers, queues and products, as they are now."""
    state = request.app.state
    return await describe(run=state.run, pool=state.pool, admission=state.admission, catalog=state.catalog)


@router.get("/metrics", response_class=Response, responses=binary("text/plain") | problems())
async def metrics(request: Request) -> Response:
    """Prometheus text."""
    state = request.app.state
    collectors, pool = state.metrics, state.pool
    collectors.heatmap_bytes.set(state.pictures.bytes)
    collectors.queue.set(pool.waiting)
    collectors.held.set(len(state.admission.total))
    collectors.held_bytes.set(state.admission.total.bytes)
    collectors.quarantined.set(len(state.quarantine))
    collectors.workers.set(pool.workers_up)
    collectors.restarts.inc(pool.restarts - collectors.restarts_seen)
    collectors.restarts_seen = pool.restarts
    collectors.hangs.inc(pool.hangs - collectors.hangs_seen)
    collectors.hangs_seen = pool.hangs
    collectors.out_of_memory.inc(pool.out_of_memory - collectors.out_of_memory_seen)
    collectors.out_of_memory_seen = pool.out_of_memory
    for device, size in pool.resident_bytes.items():
        collectors.resident.labels(device).set(size)
    for product, delta in pool.golden_delta.items():
        collectors.golden.labels(product).set(delta)
    return Response(generate_latest(collectors.registry), media_type=CONTENT_TYPE_LATEST)
