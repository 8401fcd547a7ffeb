"""Verdicts reach a real broker, and whoever subscribes to it later."""

import json
import socket
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from app.delivery.errors import ReceiverAway, ReceiverRefused
from app.delivery.message import Message
from app.delivery.mqtt import MqttChannel, topic_of
from app.delivery.targets import Mqtt
from app.ledger.database import ledger_url
from app.verdict import answer_of
from tests.app.delivery.broker import ABSENT, broker, last_of, program
from tests.app.delivery.receiver import delivering, targets_file, until
from tests.app.ledger.records import record
from tests.e2e.process import free_port

pytestmark = pytest.mark.anyio
needs_broker = pytest.mark.skipif(program() is None, reason=ABSENT)


@pytest.fixture
def place(tmp_path: Path) -> URL:
    return ledger_url(tmp_path, None)


def scada(folder: Path, port: int) -> Path:
    given = {"url": f'"mqtt://127.0.0.1:{port}"', "begin": '"oldest"', "longest_pause_s": "0.05"}
    return targets_file(folder, "[mqtt.scada]", given)


@needs_broker
async def test_a_late_subscriber_has_the_last_verdict_of_each_station_at_once(place: URL, tmp_path: Path) -> None:
    port = free_port()
    with broker(tmp_path, port):
        async with delivering(place, scada(tmp_path, port)) as (ledger, targets):
            for number in range(4):
                await ledger.append(record(f"{number}", station=f"EL-{number % 2}"))
            await until(lambda: targets.state("scada").delivered == 4)
            last = [json.dumps(answer_of(await ledger.find(name)), separators=(",", ":")) for name in ("2", "3")]
            found = last_of(port, "inspect/+/verdict", 2)
    assert found == [("inspect/EL-0/verdict", last[0].encode()), ("inspect/EL-1/verdict", last[1].encode())]


@needs_broker
async def test_a_broker_that_was_down_gets_everything(place: URL, tmp_path: Path) -> None:
    port = free_port()
    async with delivering(place, scada(tmp_path, port)) as (ledger, targets):
        with broker(tmp_path, port):
            await ledger.append(record("a", station="EL-1"))
            await until(lambda: targets.state("scada").delivered == 1)
        for name in "bcd":
            await ledger.append(record(name, station=name))
        await until(lambda: targets.state("scada").word == "away")
        with broker(tmp_path, port):
            await until(lambda: targets.state("scada").delivered == 4)
            found = last_of(port, "inspect/+/verdict", 3)
    assert [json.loads(payload)["id"] for _, payload in found] == ["b", "c", "d"]


@needs_broker
async def test_what_the_broker_forbids_is_refused_and_who_may_not_in_is_away(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "rules").write_text("topic write inspect/#\n")
    with broker(tmp_path, port, "allow_anonymous true", f"acl_file {tmp_path / 'rules'}"):
        with pytest.raises(ReceiverRefused, match="Not authorized"):
            await send(port, topic="other/{station}")
        await send(port, topic="inspect/{station}")
    with broker(tmp_path, port, "allow_anonymous false"), pytest.raises(ReceiverAway, match="Not authorized"):
        await send(port)


async def test_a_broker_that_never_answers_is_away_after_the_time_that_was_set() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(ReceiverAway, match=r"within 0\.2 s"):
        await send(silent.getsockname()[1], timeout_s=0.2)


def test_a_name_is_one_level_of_the_topic_whatever_is_in_it() -> None:
    found = topic_of("inspect/{station}/{product}", record("a", station="hall 1/EL#+%", product="plate"))
    assert found == "inspect/hall 1%2FEL%23%2B%25/plate"
    assert topic_of("inspect/{station}/verdict", record("a")) == "inspect/-/verdict"


async def send(port: int, **options: object) -> None:
    async with MqttChannel(Mqtt.model_validate({"url": f"mqtt://127.0.0.1:{port}", **options})) as channel:
        await channel.send(Message.of(record("a", station="EL-1")))
