"""GET /deliveries and a replay over HTTP: what an operator sees of a receiver, and can do about it."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from model_store.registry import Registry
from tests.app.delivery.receiver import SOON_S, receiving, webhook
from tests.app.fake_detector import load_fake
from tests.app.service import post, serving
from tests.attacks.pictures import encoded, part
from tests.model_store.drafts import make_draft


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Registry(tmp_path / "store").publish(make_draft(), activate=True)
    return tmp_path


def soon(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_refused_verdict_is_seen_and_replayed(folder: Path) -> None:
    with receiving(lambda _: 400) as receiver:
        targets = webhook(folder, receiver.port, attempts="2")
        with serving(folder, load_fake, targets_file=targets) as client:
            soon(lambda: client.get("/deliveries").json()[0]["state"] == "delivering")
            _, verdict = post(client, encoded(part(), "png"), station="EL-1", heatmap="none")
            soon(lambda: client.get("/deliveries").json()[0]["dead"] == 1)
            detail = client.get("/deliveries/mes").json()
            (letter,) = detail["dead_letters"]
            assert (detail["state"], letter["verdict_id"], letter["station"]) == ("refusing", verdict["id"], "EL-1")
            assert 'inspect_delivery_dead_letters{target="mes"} 1.0' in client.get("/metrics").text
            receiver.answer = lambda _: 204
            assert client.post("/deliveries/mes/replay", json={"after": letter["before"]}).status_code == 202
            soon(lambda: receiver.ids == [verdict["id"]])
            assert receiver.verdicts == [client.get(f"/verdicts/{verdict['id']}").json()]
            assert client.get("/deliveries/mes").json()["dead_letters"] == []


def test_a_target_that_is_not_there_is_404_and_a_foreign_cursor_422(folder: Path) -> None:
    with serving(folder, load_fake) as client:
        assert client.get("/deliveries").json() == []
        answer = client.get("/deliveries/mes")
        assert (answer.status_code, answer.json()["code"]) == (404, "delivery.unknown_target")
        assert client.post("/deliveries/mes/replay", json={"after": "nonsense"}).json()["code"] == "cursor.bad"
