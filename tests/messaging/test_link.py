"""The link for many messages against a real mosquitto and against a broker that misbehaves."""

import asyncio
import contextlib
import itertools
import signal

import mqtt5
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy.errors import StoreError
from messaging.connection import Connection, MqttSettings, Will
from messaging.link import Link, open_client
from tests.messaging.running import running


class Heard:
    """Keeps what came."""

    def __init__(self):
        self.messages = []
        self.news = asyncio.Event()

    def __call__(self, messages):
        self.messages.extend(messages)
        self.news.set()

    async def count(self, number):
        async with asyncio.timeout(20):
            while len(self.messages) < number:
                self.news.clear()
                await self.news.wait()
        return self.messages


@contextlib.asynccontextmanager
async def pretended_broker(answer):
    """A server that sends `answer` to whoever connects and then keeps still."""
    closed = asyncio.Event()

    async def serve(reader, writer):
        with contextlib.suppress(ConnectionError):
            await reader.read(1000)
            writer.write(answer)
            await writer.drain()
            await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        closed.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield MqttSettings(port=server.sockets[0].getsockname()[1]), closed
    finally:
        server.close()
        await asyncio.wait_for(closed.wait(), 10)


async def test_every_message_arrives_once_and_in_order(mosquitto):
    heard = Heard()
    link = Link(mosquitto, "listener", subscriptions=["t/+"], on_messages=heard)
    sender = Connection(mosquitto, "sender")
    async with running(link, sender):
        for number in range(500):
            await sender.publish("t/x", str(number).encode())
        assert [int(message.payload) for message in await heard.count(500)] == list(range(500))
        assert {(message.topic, message.retained) for message in heard.messages} == {("t/x", False)}


async def test_more_publishes_than_the_broker_takes_at_once_all_are_confirmed(mosquitto):
    heard = Heard()
    link = Link(mosquitto, "both", subscriptions=["t"], on_messages=heard)
    async with running(link):
        await asyncio.gather(*(link.publish("t", str(number).encode()) for number in range(1000)))
        assert sorted(int(message.payload) for message in await heard.count(1000)) == list(range(1000))


async def test_retained_message_is_marked_as_such(mosquitto):
    heard = Heard()
    sender = Connection(mosquitto, "sender")
    async with running(sender):
        await sender.publish("t", b"old", retain=True)
    link = Link(mosquitto, "listener", subscriptions=["t"], on_messages=heard)
    async with running(link):
        (message,) = await heard.count(1)
        assert (message.payload, message.retained) == (b"old", True)


async def test_large_message_arrives_whole(mosquitto):
    heard = Heard()
    link = Link(mosquitto, "both", subscriptions=["t"], on_messages=heard)
    payload = bytes(range(256)) * 8000
    async with running(link):
        await link.publish("t", payload)
        assert (await heard.count(1))[0].payload == payload


async def test_link_comes_back_after_the_broker_was_killed_and_subscribes_again(broker):
    connects = 0

    async def on_connect():
        nonlocal connects
        connects += 1

    heard = Heard()
    link = Link(broker.settings, "both", subscriptions=["t"], on_messages=heard, on_connect=on_connect)
    async with running(link):
        broker.kill()
        async with asyncio.timeout(10):
            while link.connected.is_set():
                await asyncio.sleep(0.01)
        with pytest.raises(StoreError, match="not connected"):
            await link.publish("t", b"lost")
        broker.start()
        await asyncio.wait_for(link.connected.wait(), 20)
        await link.publish("t", b"again")
        assert (await heard.count(1))[0].payload == b"again"
        assert connects == 2


async def test_publish_in_flight_fails_at_once_when_the_broker_dies(broker):
    link = Link(broker.settings, "sender", on_messages=lambda _: None)
    async with running(link):
        broker.freeze()
        publishing = asyncio.create_task(link.publish("t", b"x"))
        await asyncio.sleep(0.05)
        broker.kill()
        with pytest.raises(StoreError, match="lost"):
            await asyncio.wait_for(publishing, 3)


async def test_last_will_is_published_when_the_connection_is_cut(mosquitto):
    heard = Heard()
    listener = Link(mosquitto, "listener", subscriptions=["status"], on_messages=heard)
    dying = Link(mosquitto, "dying", on_messages=lambda _: None, will=Will("status", b"gone"))
    async with running(listener, dying):
        dying._session._transport.abort()
        assert (await heard.count(1))[0].payload == b"gone"


async def test_clean_end_publishes_no_last_will(mosquitto):
    heard = Heard()
    listener = Link(mosquitto, "listener", subscriptions=["status", "t"], on_messages=heard)
    ending = Link(mosquitto, "ending", on_messages=lambda _: None, will=Will("status", b"gone"))
    async with running(listener):
        async with running(ending):
            pass
        await asyncio.sleep(0.1)
        await listener.publish("t", b"after")
        assert [message.payload for message in await heard.count(1)] == [b"after"]


