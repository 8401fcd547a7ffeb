"""Is it alive, is it ready, what is it doing, what did it count."""

from fastapi import APIRouter, Request, Response
from prometheus_client.exposition import choose_encoder

from app.errors import NotReady
from app.live_metrics import take_snapshot
from app.openapi import binary, problems
from app.schemas import Alive
from app.status import Status, describe, why_not_ready

router = APIRouter(tags=["operation"])


@router.head("/livez", include_in_schema=False)
@router.get("/livez", response_model_exclude_none=True, responses=problems())
async def livez() -> Alive:
    """The process answers."""
    return Alive(status="alive")


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", response_model_exclude_none=True, responses=problems("service.not_ready"))
async def readyz(request: Request) -> Alive:
    """A worker has loaded a product and its golden pictures scored as at export, and the ledger takes verdicts.

    Else `detail` has the reasons. Where a journal stands in for the ledger's database, it is ready and says `degraded`.
    """
    state = request.app.state
    await state.ledger.probe()
    if reasons := why_not_ready(state.run, state.pool, state.catalog, state.ledger):
        raise NotReady("; ".join(reasons))
    waiting = state.ledger.spooled
    return Alive(status="ready", degraded=f"{waiting} verdicts wait in the journal" if waiting else None)


@router.get("/status", responses=problems("product.unavailable"))
async def status(request: Request) -> Status:
    """Workers, queues and products, as they are now."""
    state = request.app.state
    return await describe(
        run=state.run,
        pool=state.pool,
        admission=state.admission,
        catalog=state.catalog,
        ledger=state.ledger,
        followed=state.followed,
    )


@router.get("/metrics", response_class=Response, responses=binary("text/plain") | problems())
async def metrics(request: Request) -> Response:
    """Prometheus text, or OpenMetrics for who asks for it; docs/metrics.md lists what there is."""
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(await take_snapshot(request.app.state.sources)), media_type=media_type)
