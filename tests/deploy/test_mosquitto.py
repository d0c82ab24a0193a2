"""Who gets in and who may say and hear what: the real broker, real certificates, verified by a listener.

mosquitto acknowledges a publish it denies under MQTT 3.1.1, so denial is proven by what the centre or the gateway
hears: a marker that is allowed is published after each forbidden message, and when it arrives alone the message was
stopped. Under MQTT 5 the reason code must say it too (135, not authorized).
"""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from messaging.connection import MqttSettings, TlsSettings

NOT_AUTHORIZED = 135
CONNECT = b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03abc"
CONNACK_ACCEPTED = b"\x20\x02\x00\x00"


def _context(ca: Path, identity: tuple[Path, str] | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(ca / "ca.crt"))
    if identity is not None:
        pki, name = identity
        context.load_cert_chain(pki / f"{name}.crt", pki / f"{name}.key")
    return context


@asynccontextmanager
async def client(broker: Any, name: str | None, **options: Any) -> AsyncIterator[aiomqtt.Client]:
    """A connection with the certificate `name` (None: without one); the centre's goes to the inner port."""
    pki = options.pop("pki", broker.authority.pki)
    port = options.pop("port", broker.inner_port if name == "centre" else broker.port)
    async with aiomqtt.Client(
        "localhost",
        port,
        identifier=options.pop("identifier", None),
        protocol=options.pop("protocol", aiomqtt.ProtocolVersion.V5),
        tls_context=_context(broker.authority.pki, (pki, name) if name else None),
        timeout=5,
        **options,
    ) as connected:
        yield connected


async def _next(connection: aiomqtt.Client) -> tuple[str, bytes]:
    async with asyncio.timeout(5):
        message = await anext(aiter(connection.messages))
    assert isinstance(message.payload, bytes)
    return str(message.topic), message.payload


def knock(broker: Any, identity: tuple[Path, str] | None, port: int, *, tls: str = "1.3") -> bytes | str:
    """Connects with bare TLS and MQTT 3.1.1: the broker's first answer, or how it refuses.

    Under TLS 1.2 the refusal is an alert within the handshake, and its name is given. Under 1.3 the handshake ends
    before the broker has seen the certificate; then it closes, and whether its alert gets through is chance: "closed".
    """
    context = _context(broker.authority.pki, identity)
    if tls == "1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        try:
            with context.wrap_socket(plain, server_hostname="localhost") as secured:
                secured.sendall(CONNECT)
                return secured.recv(100) or "closed"
        except ConnectionError:
            return "closed"
        except ssl.SSLError as error:
            return str(error.reason) if tls == "1.2" else "closed"


@pytest.mark.parametrize("channel", ["status", "data", "command/result"])
@pytest.mark.parametrize("protocol", [aiomqtt.ProtocolVersion.V5, aiomqtt.ProtocolVersion.V311])
async def test_gateway_reaches_the_centre_on_its_own_topics(secure_broker: Any, channel: str, protocol: Any):
    async with client(secure_broker, "centre") as centre, client(secure_broker, "gw-one", protocol=protocol) as gateway:
        await centre.subscribe(f"cw/v1/+/+/{channel}", qos=1)
        await gateway.publish(f"cw/v1/ixelles/gw-one/{channel}", b"mine", qos=1)
        assert await _next(centre) == (f"cw/v1/ixelles/gw-one/{channel}", b"mine")


FORBIDDEN_TO_GATEWAYS = [
    "cw/v1/ixelles/gw-two/data",
    "cw/v1/ixelles/gw-two/status",
    "cw/v1/ixelles/gw-two/command/result",
    "cw/v1/ixelles/gw-one/ack",
    "cw/v1/ixelles/gw-one/command",
    "cw/v1/ixelles/gw-two/command",
    "cw/v1/ixelles/live/community",
    "cw/v1/ixelles/live/site/ixl-hall",
    "cw/v1/ixelles/alerts/one",
    "cw/v1/ixelles/gw-one/data/more",
    "elsewhere",
]