async def test_silent_broker_is_left_after_two_keepalives():
    granted = mqtt5.ConnAckPacket(server_keep_alive=1).write()
    async with pretended_broker(granted) as (settings, closed):
        link = Link(settings, "x", on_messages=lambda _: None)  # our own keepalive is 30 s
        task = asyncio.create_task(link.run())
        await asyncio.wait_for(closed.wait(), 30)
        assert "said nothing" in (link.last_error or "")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (mqtt5.ConnAckPacket(reason_code=mqtt5.ConnAckReasonCode.NOT_AUTHORIZED).write(), "not authorized"),
        (
            mqtt5.ConnAckPacket().write() + mqtt5.SubAckPacket(1, [mqtt5.SubAckReasonCode.NOT_AUTHORIZED]).write(),
            "subscription of t: not authorized",
        ),
        (mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.SERVER_SHUTTING_DOWN).write(), "shutting down"),
        (b"\x00\x02ab", "no MQTT 5"),
    ],
)
async def test_refusal_and_what_is_no_mqtt_are_told_in_words(answer, words):
    async with pretended_broker(answer) as (mqtt, closed):
        link = Link(mqtt, "x", subscriptions=["t"], on_messages=lambda _: None)
        task = asyncio.create_task(link.run())
        await asyncio.wait_for(closed.wait(), 10)
        async with asyncio.timeout(5):
            while link.last_error is None:
                await asyncio.sleep(0.01)
        assert words in link.last_error
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_defect_of_who_listens_ends_the_link_loudly(mosquitto):
    def broken(_):
        raise RuntimeError("a defect")

    link = Link(mosquitto, "listener", subscriptions=["t"], on_messages=broken)
    sender = Connection(mosquitto, "sender")
    async with running(sender):
        task = asyncio.create_task(link.run())
        await asyncio.wait_for(link.connected.wait(), 10)
        await sender.publish("t", b"x")
        with pytest.raises(RuntimeError, match="a defect"):
            await asyncio.wait_for(task, 10)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(max_size=200), cuts=st.lists(st.integers(0, 400), max_size=5))
def test_any_bytes_from_a_broker_end_the_session_or_wait_for_more(junk, cuts):
    """Whole messages before the junk are heard however the bytes are cut; nothing else than ConnectionError comes out."""
    from messaging.link import _Session

    async def feed():
        heard = Heard()
        session = _Session(b"", (), 30, heard)
        good = mqtt5.PublishPacket("t", b"good", qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=1).write()
        data = mqtt5.ConnAckPacket().write() + good + junk
        bounds = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
        for start, end in itertools.pairwise(bounds):
            if session.lost.done():
                break
            session.data_received(data[start:end])
        assert heard.messages[0].payload == b"good"
        if session.lost.done():
            assert isinstance(session.lost.exception(), ConnectionError)

    asyncio.run(feed())


class Transport:
    """Keeps whether it is read from."""

    def __init__(self):
        self.reading = True
        self.resumed = asyncio.Event()

    def is_closing(self):
        return False

    def write(self, data):
        pass

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True
        self.resumed.set()


async def test_flood_is_left_to_fill_the_socket_for_a_moment_and_few_messages_are_not():
    from messaging.link import _Session

    message = mqtt5.PublishPacket("t", b"x", qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=1).write()
    session, transport = _Session(b"", (), 30, Heard()), Transport()
    session.connection_made(transport)
    session.data_received(message)
    assert transport.reading
    session.data_received(1000 * message)
    assert not transport.reading
    await asyncio.wait_for(transport.resumed.wait(), 10)
    session._read_s -= 1.0
    session.data_received(10 * message)
    assert transport.reading


async def test_what_is_posted_arrives_although_the_broker_takes_few_at_once(mosquitto):
    heard = Heard()
    link = Link(mosquitto, "both", subscriptions=["t"], on_messages=heard)
    async with running(link):
        link.post(("t", str(number).encode()) for number in range(1000))
        await asyncio.wait_for(link.settled(), 20)
        assert [int(message.payload) for message in await heard.count(1000)] == list(range(1000))


async def test_settled_ends_when_the_broker_dies_with_what_was_posted(broker):
    link = Link(broker.settings, "sender", on_messages=lambda _: None)
    async with running(link):
        broker.freeze()
        link.post([("t", b"lost")])
        settling = asyncio.create_task(link.settled())
        await asyncio.sleep(0.05)
        assert not settling.done()
        broker.kill()
        await asyncio.wait_for(settling, 5)
        link.post([("t", b"to nobody")])
        await asyncio.wait_for(link.settled(), 5)


async def test_messages_that_need_no_puback_wait_for_a_broker_that_does_not_read(broker):
    link = Link(broker.settings, "sender", on_messages=lambda _: None)
    async with running(link):
        broker.freeze()
        payload = bytes(1_000_000)
        sending = asyncio.create_task(_publish_many(link, payload, 50))
        await asyncio.sleep(0.2)
        assert not sending.done()
        broker.process.send_signal(signal.SIGCONT)
        await asyncio.wait_for(sending, 20)


async def _publish_many(link, payload, count):
    for _ in range(count):
        await link.publish("t", payload, qos=0)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_open_client_hears_and_posts_on_either_protocol(mosquitto, protocol):
    heard = Heard()
    chosen = mosquitto.model_copy(update={"protocol": protocol})
    client = open_client(chosen, "both", subscriptions=["t/+"], on_messages=heard)
    async with running(client):
        client.post([("t/a", b"1"), ("t/b", b"2")])
        await asyncio.wait_for(client.settled(), 10)
        assert {(message.topic, message.payload) for message in await heard.count(2)} == {("t/a", b"1"), ("t/b", b"2")}
