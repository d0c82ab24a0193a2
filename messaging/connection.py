"""A broker connection that comes back by itself: jittered backoff, subscriptions renewed, last will, TLS.

The broker is trusted with nothing (docs/decisions/001-end-to-end-confirmation.md): what must not be lost is kept by
who publishes until the other end confirms it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Protocol

import aiomqtt
import msgspec
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from energy.errors import ConfigError, StoreError
from runtime.secret_file import read_secret

__all__ = ["BrokerClient", "Connection", "Message", "MqttSettings", "Publisher", "TlsSettings", "Will"]

_BACKOFF_BASE_S = 0.5
_BACKOFF_MAX_S = 30.0
_PUBLISH_S = 10.0
_MANY = 1_000_000
_NO_DELAY = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)  # small messages that wait for each other's PUBACK: no Nagle


class TlsSettings(BaseModel):
    """Files of the gateway's or the centre's identity."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ca_file: Path
    cert_file: Path | None = None
    key_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """What a client uses. Raises ConfigError when the files do not fit."""
        files = {"ca_file": self.ca_file, "cert_file": self.cert_file, "key_file": self.key_file}
        for name, file in files.items():
            try:
                _ = file and file.read_bytes()
            except OSError as error:
                hint = "check the path and its rights"
                raise ConfigError(
                    f"cannot be read: {error.strerror}", file=str(file), field=f"mqtt.tls.{name}", hint=hint
                ) from error
        try:
            context = ssl.create_default_context(cafile=str(self.ca_file))
            if self.cert_file:
                context.load_cert_chain(str(self.cert_file), str(self.key_file) if self.key_file else None)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"the certificate files do not work together: {error}",
                field="mqtt.tls",
                hint="key_file must belong to cert_file; check paths and rights (`ls -l`)",
            ) from error
        return context


