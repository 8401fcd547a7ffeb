"""A verdict → POST, signed as Standard Webhooks says (https://www.standardwebhooks.com), and the receiver's answer.

In: a message. Out: nothing, once the receiver has answered 2xx. Refuses: `ReceiverAway` where nobody answers or the
answer says "later"; `ReceiverRefused` for every other answer, redirections among them.
"""

import math
import ssl
from datetime import UTC, datetime
from http import HTTPStatus
from types import TracebackType
from typing import Self

import aiohttp
from standardwebhooks import Webhook as Signer

from app.delivery.errors import ReceiverAway, ReceiverRefused
from app.delivery.message import Message
from app.delivery.targets import Webhook
from app.delivery.tls import context_of

LATER = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}  # of the receiver's state, not of the verdict
SHOWN = 200  # bytes of a refusal's body that are told to people
AGENT = "inspect-line"


class WebhookChannel:
    """One receiver. Enter it in the event loop that sends."""

    def __init__(self, target: Webhook) -> None:
        self._url = target.url
        self._timeout = aiohttp.ClientTimeout(total=target.timeout_s)
        self._signers = [Signer(secret) for secret in target.secrets]
        self._tls: ssl.SSLContext | bool = context_of(target) if target.address.scheme == "https" else True
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls),
            timeout=self._timeout,
            headers={"User-Agent": AGENT},
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def send(self, message: Message) -> None:
        """One try."""
        headers = signed(message, self._signers, datetime.now(UTC))
        try:
            async with self._session.post(
                self._url, data=message.body, headers=headers, allow_redirects=False
            ) as answer:
                if answer.ok and answer.status < HTTPStatus.MULTIPLE_CHOICES:
                    return
                said = (await answer.content.read(SHOWN)).decode("utf-8", "replace")
        except TimeoutError as exc:
            raise ReceiverAway(f"no answer within {self._timeout.total:g} s") from exc
        except (aiohttp.ClientError, OSError, ssl.SSLError) as exc:
            raise ReceiverAway(f"{type(exc).__name__}: {exc}") from exc
        error = ReceiverAway if answer.status in LATER else ReceiverRefused
        raise error(f"answered {answer.status}: {said!r}")


def signed(message: Message, signers: list[Signer], now: datetime) -> dict[str, str]:
    """The headers of one try. The id is the verdict's, the same in every try: a receiver knows by it what it has."""
    signatures = [signer.sign(message.id, now, message.body.decode()) for signer in signers]
    return {
        "Content-Type": "application/json",
        "webhook-id": message.id,
        "webhook-timestamp": str(math.floor(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