@pytest.mark.parametrize("topic", FORBIDDEN_TO_GATEWAYS)
async def test_gateway_is_not_heard_on_topics_that_are_not_its_own(secure_broker: Any, topic: str):
    """Under 3.1.1 the broker acknowledges and drops; only the marker behind it arrives."""
    async with (
        client(secure_broker, "centre") as centre,
        client(secure_broker, "gw-two") as other,
        client(secure_broker, "gw-one", protocol=aiomqtt.ProtocolVersion.V311) as gateway,
    ):
        for pattern in ("+/+/status", "+/+/data", "+/+/command/result", "+/live/#", "+/alerts/#"):
            await centre.subscribe(f"cw/v1/{pattern}", qos=1)
        await other.subscribe("cw/v1/+/gw-two/command", qos=1)
        await gateway.publish(topic, b"forged", qos=1)
        await gateway.publish("cw/v1/ixelles/gw-one/data", b"marker", qos=1)
        assert await _next(centre) == ("cw/v1/ixelles/gw-one/data", b"marker")
        await centre.publish("cw/v1/ixelles/gw-two/command", b"marker", qos=1)
        assert await _next(other) == ("cw/v1/ixelles/gw-two/command", b"marker")


@pytest.mark.parametrize("topic", FORBIDDEN_TO_GATEWAYS)
async def test_gateway_is_told_not_authorized_under_mqtt_5(secure_broker: Any, topic: str):
    async with client(secure_broker, "gw-one") as gateway:
        paho = gateway._client
        codes: dict[int, Any] = {}
        before = paho.on_publish

        def note(instance: Any, userdata: Any, mid: int, reason: Any, properties: Any = None) -> None:
            codes[mid] = reason
            before(instance, userdata, mid, reason, properties)

        paho.on_publish = note
        await gateway.publish(topic, b"forged", qos=1)
        assert [getattr(reason, "value", reason) for reason in codes.values()] == [NOT_AUTHORIZED]


@pytest.mark.parametrize("topic", ["cw/v1/ixelles/gw-one/ack", "cw/v1/ixelles/gw-one/command"])
async def test_centre_reaches_a_gateway(secure_broker: Any, topic: str):
    async with client(secure_broker, "gw-one") as gateway, client(secure_broker, "centre") as centre:
        await gateway.subscribe(topic, qos=1)
        await centre.publish(topic, b"for you", qos=1)
        assert await _next(gateway) == (topic, b"for you")


@pytest.mark.parametrize("topic", ["cw/v1/ixelles/live/site/ixl-hall", "cw/v1/ixelles/alerts/surplus"])
async def test_collector_tells_the_api_under_the_same_certificate(secure_broker: Any, topic: str):
    async with (
        client(secure_broker, "centre", identifier="api") as api,
        client(secure_broker, "centre", identifier="collector") as collector,
    ):
        await api.subscribe(topic, qos=1)
        await collector.publish(topic, b"news", qos=1)
        assert await _next(api) == (topic, b"news")


@pytest.mark.parametrize(
    "pattern",
    ["#", "cw/v1/#", "cw/v1/+/+/data", "cw/v1/+/+/command", "cw/v1/+/live/#", "cw/v1/+/gw-two/command", "$SYS/#"],
)
async def test_gateway_hears_nothing_that_is_not_for_it(secure_broker: Any, pattern: str):
    """Whatever it subscribes to, the next thing it hears is what the centre says to it."""
    async with (
        client(secure_broker, "gw-one", protocol=aiomqtt.ProtocolVersion.V311) as gateway,
        client(secure_broker, "gw-two") as other,
        client(secure_broker, "centre") as centre,
    ):
        await gateway.subscribe("cw/v1/+/gw-one/ack", qos=1)
        try:
            await gateway.subscribe(pattern, qos=1)
        except aiomqtt.MqttError:
            pass  # denied already here; what is not denied must deliver nothing
        await other.publish("cw/v1/ixelles/gw-two/data", b"not yours", qos=1)
        await centre.publish("cw/v1/ixelles/gw-two/command", b"not yours", qos=1)
        await centre.publish("cw/v1/ixelles/live/community", b"not yours", qos=1)
        await centre.publish("cw/v1/ixelles/gw-one/ack", b"yours", qos=1)
        assert await _next(gateway) == ("cw/v1/ixelles/gw-one/ack", b"yours")


