"""A broker connection for many messages: MQTT 5, received in bursts, at about an eighth of `Connection`'s cost each.

The packets are the library's (mqtt5, written in Rust); what is here is the session: connect, subscribe, confirm, ping,
come back. It is used where thousands of messages a second come in (docs/decisions/012-two-mqtt-clients.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple, cast

import mqtt5

from energy.errors import StoreError
from messaging.connection import BrokerClient, Connection, Message, MqttSettings, Will

__all__ = ["Client", "Link", "OnMessages", "open_client"]

_CONNECT_S: Final = 10.0
_PUBLISH_S: Final = 10.0
_GOODBYE_S: Final = 1.0
_LARGEST_PACKET: Final = 16 * 1024 * 1024  # what a broken peer could make us hold
_LARGEST_WRITE: Final = 64 * 1024
_UNCONFIRMED: Final = 65_535
_FLOOD_PER_S: Final = 4000  # messages; from here on a read costs more than what it brings
_FILL_S: Final = 0.002
_PUBACK: Final = b"\x40\x02"
_REFUSED: Final = 0x80

OnMessages = Callable[[Sequence[Message]], None]


def open_client(
    settings: MqttSettings,
    client_id: str,
    *,
    subscriptions: Sequence[str],
    on_messages: OnMessages,
    on_connect: Callable[[], Awaitable[None]] | None = None,
    will: Will | None = None,
) -> Client:
    """Who listens to many: a `Link`, or a `Connection` where the broker speaks 3.1.1 only."""
    if settings.protocol == "5":
        return Link(
            settings,
            client_id,
            subscriptions=subscriptions,
            on_messages=on_messages,
            on_connect=on_connect,
            will=will,
        )

    async def on_message(message: Message) -> None:
        on_messages([message])

    return Connection(
        settings, client_id, subscriptions=subscriptions, on_message=on_message, on_connect=on_connect, will=will
    )


class Link(BrokerClient):
    """A client for many messages: `on_messages` is called with those of one read from the socket, in order, and must not
    block; `on_connect` is awaited after each (re)connection, subscriptions made.
    """

    _faults = OSError  # ConnectionError, TimeoutError and ssl.SSLError are OSErrors

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        *,
        subscriptions: Sequence[str] = (),
        on_messages: OnMessages,
        on_connect: Callable[[], Awaitable[None]] | None = None,
        will: Will | None = None,
    ) -> None:
        super().__init__(settings, client_id, subscriptions, on_connect, will)
        self._on_messages = on_messages
        self._session: _Session | None = None

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Publishes and waits for the broker's PUBACK. Raises StoreError when it did not come: publish again later.

        With QoS 0 it waits for room in the connection only.
        """
        session = self._session
        if session is None:
            raise StoreError("not connected to the broker", hint="it is retried by itself")
        if qos == 0 and session.has_room:
            session.send(topic, payload, retain=retain)
            return
        try:
            async with asyncio.timeout(_PUBLISH_S):
                await session.publish(topic, payload, qos, retain=retain)
        except TimeoutError as error:
            raise StoreError(f"the broker did not confirm {topic}") from error

    def post(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Publishes (topic, payload) pairs with QoS 1 and waits for nothing: what is lost with the connection, is."""
        if self._session is not None:
            self._session.post(messages)

    async def settled(self) -> None:
        """Returns when all that was published or posted has its PUBACK, or is lost."""
        if self._session is not None:
            with contextlib.suppress(StoreError, TimeoutError):
                async with asyncio.timeout(_PUBLISH_S):
                    await self._session.settled()

    async def _serve(self) -> None:
        async with self._opened() as session:
            if self._on_connect is not None:
                await self._on_connect()
            await session.lost

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[_Session]:
        session = _Session(self._connect_packet(), self.subscriptions, self.settings.keepalive_s, self._on_messages)
        context = self.settings.tls.context() if self.settings.tls else None
        try:
            async with asyncio.timeout(_CONNECT_S):
                loop = asyncio.get_running_loop()
                await loop.create_connection(lambda: session, self.settings.host, self.settings.port, ssl=context)
                await session.ready
            self._session = session
            self._stands()
            yield session
        except TimeoutError as error:
            raise ConnectionError(f"no answer within {_CONNECT_S:g} s") from error
        finally:
            self._session = None
            self.connected.clear()
            await session.close()

    def _connect_packet(self) -> bytes:
        will, password = self._will, self.settings.password_text()
        return mqtt5.ConnectPacket(
            self.client_id,
            username=self.settings.username,
            password=None if password is None else password.encode(),
            clean_start=True,
            keep_alive=self.settings.keepalive_s,
            receive_max=_UNCONFIRMED,
            max_packet_size=_LARGEST_PACKET,
            will=None if will is None else _will(will),
        ).write()


class _Outgoing(NamedTuple):
    """A message with QoS 1 on its way. `confirmed`: of who waits for the PUBACK."""

    topic: str
    payload: bytes
    retain: bool
    confirmed: asyncio.Future[None] | None


class _Session(asyncio.Protocol):
    """One TCP connection's life. `ready`: subscribed; `lost`: ends with the reason as its exception."""

    def __init__(self, connect: bytes, subscriptions: Sequence[str], keepalive_s: int, on_messages: OnMessages) -> None:
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()
        self._connect = connect
        self._subscriptions = subscriptions
        self._keepalive_s = keepalive_s
        self._on_messages = on_messages
        self._transport: asyncio.Transport | None = None
        self._held = b""
        self._read_s = 0.0
        self._heard = True
        self._ping: asyncio.TimerHandle | None = None
        self._gone = asyncio.Event()
        self._outgoing: list[bytes] = []
        self._outgoing_bytes = 0
        self._packet_id = 0
        self._at_once = 1  # the broker tells how many unconfirmed ones it takes
        self._queued: deque[_Outgoing] = deque()
        self._unconfirmed: dict[int, _Outgoing] = {}
        self._drained: asyncio.Future[None] | None = None
        self._settled: asyncio.Future[None] | None = None

    @property
    def has_room(self) -> bool:
        """Whether the broker reads as fast as we write."""
        return self._drained is None

    def send(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Sends with QoS 0."""
        self._send(mqtt5.PublishPacket(topic, payload, retain=retain).write())

    def post(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Sends with QoS 1, as soon as the broker takes more, and tells nobody what became of it."""
        self._queued.extend(_Outgoing(topic, payload, retain=False, confirmed=None) for topic, payload in messages)
        self._send_queued()

    async def publish(self, topic: str, payload: bytes, qos: int, *, retain: bool) -> None:
        """Sends when there is room; with QoS 1 returns at the PUBACK. Raises StoreError."""
        if qos == 0:
            if self._drained is not None:
                await asyncio.shield(self._drained)
            self.send(topic, payload, retain=retain)
            return
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queued.append(_Outgoing(topic, payload, retain, confirmed))
        self._send_queued()
        await confirmed

    async def settled(self) -> None:
        """Returns when nothing waits to be sent or confirmed. Raises StoreError when the connection is lost."""
        if self._queued or self._unconfirmed:
            if self._settled is None:
                self._settled = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._settled)

    async def close(self) -> None:
        """Says goodbye, where the connection stands; a broker that does not read is not waited for long."""
        if self._ping is not None:
            self._ping.cancel()
        if self._transport is not None and not self._transport.is_closing():
            self._outgoing.append(mqtt5.DisconnectPacket().write())
            self._flush()
            self._transport.close()
        self._end(ConnectionError("closed"))
        if self._transport is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE_S):
                    await self._gone.wait()
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._connect)

    def pause_writing(self) -> None:
        self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None:
            self._settle(drained)

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone.set()
        self._end(exc or ConnectionError("the broker closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._heard = True
        now_s = time.monotonic()
        since_s, self._read_s = now_s - self._read_s, now_s
        messages: list[Message] = []
        confirmations: list[bytes] = []
        problem: Exception | None = None
        try:
            self._read(self._held + data if self._held else data, messages, confirmations)
        except ValueError as error:
            problem = ConnectionError(f"the broker sent what is no MQTT 5: {error}")
        except ConnectionError as error:
            problem = error
        try:
            if confirmations:
                self._send(b"".join(confirmations))
            if messages:
                self._on_messages(messages)
            if len(messages) > since_s * _FLOOD_PER_S:
                self._let_fill()
        except Exception as error:  # a defect of ours ends the service, not in silence
            problem = error
        if problem is not None:
            self._end(problem)

    def _let_fill(self) -> None:
        """In a flood, lets more come before it reads again: a wake-up, a read and a write for two messages cost us and the broker more."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(_FILL_S, self._transport.resume_reading)

    def _read(self, data: bytes, messages: list[Message], confirmations: list[bytes]) -> None:
        """Takes the whole packets in `data`, keeps the rest. Raises ValueError for what is no MQTT."""
        view, at, end = memoryview(data), 0, len(data)
        while at < end:
            try:
                packet, size = mqtt5.read(view[at:])
            except IndexError:  # not all of it has come
                break
            at += size
            if type(packet) is not mqtt5.PublishPacket:
                self._take(packet)
                continue
            if packet.packet_id is not None:
                confirmations.append(_PUBACK + packet.packet_id.to_bytes(2, "big"))
            messages.append(Message(packet.topic, packet.payload, packet.retain))
        self._held = data[at:]

    def _take(self, packet: mqtt5.Packet) -> None:
        if isinstance(packet, mqtt5.ConnAckPacket):
            self._connected(packet)
        elif isinstance(packet, mqtt5.SubAckPacket):
            self._subscribed(packet)
        elif isinstance(packet, mqtt5.PubAckPacket):
            self._confirmed(packet)
        elif isinstance(packet, mqtt5.DisconnectPacket):
            raise ConnectionError(f"the broker ended the session: {_words(packet.reason_code)}")

    def _confirmed(self, packet: mqtt5.PubAckPacket) -> None:
        known = self._unconfirmed.pop(packet.packet_id, None)
        if known is not None and known.confirmed is not None and not known.confirmed.done():
            if int(packet.reason_code) >= _REFUSED:
                known.confirmed.set_exception(StoreError(f"the broker refused it: {_words(packet.reason_code)}"))
            else:
                known.confirmed.set_result(None)
        if self._queued:
            self._send_queued()
        elif self._settled is not None and not self._unconfirmed:
            self._settle(self._settled)
            self._settled = None

    def _send_queued(self) -> None:
        """Sends what the broker takes now. Who stopped waiting for one before it was sent gets it sent all the same."""
        packets: list[bytes] = []
        while self._queued and len(self._unconfirmed) < self._at_once:
            outgoing = self._queued.popleft()
            packet_id = self._next_id()
            self._unconfirmed[packet_id] = outgoing
            packets.append(
                mqtt5.PublishPacket(
                    outgoing.topic,
                    outgoing.payload,
                    qos=mqtt5.QoS.AT_LEAST_ONCE,
                    retain=outgoing.retain,
                    packet_id=packet_id,
                ).write()
            )
        if packets:
            self._send(b"".join(packets))

    def _connected(self, packet: mqtt5.ConnAckPacket) -> None:
        if packet.reason_code != mqtt5.ConnAckReasonCode.SUCCESS:
            raise ConnectionError(f"the broker refused the connection: {_words(packet.reason_code)}")
        self._at_once = packet.receive_max
        if packet.server_keep_alive is not None:
            self._keepalive_s = packet.server_keep_alive
        self._ping = asyncio.get_running_loop().call_later(self._keepalive_s, self._keep_alive)
        if not self._subscriptions:
            self._settle(self.ready)
            return
        filters = [mqtt5.TopicFilter(topic, max_qos=mqtt5.QoS.AT_LEAST_ONCE) for topic in self._subscriptions]
        self._send(mqtt5.SubscribePacket(self._next_id(), filters).write())

    def _subscribed(self, packet: mqtt5.SubAckPacket) -> None:
        for topic, code in zip(self._subscriptions, packet.reason_codes, strict=True):
            if int(code) >= _REFUSED:
                raise ConnectionError(f"the broker refused the subscription of {topic}: {_words(code)}")
        self._settle(self.ready)

    def _keep_alive(self) -> None:
        if not self._heard:
            self._end(ConnectionError(f"the broker said nothing for {2 * self._keepalive_s} s"))
            return
        self._heard = False
        self._send(mqtt5.PingReqPacket().write())
        self._ping = asyncio.get_running_loop().call_later(self._keepalive_s, self._keep_alive)

    def _send(self, data: bytes) -> None:
        """Writes at the end of this turn of the loop: a system call costs more than all that goes into a packet."""
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outgoing.append(data)
        self._outgoing_bytes += len(data)
        if self._outgoing_bytes > _LARGEST_WRITE:
            self._flush()

    def _flush(self) -> None:
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        self._outgoing_bytes = 0
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _next_id(self) -> int:
        while True:
            self._packet_id = self._packet_id % _UNCONFIRMED + 1
            if self._packet_id not in self._unconfirmed:
                return self._packet_id

    def _end(self, reason: Exception) -> None:
        for future in (self.ready, self.lost):
            if not future.done():
                future.set_exception(reason)
                future.exception()  # whoever waits hears it; nobody else must
        lost = StoreError(f"the connection to the broker was lost: {reason}")
        outgoing = [each.confirmed for each in (*self._unconfirmed.values(), *self._queued)]
        for waiting in (*outgoing, self._drained, self._settled):
            if waiting is not None and not waiting.done():
                waiting.set_exception(lost)
                waiting.exception()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.abort()

    @staticmethod
    def _settle(future: asyncio.Future[None]) -> None:
        if not future.done():
            future.set_result(None)


def _will(will: Will) -> mqtt5.Will:
    return mqtt5.Will(will.topic, payload=will.payload, qos=mqtt5.QoS.AT_LEAST_ONCE, retain=True)


def _words(code: enum.IntEnum) -> str:
    """`NOT_AUTHORIZED` as "not authorized"."""
    return code.name.lower().replace("_", " ")


Client = Connection | Link
