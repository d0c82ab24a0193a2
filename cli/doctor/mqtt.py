"""One short MQTT session of the doctor's own, which tells what the broker answers: reason codes and all.

paho itself, because aiomqtt keeps the reason of a PUBACK to itself. Every call blocks for a few seconds at most.
"""

from __future__ import annotations

import queue
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from energy.errors import StoreError
from messaging.connection import MqttSettings

__all__ = ["NOBODY_LISTENS", "Session", "open_session"]

NOBODY_LISTENS: Final = 0x10
_REFUSED_FROM: Final = 0x80
_WAIT_S: Final = 5.0


class Session:
    """An open session. Raises StoreError when the broker ends it or does not answer."""

    def __init__(self, settings: MqttSettings) -> None:
        self._settings = settings
        self._events: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._messages: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            f"doctor-{secrets.token_hex(4)}",
            protocol=mqtt.MQTTv5 if settings.protocol == "5" else mqtt.MQTTv311,
            reconnect_on_failure=False,
        )
        self._client.connect_timeout = _WAIT_S
        if settings.username is not None:
            self._client.username_pw_set(settings.username, settings.password_text())
        if settings.tls is not None:
            self._client.tls_set_context(settings.tls.context())
        self._client.on_connect = lambda _c, _u, _flags, reason, _p: self._events.put(("connect", reason))
        self._client.on_disconnect = lambda _c, _u, _flags, reason, _p: self._events.put(("disconnect", reason))
        self._client.on_publish = lambda _c, _u, _mid, reason, _p: self._events.put(("publish", reason))
        self._client.on_subscribe = lambda _c, _u, _mid, reasons, _p: self._events.put(("subscribe", reasons[0]))
        self._client.on_message = lambda _c, _u, message: self._messages.put((message.topic, bytes(message.payload)))

    def open(self) -> None:
        """Logs in."""
        try:
            self._client.connect(self._settings.host, self._settings.port, self._settings.keepalive_s)
        except (OSError, ValueError) as error:
            raise StoreError(f"the connection failed: {error}") from error
        self._client.loop_start()
        reason = self._await("connect")
        if reason.is_failure:
            raise StoreError(f"the broker refuses: {reason}")

    def subscribe(self, topic: str) -> bool:
        """Whether the broker grants it."""
        self._client.subscribe(topic, qos=1)
        return int(self._await("subscribe").value) < _REFUSED_FROM

    def publish(self, topic: str, payload: bytes) -> int:
        """The broker's reason code; 0x80 and above is a refusal. MQTT 3.1.1 brokers always say 0."""
        self._client.publish(topic, payload, qos=1)
        return int(self._await("publish").value)

    def messages(
        self, wait_s: float, enough: Callable[[str, bytes], bool] | None = None
    ) -> Iterator[tuple[str, bytes]]:
        """What arrives within `wait_s`, up to the first that is `enough`."""
        deadline = time.monotonic() + wait_s
        while (left := deadline - time.monotonic()) > 0:
            try:
                topic, payload = self._messages.get(timeout=left)
            except queue.Empty:
                return
            yield topic, payload
            if enough is not None and enough(topic, payload):
                return

    def close(self) -> None:
        """Says good-bye."""
        self._client.disconnect()
        self._client.loop_stop()

    def _await(self, wanted: str) -> Any:
        try:
            while True:
                event, reason = self._events.get(timeout=_WAIT_S)
                if event == wanted:
                    return reason
                if event == "disconnect":
                    raise StoreError(f"the broker closed the connection: {reason}")
        except queue.Empty:
            raise StoreError(f"the broker gave no answer within {_WAIT_S:g} s") from None


@contextmanager
def open_session(settings: MqttSettings) -> Iterator[Session]:
    """A session for the time of a `with` block."""
    session = Session(settings)
    try:
        session.open()
        yield session
    finally:
        session.close()
