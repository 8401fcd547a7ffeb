"""Batches of several products in a pool with one real process. The policy alone: test_batching.py."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from app.lane import Join
from app.pool import Pool
from app.pool_errors import InspectionFailed
from app.work import ModelRef, Scored
from tests.app.fake_detector import TOGETHER
from tests.app.pools import MODEL, grey, running, start_slowly

ONE = replace(MODEL, sight="s")
OTHER = replace(MODEL, product="other", digest="2" * 64, sight="s")
ELSEWISE = replace(MODEL, product="elsewise", digest="4" * 64, path=Path("max"), sight="s")
BLIND = replace(MODEL, product="blind", digest="3" * 64)


async def crowd(
    pool: Pool, levels: tuple[int, int, int], models: tuple[ModelRef, ...] = (ONE, OTHER, BLIND)
) -> list[Scored | BaseException]:
    """One picture of each product, all waiting when the worker comes free."""
    for model in models:
        await pool.prepare(model)
    first = await start_slowly(pool)
    asked = [pool.submit(model, grey(level)) for model, level in zip(models, levels, strict=True)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    await first
    return answers


async def sizes(join: Join) -> list[tuple[float, int]]:
    async with running(join=join) as pool:
        answers = await crowd(pool, (1, 2, 3))
        return [(answer.score, answer.batch_size) for answer in answers if isinstance(answer, Scored)]


def test_products_that_see_alike_share_a_batch_and_each_caller_gets_its_own_score() -> None:
    assert asyncio.run(sizes("on")) == [(1 + TOGETHER, 2), (2 + TOGETHER, 2), (3, 1)]


def test_a_product_on_another_engine_is_not_seen_by_that_of_its_neighbour() -> None:
    async def scenario() -> list[float]:
        async with running(join="on") as pool:
            answers = await crowd(pool, (1, 2, 3), (ONE, ELSEWISE, BLIND))
            return [answer.score for answer in answers if isinstance(answer, Scored)]

    assert asyncio.run(scenario()) == [1, 2, 3]


@pytest.mark.parametrize("join", ["auto", "off"])
def test_on_a_cpu_or_where_it_is_not_wanted_each_product_has_its_own_batch(join: Join) -> None:
    assert asyncio.run(sizes(join)) == [(1, 1), (2, 1), (3, 1)]


def test_a_picture_that_fails_in_a_joint_batch_spares_the_other_product() -> None:
    async def scenario() -> None:
        async with running(join="on") as pool:
            good, white, _ = await crowd(pool, (1, 255, 3))
            assert isinstance(good, Scored)
            assert good.score == 1
            assert isinstance(white, InspectionFailed)

    asyncio.run(scenario())
