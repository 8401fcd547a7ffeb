"""Verdicts reach their receivers: all of them, in the order of each station, whatever goes away meanwhile."""

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import URL

from app.delivery.errors import UnknownTarget
from app.ledger.database import ledger_url
from app.ledger.ledger import Ledger
from app.verdict import answer_of
from tests.app.delivery.receiver import Receiver, delivering, receiving, until, webhook
from tests.app.ledger.records import record
from tests.e2e.process import free_port
from tests.postgres import Cluster

pytestmark = pytest.mark.anyio
OLDEST = '"oldest"'


@pytest.fixture
def place(tmp_path: Path) -> URL:
    return ledger_url(tmp_path, None)


async def append(ledger: Ledger, *names: str, **facts: Any) -> None:
    for name in names:
        await ledger.append(record(name, **facts))


async def test_a_receiver_gets_each_verdict_as_the_ledger_has_it(url: URL, tmp_path: Path) -> None:
    with receiving() as receiver:
        async with delivering(url, webhook(tmp_path, receiver.port, begin=OLDEST)) as (ledger, _):
            await append(ledger, "a", "b", station="EL-1")
            await until(lambda: len(receiver.ids) == 2)
            assert receiver.verdicts == [answer_of(await ledger.find(name)) for name in ("a", "b")]


async def test_a_receiver_that_was_down_gets_everything_in_order(place: URL, tmp_path: Path) -> None:
    port = free_port()
    async with delivering(place, webhook(tmp_path, port, begin=OLDEST)) as (ledger, deliveries):
        await append(ledger, *"abcdef", station="EL-1")
        await until(lambda: deliveries.state("mes").word == "away" and deliveries.state("mes").waiting == 6)
        assert deliveries.state("mes").oldest_s > 0
        receiver = Receiver(port)
        await until(lambda: len(receiver.ids) == 6)
        receiver.stop()
        assert receiver.ids == list("abcdef")
        assert deliveries.state("mes").dead == 0


async def test_a_station_keeps_its_order_while_its_verdicts_are_refused_now_and_then(
    place: URL, tmp_path: Path
) -> None:
    tries = iter(range(10_000))
    with receiving(lambda _: 500 if next(tries) % 3 else 204) as receiver:
        async with delivering(place, webhook(tmp_path, receiver.port, begin=OLDEST)) as (ledger, _):
            for number in range(12):
                await append(ledger, f"{number}", station=f"EL-{number % 2}")
            await until(lambda: len(receiver.ids) == 12)
    for station in ("EL-0", "EL-1"):
        mine = [int(each["id"]) for each in receiver.verdicts if each["station"] == station]
        assert mine == sorted(mine)


async def test_what_was_not_delivered_is_delivered_after_a_restart_and_the_rest_is_not_again(
    url: URL, tmp_path: Path
) -> None:
    with receiving(lambda each: 503 if each["station"] == "EL-2" else 204) as receiver:
        targets = webhook(tmp_path, receiver.port, begin=OLDEST)
        async with delivering(url, targets) as (ledger, _):
            await append(ledger, "a", "b", station="EL-1")
            await until(lambda: receiver.ids == ["a", "b"])
            await append(ledger, "c", station="EL-2")
        receiver.answer = lambda _: 204
        async with delivering(url, targets) as (ledger, deliveries):
            await append(ledger, "d", station="EL-1")
            await until(lambda: len(receiver.ids) == 4)
            await until(lambda: deliveries.state("mes").waiting == 0)
    assert sorted(receiver.ids) == ["a", "b", "c", "d"]


async def test_a_verdict_that_is_refused_for_good_is_put_aside_and_the_next_ones_are_delivered(
    url: URL, tmp_path: Path
) -> None:
    with receiving(lambda each: 422 if each["id"] == "b" else 204) as receiver:
        async with delivering(url, webhook(tmp_path, receiver.port, begin=OLDEST, attempts="3")) as (ledger, targets):
            await append(ledger, "a", "b", "c", station="EL-1")
            await until(lambda: targets.state("mes").dead == 1)
            (letter,) = await targets.dead("mes")
            assert (letter.verdict_id, letter.attempts) == ("b", 3)
            assert letter.reason.startswith("answered 422")
            assert receiver.ids == ["a", "c"]


async def test_a_replay_begins_where_it_is_told_and_tries_again_what_was_put_aside(url: URL, tmp_path: Path) -> None:
    with receiving(lambda each: 422 if each["id"] == "b" else 204) as receiver:
        async with delivering(url, webhook(tmp_path, receiver.port, begin=OLDEST, attempts="1")) as (ledger, targets):
            await append(ledger, "a", "b", "c", station="EL-1")
            await until(lambda: targets.state("mes").dead == 1)
            receiver.answer = lambda _: 204
            await targets.replay("mes", 1)
            await until(lambda: receiver.ids == ["a", "c", "b", "c"])
            await until(lambda: targets.state("mes").dead == 0)
            assert [headers["webhook-id"] for headers, _ in receiver.requests[-2:]] == ["b", "c"]


