"""Holds, threshold revisions and stored scores, the same in both databases."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.engine import URL

from app.ledger.errors import NotOnHold, ThresholdsChanged, UnknownVerdict
from app.ledger.holds import Hold, Reference
from app.ledger.ledger import Ledger
from app.ledger.scores import Window
from app.ledger.thresholds import NewThresholds, ThresholdChange
from tests.app.ledger.records import MOMENT, record, using

CHANGE = ThresholdChange(
    product="plate",
    model_version=1,
    model_digest="a" * 64,
    revision=1,
    ng_above=3.5,
    review_above=3.0,
    who="engineer",
    why="dust",
    at=MOMENT,
)


def hold(name: str, *, held: bool = True) -> Hold:
    return Hold(verdict_id=name, held=held, who="auditor", why="claim", at=MOMENT)


def test_what_is_on_hold_is_listed_until_it_is_let_go(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.append(record("a", picture_sha256="f" * 64, heatmap={"style": "png"}))
        await ledger.append(record("b"))
        await ledger.hold(hold("a"))
        await ledger.hold(hold("b"))
        await ledger.hold(hold("b", held=False))
        assert await ledger.held() == [
            Reference(verdict_id="a", picture_sha256="f" * 64, heatmap={"style": "png"}),
        ]
        assert [event.held for event in await ledger.holds("b")] == [True, False]
        for name, error in (("b", NotOnHold), ("c", UnknownVerdict)):
            with pytest.raises(error):
                await ledger.hold(hold(name, held=False))

    using(url, scenario)


def test_revisions_count_per_version_without_a_gap_whoever_is_quicker(url: URL) -> None:
    async def scenario(ledger: Ledger) -> None:
        new = NewThresholds(change=CHANGE, seen=None)
        made = await asyncio.gather(*(ledger.change_thresholds(new) for _ in range(5)))
        assert sorted(change.revision for change in made) == [2, 3, 4, 5, 6]
        other = NewThresholds(change=replace(CHANGE, model_digest="b" * 64, revision=4), seen=4)
        assert (await ledger.change_thresholds(other)).revision == 5
        with pytest.raises(ThresholdsChanged, match="revision 6 is in force"):
            await ledger.change_thresholds(NewThresholds(change=CHANGE, seen=5))
        assert [change.revision for change in await ledger.threshold_history("plate")] == [2, 3, 4, 5, 6, 5]
        after = (await ledger.threshold_history("plate"))[3].seq
        assert [change.revision for change in await ledger.threshold_changes(after)] == [6, 5]

    using(url, scenario)


@pytest.mark.parametrize(
    ("window", "ids", "complete"),
    [
        ({}, ["d", "c", "a"], True),
        ({"limit": 2}, ["d", "c"], False),
        ({"limit": 3}, ["d", "c", "a"], True),
        ({"since": "2026-11-25T00:00:00.000Z"}, ["d"], True),
        ({"until": "2026-11-25T00:00:00.000Z"}, ["c", "a"], True),
    ],
)
def test_scores_are_those_of_one_version_the_newest_first(
    url: URL, monkeypatch: pytest.MonkeyPatch, window: Any, ids: list[str], complete: bool
) -> None:
    monkeypatch.setattr("app.ledger.scores.WINDOW", 2)

    async def scenario(ledger: Ledger) -> None:
        facts = {"model_digest": "a" * 64, "score": 1.0}
        await ledger.append(record("a", **facts))
        await ledger.append(record("b", model_digest="b" * 64, score=9.0))
        await ledger.append(record("c", "ng", **facts))
        await ledger.append(record("e", "error"))
        await ledger.append(record("s", simulated=True, **facts))
        await ledger.append(record("d", **facts | {"decided_at": "2026-11-25T00:00:00.000Z"}))
        found = await ledger.scores(Window(product="plate", model_digest="a" * 64, **window))
        assert ([score.id for score in found.scores], found.complete) == (ids, complete)

    using(url, scenario)