class MqttSettings(BaseModel):
    """Where the broker is and who we are to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=1883, ge=1, le=65535)
    protocol: Literal["5", "3.1.1"] = "5"
    username: str | None = None
    password_file: Path | None = None
    password: SecretStr | None = Field(default=None, description="better: password_file, or COMMONWATT_MQTT__PASSWORD")
    keepalive_s: int = Field(default=30, ge=5, le=600)
    tls: TlsSettings | None = None

    def password_text(self) -> str | None:
        """`password`, or what stands in `password_file`. Raises ConfigError when it cannot be read or is empty."""
        if self.password is not None:
            return self.password.get_secret_value()
        return None if self.password_file is None else read_secret(self.password_file, "mqtt.password_file")


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message as it came."""

    topic: str
    payload: bytes
    retained: bool


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says for us when we vanish."""

    topic: str
    payload: bytes


class Publisher(Protocol):
    """A connection as who speaks over it needs it."""

    connected: asyncio.Event

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Publishes and waits for the broker. Raises StoreError when it did not take it."""

    def post(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Publishes (topic, payload) pairs with QoS 1 and waits for nothing: what is lost with the connection, is."""

    async def settled(self) -> None:
        """Returns when the broker has all that was posted, or it is lost."""


class BrokerClient:
    """One broker session after the other, for ever; `run` is a task of the service, `_serve` one session of a client.

    `connected` is set while a session stands; `last_error` tells why none does.
    """

    _faults: ClassVar[type[Exception]]
    """What ends a session and is no defect."""

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        subscriptions: Sequence[str],
        on_connect: Callable[[], Awaitable[None]] | None,
        will: Will | None,
    ) -> None:
        self.settings = settings
        self.client_id = client_id
        self.subscriptions = tuple(subscriptions)
        self.connected = asyncio.Event()
        self.last_error: str | None = None
        self._on_connect = on_connect
        self._will = will
        self._attempt = 0
        self._log = logging.getLogger(type(self).__module__)

    async def run(self) -> None:
        """Connects, serves, and connects again after a jittered pause, until cancelled."""
        while True:
            try:
                await self._serve()
            except self._faults as error:
                self._note(error)
            longest = min(_BACKOFF_MAX_S, _BACKOFF_BASE_S * 2 ** min(self._attempt, 8))
            self._attempt += 1
            await asyncio.sleep(random.uniform(0.1, longest))  # noqa: S311 - jitter

    async def _serve(self) -> None:
        raise NotImplementedError

    def _stands(self) -> None:
        """To be called when a session stands, its subscriptions made."""
        self._attempt = 0
        self.last_error = None
        self.connected.set()
        self._log.info("connected to broker %s:%d as %s", self.settings.host, self.settings.port, self.client_id)

    def _note(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        if text != self.last_error:  # say it once, not at every attempt
            self._log.warning("broker %s:%d: %s; trying again", self.settings.host, self.settings.port, text)
        self.last_error = text


class Connection(BrokerClient):
    """A client for few messages: `on_message` is awaited for each in order, `on_connect` after each (re)connection,
    subscriptions made.
    """

    _faults = aiomqtt.MqttError

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        *,
        subscriptions: Sequence[str] = (),
        on_message: Callable[[Message], Awaitable[None]] | None = None,
        on_connect: Callable[[], Awaitable[None]] | None = None,
        will: Will | None = None,
    ) -> None:
        super().__init__(settings, client_id, subscriptions, on_connect, will)
        self._on_message = on_message
        self._client: aiomqtt.Client | None = None
        self._publishing: set[asyncio.Timeout] = set()
        self._posted: set[asyncio.Task[None]] = set()

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Publishes and waits for the broker's PUBACK. Raises StoreError when it did not come: publish again later."""
        client = self._client
        if client is None:
            raise StoreError("not connected to the broker", hint="it is retried by itself")
        try:
            # aiomqtt's own timeout is asyncio.wait_for, which before Python 3.12 may swallow a cancellation
            async with asyncio.timeout(_PUBLISH_S) as limit:
                self._publishing.add(limit)
                await client.publish(topic, payload, qos=qos, retain=retain, timeout=math.inf)
        except TimeoutError as error:
            raise StoreError(f"the broker did not confirm {topic}") from error
        except (aiomqtt.MqttError, ValueError) as error:
            raise StoreError(f"the broker did not take {topic}: {error}") from error
        finally:
            self._publishing.discard(limit)

    def post(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Publishes (topic, payload) pairs with QoS 1 and waits for nothing: what is lost with the connection, is."""
        for topic, payload in messages:
            task = asyncio.create_task(self._try_publish(topic, payload), name="connection.post")
            self._posted.add(task)
            task.add_done_callback(self._posted.discard)

    async def settled(self) -> None:
        """Returns when the broker has all that was posted, or it is lost."""
        await asyncio.gather(*self._posted)

    async def _try_publish(self, topic: str, payload: bytes) -> None:
        with contextlib.suppress(StoreError):
            await self.publish(topic, payload)

    async def _serve(self) -> None:
        async with self._session() as client:
            _obey_cancellation()
            if self._on_connect is not None:
                await self._on_connect()
            async for message in client.messages:
                if self._on_message is not None:
                    payload = (
                        message.payload if isinstance(message.payload, bytes) else str(message.payload or "").encode()
                    )
                    await self._on_message(Message(str(message.topic), payload, bool(message.retain)))

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[aiomqtt.Client]:
        async with self._make_client() as client:
            for topic in self.subscriptions:
                await client.subscribe(topic, qos=1)
            self._client = client
            self._stands()
            try:
                yield client
            finally:
                self._client = None
                self.connected.clear()
                for limit in self._publishing:  # no PUBACK will come any more: nobody needs to wait for it
                    if not limit.expired():
                        limit.reschedule(asyncio.get_running_loop().time())

    def _make_client(self) -> aiomqtt.Client:
        settings = self.settings
        protocol = aiomqtt.ProtocolVersion.V5 if settings.protocol == "5" else aiomqtt.ProtocolVersion.V311
        will = aiomqtt.Will(self._will.topic, self._will.payload, qos=1, retain=True) if self._will else None
        client = aiomqtt.Client(
            hostname=settings.host,
            port=settings.port,
            identifier=self.client_id,
            protocol=protocol,
            username=settings.username,
            password=settings.password_text(),
            keepalive=settings.keepalive_s,
            clean_start=True if settings.protocol == "5" else MQTT_CLEAN_START_FIRST_ONLY,  # paho refuses it on 3.1.1
            clean_session=None if settings.protocol == "5" else True,
            will=will,
            tls_context=settings.tls.context() if settings.tls else None,
            timeout=10,
            logger=logging.getLogger("aiomqtt"),
            socket_options=_NO_DELAY,
        )
        client.pending_calls_threshold = _MANY  # publishes on their way are the uplink's window, not a fault
        return client


def _obey_cancellation() -> None:
    """Ends a task whose cancellation was lost: `asyncio.wait_for` of Python 3.11, which aiomqtt uses, drops one that
    arrives in the instant its future is done (python/cpython#86296), and the task would serve on for ever.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
