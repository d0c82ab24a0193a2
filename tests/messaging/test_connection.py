"""The broker connection against a real mosquitto: comes back by itself, last will, refusal in words."""

import asyncio
import socket

import pytest

from energy.errors import ConfigError, StoreError
from messaging.connection import Connection, MqttSettings, TlsSettings, Will
from tests.messaging.running import running


async def _collector(settings, topic, protocol="5"):
    inbox = asyncio.Queue()
    settings = settings.model_copy(update={"protocol": protocol})
    return inbox, Connection(settings, "listener", subscriptions=[topic], on_message=inbox.put)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_message_arrives_on_either_protocol(mosquitto, protocol):
    inbox, listener = await _collector(mosquitto, "cw/#", protocol)
    sender = Connection(mosquitto.model_copy(update={"protocol": protocol}), "sender")
    async with running(listener, sender):
        await sender.publish("cw/v1/c/g/data", b"\x00hello")
        message = await asyncio.wait_for(inbox.get(), 5)
        assert (message.topic, message.payload, message.retained) == ("cw/v1/c/g/data", b"\x00hello", False)


async def test_empty_password_file_ends_the_client_and_does_not_log_in_without_one(mosquitto, tmp_path):
    (tmp_path / "password").write_text("\n")
    settings = mosquitto.model_copy(update={"username": "gw", "password_file": tmp_path / "password"})
    with pytest.raises(ConfigError, match=r"password: mqtt\.password_file: is empty"):
        await asyncio.wait_for(Connection(settings, "gw").run(), 10)


async def test_connection_comes_back_after_the_broker_was_killed_and_subscribes_again(broker):
    connects = 0

    async def on_connect():
        nonlocal connects
        connects += 1

    inbox = asyncio.Queue()
    listener = Connection(broker.settings, "listener", subscriptions=["t"], on_message=inbox.put, on_connect=on_connect)
    sender = Connection(broker.settings, "sender")
    async with running(listener, sender):
        broker.kill()
        await asyncio.wait_for(_until(lambda: not listener.connected.is_set() and not sender.connected.is_set()), 10)
        with pytest.raises(StoreError, match="not connected"):
            await sender.publish("t", b"lost")
        broker.start()
        await asyncio.wait_for(listener.connected.wait(), 20)
        await asyncio.wait_for(sender.connected.wait(), 20)
        await sender.publish("t", b"again")
        assert (await asyncio.wait_for(inbox.get(), 5)).payload == b"again"
        assert connects == 2


async def test_last_will_is_published_when_the_connection_is_cut(mosquitto):
    inbox, listener = await _collector(mosquitto, "status")
    dying = Connection(mosquitto, "dying", will=Will("status", b"gone"))
    async with running(listener):
        task = asyncio.create_task(dying.run())
        await asyncio.wait_for(dying.connected.wait(), 10)
        dying._client._client.socket().shutdown(socket.SHUT_RDWR)
        assert (await asyncio.wait_for(inbox.get(), 10)).payload == b"gone"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_missing_certificate_is_a_config_error_that_says_which_file(tmp_path):
    connection = Connection(MqttSettings(tls=TlsSettings(ca_file=tmp_path / "ca.pem")), "x")
    with pytest.raises(ConfigError, match=r"ca\.pem: mqtt\.tls\.ca_file"):
        await connection.run()


async def _until(condition):
    while not condition():
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("name", ["ca_file", "cert_file", "key_file"])
def test_certificate_file_that_is_not_there_is_told_by_name(tmp_path, name):
    (tmp_path / "there").touch()
    files = dict.fromkeys(("ca_file", "cert_file", "key_file"), tmp_path / "there") | {name: tmp_path / "none.pem"}
    with pytest.raises(ConfigError, match=rf"none\.pem: mqtt\.tls\.{name}: cannot be read: No such file"):
        TlsSettings(**files).context()


async def test_publish_in_flight_fails_at_once_when_the_broker_dies(broker):
    """Who waits for a PUBACK that cannot come any more learns it now, not after the time limit."""
    connection = Connection(broker.settings, "sender")
    async with running(connection):
        broker.freeze()
        publishing = asyncio.create_task(connection.publish("t", b"x"))
        await asyncio.sleep(0.05)
        broker.kill()
        with pytest.raises(StoreError):
            await asyncio.wait_for(publishing, 3)