PORTS = pytest.mark.parametrize("port", ["port", "inner_port"])
TLS = pytest.mark.parametrize("tls", ["1.2", "1.3"])


@PORTS
@TLS
@pytest.mark.parametrize("name", ["gw-one", "centre"])
def test_good_certificate_is_accepted(secure_broker: Any, port: str, tls: str, name: str):
    """The counterpart of the refusals below."""
    identity = (secure_broker.authority.pki, name)
    assert knock(secure_broker, identity, getattr(secure_broker, port), tls=tls) == CONNACK_ACCEPTED


@PORTS
@TLS
@pytest.mark.parametrize(
    ("name", "alert"),
    [
        (None, "SSLV3_ALERT_HANDSHAKE_FAILURE"),
        ("gw-expired", "SSLV3_ALERT_CERTIFICATE_EXPIRED"),
        ("gw-revoked", "SSLV3_ALERT_CERTIFICATE_REVOKED"),
        ("server", "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE"),
    ],
)
def test_no_expired_revoked_and_server_certificates_are_refused(
    secure_broker: Any, port: str, tls: str, name: str | None, alert: str
):
    """The broker's own certificate, too, opens no door: it is for servers only."""
    identity = (secure_broker.authority.pki, name) if name else None
    assert knock(secure_broker, identity, getattr(secure_broker, port), tls=tls) == (
        alert if tls == "1.2" else "closed"
    )


@PORTS
@TLS
@pytest.mark.parametrize("name", ["gw-one", "centre"])
def test_certificate_of_another_authority_is_refused(
    secure_broker: Any, strangers: Any, port: str, tls: str, name: str
):
    answer = knock(secure_broker, (strangers.pki, name), getattr(secure_broker, port), tls=tls)
    assert answer == ("TLSV1_ALERT_UNKNOWN_CA" if tls == "1.2" else "closed")


def test_plain_connection_is_refused(secure_broker: Any):
    with socket.create_connection(("127.0.0.1", secure_broker.port), timeout=5) as plain:
        plain.sendall(CONNECT)
        try:
            answer = plain.recv(100)
        except ConnectionError:
            answer = b""
    assert CONNACK_ACCEPTED not in answer


