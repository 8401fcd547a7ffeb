"""Killed at random under load: what was answered is in the ledger once, numbers have no gap, pollers miss nothing."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from app.ledger.database import ledger_url, open_engine
from app.ledger.migrate import migrate
from model_store.registry import Registry
from tests.attacks.pictures import encoded
from tests.e2e.kills import Line
from tests.model_store.drafts import make_draft
from tests.postgres import ABSENT, cluster, programs

KILLS = 20


@contextmanager
def ledger(kind: str) -> Iterator[str | None]:
    if kind == "sqlite":
        yield None
        return
    if programs() is None:
        pytest.skip(ABSENT)
    with cluster() as server:
        url = server.database()
        engine = open_engine(ledger_url(Path(), url))
        migrate(engine)
        engine.dispose()
        yield url


@pytest.mark.timeout(600)
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_every_answer_is_in_the_ledger_once_however_often_the_service_is_killed(tmp_path: Path, kind: str) -> None:
    Registry(tmp_path / "store").publish(make_draft(), activate=True)
    with ledger(kind) as url:
        line = Line(tmp_path, url)
        try:
            records = line.run(KILLS, random.Random(5))  # noqa: S311 -- when to kill is no secret
        finally:
            line.kill()
    check(records, line.told.answers, line.told.polled)


@pytest.mark.slow
def test_what_was_promised_before_a_kill_has_its_verdict_after_it(tmp_path: Path) -> None:
    Registry(tmp_path / "store").publish(make_draft(), activate=True)
    picture = encoded(np.full((32, 32, 3), 9, np.uint8), "png")
    line = Line(tmp_path, None)
    try:
        line.start()
        query = {"product": "plate", "heatmap": "none"}
        headers = {"Prefer": "respond-async", "Content-Type": "image/png"}
        taken = [
            httpx.post(f"{line.address}/inspect", params=query, content=picture, headers=headers) for _ in range(9)
        ]
        line.kill()
        line.start()
        answers = [until_decided(line.address + answer.headers["location"]) for answer in taken]
    finally:
        line.kill()
    assert [answer["score"] for answer in answers] == [9] * 9


def until_decided(place: str) -> dict[str, Any]:
    end = time.monotonic() + 30
    while (answer := httpx.get(place).json()).get("verdict") == "pending":
        assert time.monotonic() < end
        time.sleep(0.05)
    found: dict[str, Any] = answer
    return found


def check(records: list[dict[str, Any]], answers: dict[str, dict[str, Any]], polled: list[dict[str, Any]]) -> None:
    verdicts = [each for each in records if each["verdict"] != "error"]
    assert [each["seq"] for each in records] == list(range(1, len(records) + 1))
    assert set(Counter(each["part_id"] for each in verdicts).values()) == {1}
    by_id = {each["id"]: each for each in verdicts}
    assert len(answers) > 10
    for part, answer in answers.items():
        assert (by_id[answer["id"]]["part_id"], by_id[answer["id"]]["score"]) == (part, answer["score"])
    assert [each["id"] for each in polled] == [each["id"] for each in records[: len(polled)]]
