"""GET /parts/{part_id}: what became of a part, over all of its stations."""

from typing import Any

from fastapi import APIRouter, Request

from app.ledger.ledger import Ledger
from app.ledger_schemas import PartAnswer
from app.openapi import problems
from app.verdict import answer_of

router = APIRouter(tags=["verdicts"])


@router.get(
    "/parts/{part_id:path}", response_model=PartAnswer, responses=problems("part.unknown", "ledger.unavailable")
)
async def part(request: Request, part_id: str) -> dict[str, Any]:
    """The newest revision of every station's verdict, and the whole part's: the worst of them.

    Of several verdicts of one station that are no re-inspections the worst counts; an error stands until a verdict of
    its station follows. Simulated inspections do not count.
    """
    ledger: Ledger = request.app.state.ledger
    found = await ledger.part(part_id)
    stations = [
        {
            "product": each.newest.product,
            "station": each.newest.station,
            "counts_as": each.decisive.counts_as,
            "revision": each.newest.revision,
            "decisive": answer_of(each.decisive),
        }
        for each in found.stations
    ]
    return {"part_id": part_id, "counts_as": found.counts_as, "stations": stations}