def test_client_refuses_a_broker_of_another_authority(secure_broker: Any, strangers: Any):
    """The gateway's side: it does not talk to whoever answers."""
    context = _context(strangers.pki, (secure_broker.authority.pki, "gw-one"))
    with (
        socket.create_connection(("127.0.0.1", secure_broker.port), timeout=5) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        context.wrap_socket(plain, server_hostname="localhost")


def test_client_refuses_a_broker_under_a_name_it_has_no_certificate_for(secure_broker: Any):
    context = _context(secure_broker.authority.pki, (secure_broker.authority.pki, "gw-one"))
    with (
        socket.create_connection(("127.0.0.1", secure_broker.port), timeout=5) as plain,
        pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"),
    ):
        context.wrap_socket(plain, server_hostname="centre.example.org")


async def test_user_name_of_the_centre_gives_a_gateway_nothing(secure_broker: Any):
    """The certificate names the user, whatever the client calls itself."""
    async with (
        client(secure_broker, "gw-one", username="centre") as gateway,
        client(secure_broker, "gw-two") as other,
        client(secure_broker, "centre") as centre,
    ):
        await other.subscribe("cw/v1/+/gw-two/command", qos=1)
        await gateway.publish("cw/v1/ixelles/gw-two/command", b"forged", qos=1)
        await centre.publish("cw/v1/ixelles/gw-two/command", b"marker", qos=1)
        assert await _next(other) == ("cw/v1/ixelles/gw-two/command", b"marker")


async def test_gateway_cannot_throw_another_off_by_its_client_id(secure_broker: Any):
    async with client(secure_broker, "gw-two", identifier="gw-two") as victim:
        await victim.subscribe("cw/v1/+/gw-two/ack", qos=1)
        async with client(secure_broker, "gw-one", identifier="gw-two") as thief:
            await thief.publish("cw/v1/ixelles/gw-one/data", b"x", qos=1)
        async with client(secure_broker, "centre") as centre:
            await centre.publish("cw/v1/ixelles/gw-two/ack", b"still here", qos=1)
        assert (await _next(victim))[1] == b"still here"


def test_revocation_counts_after_sighup_without_a_restart(secure_broker: Any):
    identity = (secure_broker.authority.pki, "gw-later")
    assert knock(secure_broker, identity, secure_broker.port) == CONNACK_ACCEPTED
    secure_broker.authority.make("revoke", "gw-later")
    secure_broker.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 5
    while (answer := knock(secure_broker, identity, secure_broker.port, tls="1.2")) == CONNACK_ACCEPTED:
        assert time.monotonic() < deadline, "a revoked gateway still connects"
        time.sleep(0.02)
    assert answer == "SSLV3_ALERT_CERTIFICATE_REVOKED"
    assert knock(secure_broker, (identity[0], "gw-one"), secure_broker.port) == CONNACK_ACCEPTED


async def test_message_above_the_limit_reaches_nobody(secure_broker: Any):
    """1 MiB is the most; the connection of who sends more is ended, and what comes next gets through."""
    topic = "cw/v1/ixelles/gw-one/data"
    async with client(secure_broker, "centre") as centre:
        await centre.subscribe("cw/v1/+/+/data", qos=1)
        assert _publish_bare(secure_broker, topic, 1_100_000) == b""
        async with client(secure_broker, "gw-one") as gateway:
            await gateway.publish(topic, bytes(900_000), qos=1)
        assert await _next(centre) == (topic, bytes(900_000))


def _publish_bare(broker: Any, topic: str, size: int) -> bytes:
    """The broker's answer to a QoS 1 publish of `size` bytes; nothing when it ends the connection."""
    body = len(topic).to_bytes(2, "big") + topic.encode() + b"\x00\x01" + bytes(size)
    length, left = bytearray(), len(body)
    while left:
        length.append(left % 128 | (0x80 if left >= 128 else 0))
        left //= 128
    context = _context(broker.authority.pki, (broker.authority.pki, "gw-one"))
    with (
        socket.create_connection(("127.0.0.1", broker.port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        secured.sendall(CONNECT)
        assert secured.recv(4) == CONNACK_ACCEPTED
        try:
            secured.sendall(b"\x32" + bytes(length) + body)
            return secured.recv(4)
        except (ConnectionError, ssl.SSLError):
            return b""


def test_bare_publish_is_acknowledged_below_the_limit(secure_broker: Any):
    """The counterpart: the same bytes, fewer of them, get a PUBACK."""
    assert _publish_bare(secure_broker, "cw/v1/ixelles/gw-one/data", 900_000) == b"\x40\x02\x00\x01"


async def test_our_own_connection_accepts_the_certificates(secure_broker: Any):
    """messaging.connection with the files certificates.sh makes."""
    from messaging.connection import Connection

    pki = secure_broker.authority.pki
    tls = TlsSettings(ca_file=pki / "ca.crt", cert_file=pki / "gw-one.crt", key_file=pki / "gw-one.key")
    connection = Connection(MqttSettings(host="localhost", port=secure_broker.port, tls=tls), "gw-one")
    task = asyncio.create_task(connection.run())
    try:
        await asyncio.wait_for(connection.connected.wait(), 5)
        await connection.publish("cw/v1/ixelles/gw-one/data", b"x")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
