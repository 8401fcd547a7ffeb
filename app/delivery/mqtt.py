"""A verdict → PUBLISH with QoS 1, and the broker's acknowledgement.

In: a message. Out: nothing, once the broker has acknowledged it. Refuses: `ReceiverAway` where there is no connection
or no acknowledgement; `ReceiverRefused` where MQTT 5 gives a reason for not taking it. (A broker that speaks 3.1.1
cannot say so: what its rules forbid is acknowledged and dropped.)
Each connection is a client of its own: what one has not acknowledged is the courier's to send again, and nobody else's.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from app.delivery.errors import ReceiverAway, ReceiverRefused
from app.delivery.message import Message
from app.delivery.targets import Mqtt
from app.delivery.tls import context_of
from app.ledger.record import Record

PORTS = {"mqtt": 1883, "mqtts": 8883}
KEEPALIVE_S = 20
NO_STATION = "-"
UNSAFE = {ord(character): f"%{ord(character):02X}" for character in ("%", "/", "+", "#", "\0")}


def topic_of(template: str, record: Record) -> str:
    """The topic of one verdict. What would be another level, or a wildcard, is escaped as in a URL."""
    values = {
        "station": record.station or NO_STATION,
        "product": record.product,
        "verdict": record.verdict,
        "counts_as": record.counts_as,
    }
    return template.format_map({name: value.translate(UNSAFE) for name, value in values.items()})


class MqttChannel:
    """One broker. Enter it in the event loop that sends; paho's thread does the rest."""

    def __init__(self, target: Mqtt) -> None:
        self._target = target
        self._tls = context_of(target) if target.address.scheme == "mqtts" else None
        self._connecting = asyncio.Lock()
        self._connection: _Connection | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._drop()

    async def send(self, message: Message) -> None:
        """One try, over the connection that there is or a new one."""
        target = self._target
        try:
            async with asyncio.timeout(target.timeout_s):
                connection = await self._connected()
                await connection.publish(topic_of(target.topic, message.record), message.body, retain=target.retain)
        except TimeoutError as exc:
            await self._drop()
            raise ReceiverAway(f"no acknowledgement within {target.timeout_s:g} s") from exc

    async def _connected(self) -> "_Connection":
        async with self._connecting:
            if self._connection is None or self._connection.lost is not None:
                await self._drop()
                self._connection = _Connection(self._client(), asyncio.get_running_loop())
            connection = self._connection
            await connection.open(self._target.address.hostname or "", self._port)
            return connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await asyncio.to_thread(connection.close)

    @property
    def _port(self) -> int:
        address = self._target.address
        return address.port or PORTS[address.scheme]

    def _client(self) -> paho.Client:
        target = self._target
        is_5 = target.protocol == "5"
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=target.client_id,
            clean_session=None if is_5 else True,
            protocol=MQTTProtocolVersion.MQTTv5 if is_5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = target.timeout_s
        if target.username is not None:
            client.username_pw_set(target.username, target.password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        return client


class _Connection:
    """One client of paho's, from its connection to its loss. Callbacks come in paho's thread."""

    def __init__(self, client: paho.Client, loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._loop = loop
        self._opened: asyncio.Future[None] | None = None
        self._sent: dict[int, asyncio.Future[None]] = {}
        self.lost: str | None = None
        client.on_connect = self._on_connect
        client.on_connect_fail = lambda *_: self._tell(self._lose, "cannot connect")
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish

    async def open(self, host: str, port: int) -> None:
        """Connect, unless that was done."""
        if self._opened is None:
            self._opened = self._loop.create_future()
            self._client.connect_async(host, port, KEEPALIVE_S)
            self._client.loop_start()
        await asyncio.shield(self._opened)

    async def publish(self, topic: str, body: bytes, *, retain: bool) -> None:
        """Wait for the acknowledgement."""
        sent: asyncio.Future[None] = self._loop.create_future()
        try:
            info = self._client.publish(topic, body, qos=1, retain=retain)
        except ValueError as exc:
            raise ReceiverRefused(f"cannot be published: {exc}") from exc
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise ReceiverAway(self.lost or paho.error_string(info.rc))
        self._sent[info.mid] = sent
        try:
            await sent
        finally:
            self._sent.pop(info.mid, None)

    def close(self) -> None:
        """Say goodbye, and end paho's thread."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, _: Any, __: Any, ___: Any, reason: ReasonCode, ____: Properties | None) -> None:
        if reason.is_failure:
            self._tell(self._lose, f"the broker refuses the connection: {reason}")
        else:
            self._tell(self._settle, self._opened, None)

    def _on_disconnect(self, _: Any, __: Any, ___: Any, reason: ReasonCode, ____: Properties | None) -> None:
        self._tell(self._lose, f"the connection was lost: {reason}")

    def _on_publish(self, _: Any, __: Any, mid: int, reason: ReasonCode, ___: Properties) -> None:
        refusal = ReceiverRefused(f"the broker did not take it: {reason}") if reason.is_failure else None
        self._tell(self._acknowledge, mid, refusal)

    def _acknowledge(self, mid: int, refusal: ReceiverRefused | None) -> None:
        self._settle(self._sent.get(mid), refusal)

    def _lose(self, why: str) -> None:
        self.lost = self.lost or why
        for future in (self._opened, *self._sent.values()):
            self._settle(future, ReceiverAway(self.lost))

    def _settle(self, future: asyncio.Future[None] | None, error: Exception | None) -> None:
        if future is None or future.done():
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
            future.exception()  # nobody may wait for it any more

    def _tell(self, what: Callable[..., None], *args: object) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(what, *args)
