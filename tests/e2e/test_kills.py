"""Killed at random under load: what was answered is in the ledger once, numbers have no gap, pollers miss nothing."""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.ledger.database import ledger_url, open_engine
from app.ledger.migrate import migrate
from model_store.registry import Registry
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


def check(records: list[dict[str, Any]], answers: dict[str, dict[str, Any]], polled: list[dict[str, Any]]) -> None:
    verdicts = [each for each in records if each["verdict"] != "error"]
    assert [each["seq"] for each in records] == list(range(1, len(records) + 1))
    assert set(Counter(each["part_id"] for each in verdicts).values()) == {1}
    by_id = {each["id"]: each for each in verdicts}
    assert len(answers) > 10
    for part, answer in answers.items():
        assert (by_id[answer["id"]]["part_id"], by_id[answer["id"]]["score"]) == (part, answer["score"])
    assert [each["id"] for each in polled] == [each["id"] for each in records[: len(polled)]]