async def test_a_target_that_is_new_begins_with_what_comes_from_now_on(place: URL, tmp_path: Path) -> None:
    with receiving() as receiver:
        async with delivering(place, webhook(tmp_path, receiver.port, name="other")) as (ledger, _):
            await append(ledger, "before")
        async with delivering(place, webhook(tmp_path, receiver.port)) as (ledger, targets):
            await until(lambda: targets.state("mes").serves and targets.state("mes").position == 1)
            await append(ledger, "after")
            await until(lambda: "after" in receiver.ids)
            assert [headers["webhook-id"] for headers, _ in receiver.requests].count("before") <= 1


async def test_a_filter_lets_pass_what_it_names_and_simulated_parts_only_where_they_are_asked_for(
    place: URL, tmp_path: Path
) -> None:
    with receiving() as receiver:
        filters = {"stations": '["EL-1"]', "verdicts": '["ng", "error"]', "begin": OLDEST}
        async with delivering(place, webhook(tmp_path, receiver.port, **filters)) as (ledger, _):
            await append(ledger, "ok", station="EL-1")
            await append(ledger, "elsewhere", verdict="ng", station="EL-2")
            await append(ledger, "simulated", verdict="ng", station="EL-1", simulated=True)
            await append(ledger, "error", verdict="error", station="EL-1")
            await append(ledger, "ng", verdict="ng", station="EL-1")
            await until(lambda: "ng" in receiver.ids)
    assert receiver.ids == ["error", "ng"]


async def test_a_receiver_that_hangs_slows_neither_the_ledger_nor_other_targets_nor_the_stop(
    place: URL, tmp_path: Path
) -> None:
    forever = threading.Event()
    with receiving() as healthy, receiving(lambda _: 204 if forever.wait(20) else 500) as hanging:
        targets = webhook(tmp_path, healthy.port, begin=OLDEST)
        more = f'\n[webhook.slow]\nurl = "http://127.0.0.1:{hanging.port}/"\nsecret_file = "secret"\nbegin = "oldest"\n'
        targets.write_text(targets.read_text() + more)
        async with delivering(place, targets) as (ledger, _):
            await asyncio.gather(*(ledger.append(record(f"{n}", station=f"EL-{n}")) for n in range(40)))
            await until(lambda: len(healthy.ids) == 40)
            await until(lambda: bool(hanging.requests))
            began = time.monotonic()
            await append(ledger, "last")
            assert time.monotonic() - began < 1
            began = time.monotonic()
        assert time.monotonic() - began < 2
        forever.set()


@pytest.mark.slow
async def test_a_database_that_was_away_costs_no_delivery(
    server: Cluster, new_database: Callable[[], str], tmp_path: Path
) -> None:
    with receiving() as receiver:
        targets = webhook(tmp_path, receiver.port, begin=OLDEST)
        async with delivering(ledger_url(tmp_path, new_database()), targets) as (ledger, deliveries):
            await append(ledger, "a", "b", station="EL-1")
            await until(lambda: receiver.ids == ["a", "b"])
            server.stop()
            server.start()
            await append(ledger, "c", "d", station="EL-1")
            await until(lambda: "d" in receiver.ids)
            await until(lambda: deliveries.state("mes").word == "delivering")
    assert sorted(set(receiver.ids)) == list("abcd")


@pytest.mark.parametrize("url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)], indirect=True)
async def test_of_two_services_on_one_ledger_one_delivers_and_the_other_takes_over(url: URL, tmp_path: Path) -> None:
    with receiving() as receiver:
        targets = webhook(tmp_path, receiver.port, begin=OLDEST)
        async with delivering(url, targets) as (_, second):
            async with delivering(url, targets) as (ledger, first):
                await append(ledger, *"abc", station="EL-1")
                await until(lambda: len(receiver.ids) == 3)
                assert sorted(each.state("mes").word for each in (first, second)) == ["delivering", "standby"]
            await append(_, "d", station="EL-1")
            await until(lambda: len(receiver.ids) == 4)
    assert receiver.ids == list("abcd")


async def test_a_replay_of_a_target_that_is_not_there_is_refused(place: URL, tmp_path: Path) -> None:
    async with delivering(place, webhook(tmp_path, free_port())) as (_, targets):
        with pytest.raises(UnknownTarget, match="'mse'"):
            await targets.replay("mse", 0)
