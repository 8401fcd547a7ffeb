"""Where verdicts are delivered to: how each target is, and a replay."""

from typing import Any

from fastapi import APIRouter, Request

from app.delivery.deliveries import Deliveries
from app.delivery.positions import DeadLetter
from app.delivery.state import TargetState
from app.delivery_schemas import DeliveryAnswer, DeliveryDetail, Replay
from app.ledger.ledger import Ledger
from app.openapi import problems

router = APIRouter(prefix="/deliveries", tags=["deliveries"])
KNOWN = ("delivery.unknown_target", "ledger.unavailable")


@router.get("", response_model=list[DeliveryAnswer], responses=problems())
async def deliveries(request: Request) -> list[dict[str, Any]]:
    """Every target of `INSPECT_TARGETS_FILE`: whether its receiver takes verdicts, and how many wait for it."""
    state = request.app.state
    return [_describe(each, state.ledger) for each in state.deliveries.states()]


@router.get("/{target}", response_model=DeliveryDetail, responses=problems(*KNOWN))
async def delivery(request: Request, target: str) -> dict[str, Any]:
    """One target, with the newest 20 verdicts that its receiver refused for good."""
    state = request.app.state
    targets: Deliveries = state.deliveries
    letters = [_letter(each, state.ledger) for each in await targets.dead(target)]
    return _describe(targets.state(target), state.ledger) | {"dead_letters": letters}


@router.post(
    "/{target}/replay",
    status_code=202,
    response_model=DeliveryAnswer,
    responses=problems(*KNOWN, "ledger.busy", "cursor.bad", "cursor.retired", "request.invalid"),
)
async def replay(request: Request, target: str, body: Replay) -> dict[str, Any]:
    """Go on after a cursor: back, so that a receiver gets everything again (under the same `webhook-id`), or forward,
    past what it cannot take. Dead letters after the cursor are tried again; those before it stay listed.
    """
    state = request.app.state
    targets: Deliveries = state.deliveries
    ledger: Ledger = state.ledger
    await targets.replay(target, await ledger.place(body.after))
    return _describe(targets.state(target), ledger)


def _describe(state: TargetState, ledger: Ledger) -> dict[str, Any]:
    return {
        "target": state.target,
        "kind": state.kind,
        "place": state.place,
        "state": state.word,
        "reason": state.trouble,
        "waiting": state.waiting,
        "oldest_s": state.oldest_s,
        "delivered": state.delivered,
        "failed_attempts": state.failed,
        "dead": state.dead,
        "cursor": ledger.cursor(state.position),
    }


def _letter(letter: DeadLetter, ledger: Ledger) -> dict[str, Any]:
    given = {**vars(letter), "station": letter.station or None}
    return given | {"before": ledger.cursor(letter.seq - 1)}
