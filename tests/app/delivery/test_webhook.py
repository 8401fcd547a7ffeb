"""The headers of a webhook are those of Standard Webhooks, and what a receiver answers is understood."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook as Signer

from app.delivery.errors import ReceiverAway, ReceiverRefused
from app.delivery.message import Message
from app.delivery.targets import Webhook
from app.delivery.webhook import WebhookChannel, signed
from tests.app.delivery.receiver import SECRET, receiving
from tests.app.ledger.records import record

pytestmark = pytest.mark.anyio
MOMENT = datetime(2021, 2, 25, 17, 8, 50, tzinfo=UTC)


def by_hand(secret: str, headers: dict[str, str], body: bytes) -> str:
    """The signature as the specification says it, without anybody's library."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()


def test_the_signature_is_that_of_the_specification() -> None:
    message = Message(record("msg_p5jXN8AQM9LWM0D4loKWxJek"), b'{"test": 2432232314}')
    headers = signed(message, [Signer(SECRET)], datetime.fromtimestamp(1614265330, UTC))
    assert headers["webhook-timestamp"] == "1614265330"
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_while_a_secret_is_changed_both_sign() -> None:
    other = "whsec_" + base64.b64encode(b"n" * 32).decode()
    message = Message.of(record("a"))
    headers = signed(message, [Signer(other), Signer(SECRET)], MOMENT)
    assert headers["webhook-signature"].split() == [by_hand(key, headers, message.body) for key in (other, SECRET)]


async def test_what_arrives_is_signed_as_it_arrived() -> None:
    with receiving() as receiver:
        await send(receiver.port)
        ((headers, body),) = receiver.requests
    assert headers["Content-Type"] == "application/json"
    assert headers["webhook-signature"] == by_hand(SECRET, headers, body)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        *((status, ReceiverRefused) for status in (302, 401, 422, 500)),
        *((status, ReceiverAway) for status in (429, 502, 503, 504)),
    ],
)
async def test_an_answer_blames_the_verdict_or_the_receiver(status: int, error: type[Exception]) -> None:
    with receiving(lambda _: status) as receiver, pytest.raises(error, match=f"answered {status}"):
        await send(receiver.port)


async def send(port: int) -> None:
    target = Webhook(url=f"http://127.0.0.1:{port}/", secrets=(SECRET,))
    async with WebhookChannel(target) as channel:
        await channel.send(Message.of(record("a", station="Prüfplatz 1")))
