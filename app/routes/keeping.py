"""Pictures and heatmaps of verdicts: giving them again, how long that is possible, holds, and running one again."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from app.author import author_of
from app.keeping import AnyShelf, Keeping
from app.keeping_schemas import HoldAnswer, HoldEvent, KeptKind, PutHold, ReplayAnswer, RetentionAnswer
from app.ledger.holds import Hold
from app.ledger.ledger import Ledger
from app.ledger.record import timestamp
from app.openapi import binary, problems
from app.pictures import DAY_S, Amount
from app.replay import Replays
from app.routes.verdicts import RECORDED, find_record
from detector.decode import SUPPORTED_MEDIA_TYPES, find_format

router = APIRouter(tags=["keeping"])
IMAGE = ("image.none", "image.lost", "image.expired", "image.damaged", "image.unavailable")
HEATMAP = ("heatmap.none", "heatmap.not_kept", "heatmap.lost", "heatmap.expired", "heatmap.damaged")
VERSION = ("replay.version_gone", "replay.version_altered", "product.version_refused", "product.too_large")
RUNNING = ("inspection.failed", "inspection.timeout", "picture.quarantined", "service.no_worker", "service.draining")
SERVING = ("product.unknown", "product.unavailable", "product.no_active_version")
COMPARED = ("score_delta", "tolerance", "same_score", "same_verdict", "equal")
UNKNOWN = "application/octet-stream"
UNSNIFFED = {"X-Content-Type-Options": "nosniff"}  # bytes of whoever sent them, and never a page


@router.get(
    "/verdicts/{verdict_id}/image",
    response_class=Response,
    responses=binary(*sorted(SUPPORTED_MEDIA_TYPES), UNKNOWN) | problems(*RECORDED, *IMAGE),
)
async def image(request: Request, verdict_id: str) -> Response:
    """The picture as it was sent, byte for byte, where the policy kept it: `picture.url` of the verdict.

    That of an error may be broken: its type is what its first bytes say, else
    `application/octet-stream`.
    """
    keeping: Keeping = request.app.state.keeping
    record = await find_record(request, verdict_id)
    data = await keeping.image(record)
    found = record.picture_format or find_format(data)
    name = f'inline; filename="{record.id}.{found or "bin"}"'
    headers = UNSNIFFED | {"Content-Disposition": name, "ETag": f'"{record.picture_sha256}"'}
    return Response(data, media_type=UNKNOWN if found is None else f"image/{found}", headers=headers)


@router.get(
    "/verdicts/{verdict_id}/heatmap",
    response_class=Response,
    responses=binary("image/png", "application/octet-stream") | problems(*RECORDED, *HEATMAP, "heatmap.unavailable"),
)
async def heatmap(request: Request, verdict_id: str) -> Response:
    """The heatmap that was asked for when the part was inspected; `raw` is float32, little-endian, row by row."""
    keeping: Keeping = request.app.state.keeping
    record = await find_record(request, verdict_id)
    data = await keeping.heatmap(record)
    media_type = "image/png" if record.heatmap is None else record.heatmap["media_type"]
    return Response(data, media_type=media_type, headers=UNSNIFFED)


@router.get("/retention", responses=problems("ledger.unavailable"))
async def retention(request: Request) -> RetentionAnswer:
    """What is kept, of which parts, where, within which limits, and how much there is."""
    keeping: Keeping = request.app.state.keeping
    pictures, heatmaps, errors = await keeping.amounts()
    return RetentionAnswer(
        pictures=_kind(keeping.pictures, pictures),
        heatmaps=_kind(keeping.heatmaps, heatmaps),
        errors=_kind(keeping.errors, errors, keeping.errors.policy.max_picture),
    )


@router.get("/verdicts/{verdict_id}/hold", responses=problems(*RECORDED))
async def hold_of(request: Request, verdict_id: str) -> HoldAnswer:
    """Whether the picture and heatmap of a verdict are on hold, and how that came."""
    ledger: Ledger = request.app.state.ledger
    record = await find_record(request, verdict_id)
    events = [HoldEvent(**asdict(event)) for event in await ledger.holds(record.id)]
    return HoldAnswer(held=bool(events) and events[-1].held, history=events)


@router.put("/verdicts/{verdict_id}/hold", responses=problems(*RECORDED, "ledger.busy", "request.invalid"))
async def hold(request: Request, verdict_id: str, body: PutHold) -> HoldEvent:
    """Keep the picture and heatmap of a verdict, as far as they are still there, whatever the limits say.

    From this answer on no retention removes them, until the hold is let go.
    """
    return await _hold(request, verdict_id, held=True, body=body)


@router.delete(
    "/verdicts/{verdict_id}/hold", responses=problems(*RECORDED, "hold.none", "ledger.busy", "request.invalid")
)
async def let_go(request: Request, verdict_id: str, query: Annotated[PutHold, Query()]) -> HoldEvent:
    """Let a hold go; `who` and `why` stand in the query. The limits hold again, and the history stays."""
    return await _hold(request, verdict_id, held=False, body=query)


@router.get(
    "/verdicts/{verdict_id}/replay",
    response_model=ReplayAnswer,
    responses=problems(*RECORDED, *IMAGE, *SERVING, *VERSION, *RUNNING, "queue.full", "queue.product_full"),
)
async def replay(request: Request, response: Response, verdict_id: str) -> dict[str, Any]:
    """Run the stored picture on the stored version again, and compare with what was recorded. Uses the device.

    The version need not be active: it is loaded and proved beside the one that serves, and changes nothing. The
    thresholds are those that were in force then. On the same CPU the score is the same to the last bit; `tolerance` is
    what the version's own golden pictures may differ by.

    The picture of an error is run on the version that serves now, by the thresholds in force: `now` is the verdict that
    it would have had, or the error that it meets again. One that killed workers may kill one more.
    """
    replays: Replays = request.app.state.replays
    record = await find_record(request, verdict_id)
    replayed = await replays.replay(record)
    response.headers["Cache-Control"] = "no-store"
    by, ref = replayed.calibration, replayed.served.ref
    return {name: getattr(replayed, name) for name in COMPARED} | {
        "id": record.id,
        "product": record.product,
        "version": ref.version,
        "digest": ref.digest,
        "picture_sha256": record.picture_sha256,
        "thresholds": None if by is None else {"ng_above": by.ng_above, "review_above": by.review_above},
        "then": asdict(replayed.then),
        "now": asdict(replayed.now),
    }


async def _hold(request: Request, verdict_id: str, *, held: bool, body: PutHold) -> HoldEvent:
    keeping: Keeping = request.app.state.keeping
    record = await find_record(request, verdict_id)
    author, at = author_of(request, body.who), timestamp(datetime.now(UTC))
    event = Hold(verdict_id=record.id, held=held, why=body.why, at=at, **vars(author))
    await keeping.hold(event)
    return HoldEvent(**asdict(event))


def _kind(shelf: AnyShelf, amount: Amount, max_file_bytes: int | None = None) -> KeptKind:
    limits = shelf.store.retention
    figures = asdict(amount) | {
        "oldest": None if amount.oldest is None else datetime.fromtimestamp(amount.oldest, UTC),
        "policy": str(shelf.policy),
        "place": str(shelf.store.place),
        "max_days": limits.max_age_s / DAY_S,
        "max_bytes": limits.max_bytes,
        "max_file_bytes": max_file_bytes,
        "trouble": shelf.trouble,
    }
    return KeptKind.model_validate(figures)
