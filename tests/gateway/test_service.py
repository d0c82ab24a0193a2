"""The whole gateway: real Modbus devices, a real broker, a centre that confirms."""

from __future__ import annotations

import asyncio
import signal
import sys

import pytest

from cli.processes import Child, keep_running
from gateway.config import GatewayConfig
from gateway.outbox import Outbox
from gateway.service import GatewayService
from messaging import topics
from messaging.codec import Ack, Command, decode_data, decode_result, decode_status, encode
from messaging.connection import Connection, MqttSettings
from runtime.clock import ManualClock
from tests.gateway.centre import task
from tests.gateway.processes import Systemd, process

NAMES = ("brussels", "gw-1")
W_SET_ENA = 40_002 + 2 + 65 + 155 + 9 + 22


class Centre:
    """Listens to everything a gateway says; confirms data while `confirming`."""

    def __init__(self, settings):
        self.data, self.status, self.results = [], [], []
        self.confirming = True
        self.connection = Connection(
            settings,
            "centre",
            subscriptions=[topics.data(*NAMES), topics.status(*NAMES), topics.result(*NAMES)],
            on_message=self._on_message,
        )

    async def _on_message(self, message):
        if message.topic == topics.status(*NAMES):
            self.status.append(decode_status(message.payload))
        elif message.topic == topics.result(*NAMES):
            self.results.append(decode_result(message.payload))
        else:
            data = decode_data(message.payload)
            self.data.append(data)
            if self.confirming:
                await self.connection.publish(topics.ack(*NAMES), encode(Ack(data.epoch, [data.seq])))

    async def command(self, now_ms, command_id="1", ttl_s=60.0, **quantities):
        asked = Command(command_id, "site/battery", quantities, ttl_s, "test", "because", now_ms)
        await self.connection.publish(topics.command(*NAMES), encode(asked))

    @property
    def readings(self):
        return [reading for data in self.data for reading in data.readings]


def configuration(server, settings, data_dir, **changes) -> dict:
    devices = [
        {"device": "site/grid", "profile": "eastron-sdm630", "unit": 1, "interval_s": 0.5},
        {
            "device": "site/battery",
            "profile": "sunspec-storage-704",
            "unit": 2,
            "interval_s": 0.5,
            "limits": {"power_w": {"low": -5000, "high": 5000}},
        },
    ]
    return {
        "gateway": NAMES[1],
        "community": NAMES[0],
        "data_dir": str(data_dir),
        "mqtt": settings.model_dump(mode="json"),
        "commit_interval_s": 0.1,
        "uplink": {"status_interval_s": 1, "resend_after_s": 1},
        "buses": [{"id": "roof", "url": server.url, "timeout_s": 0.3, "devices": devices}],
        **changes,
    }


@pytest.fixture
async def site(serve, devices):
    return await serve({1: devices.sdm630(), 2: devices.storage()})


@pytest.fixture
async def centre(mosquitto, until):
    listening = Centre(mosquitto)
    async with task(listening.connection.run):
        await until(listening.connection.connected.is_set)
        yield listening


def gateway(site, settings, tmp_path, clock) -> GatewayService:
    config = GatewayConfig.model_validate(configuration(site, settings, tmp_path / "data"))
    return GatewayService(config, clock, version="1.2.3")


async def test_readings_of_one_instant_come_as_one_batch_and_are_forgotten_when_confirmed(
    site, centre, mosquitto, tmp_path, real_time, until
):
    service = gateway(site, mosquitto, tmp_path, real_time)
    async with task(service.run):
        await until(lambda: service.metrics.confirmed >= 3)
        together = [data for data in centre.data if len(data.readings) == 2]
        assert len(together) >= 2
        newest = {reading.device: reading.v["power_w"] for reading in together[-1].readings}
        assert newest == {"site/grid": 1500.0, "site/battery": -2500}
        assert centre.data[-1].historical is False
        await until(lambda: centre.status and all(device.ok for device in centre.status[-1].devices))
        assert centre.status[-1].version == "1.2.3"
        assert {device.device for device in centre.status[-1].devices} == {"site/grid", "site/battery"}
    assert centre.data[0].seq == 1


async def test_silent_meter_gives_no_reading_and_the_status_says_so(
    site, centre, mosquitto, tmp_path, real_time, until
):
    site.units[1].silent = True
    async with task(gateway(site, mosquitto, tmp_path, real_time).run):
        await until(lambda: len(centre.readings) >= 3)
        assert {reading.device for reading in centre.readings} == {"site/battery"}
        await until(lambda: any("did not answer" in str(d.error) for d in centre.status[-1].devices))


async def test_command_reaches_the_device_and_leaving_makes_it_safe(
    site, centre, mosquitto, tmp_path, real_time, until
):
    service = gateway(site, mosquitto, tmp_path, real_time)
    battery = site.units[2]
    async with task(service.run):
        await until(lambda: service.connection.connected.is_set() and battery.writes)
        await centre.command(real_time.now_ms(), power_w=-3000)
        await until(lambda: centre.results)
        assert (centre.results[0].id, centre.results[0].state) == ("1", "applied")
        assert battery.words("holding", W_SET_ENA, 1) == [1]
        await centre.command(real_time.now_ms(), "2", power_w=-30_000)
        await until(lambda: len(centre.results) == 2)
        assert centre.results[1].state == "refused"
    assert battery.words("holding", W_SET_ENA, 1) == [0]
    await until(lambda: centre.results[-1].state == "reverted" and not centre.status[-1].online)


async def test_measuring_goes_on_without_broker_and_nothing_is_lost(site, broker, tmp_path, real_time, until):
    broker.kill()
    service = gateway(site, broker.settings, tmp_path, real_time)
    async with task(service.run):
        await until(lambda: service.outbox.depth().batches >= 3)
        broker.start()
        centre = Centre(broker.settings)
        async with task(centre.connection.run):
            await until(lambda: service.outbox.depth().batches <= 1 and service.metrics.confirmed > 3, 15)
            seqs = {data.seq for data in centre.data}
            assert seqs >= set(range(1, max(seqs)))
            assert any(data.historical for data in centre.data)


async def test_leases_from_before_a_restart_are_undone(site, centre, mosquitto, tmp_path, real_time, until):
    battery = site.units[2]
    battery.put("holding", W_SET_ENA, [1])
    async with task(gateway(site, mosquitto, tmp_path, real_time).run):
        await until(lambda: battery.words("holding", W_SET_ENA, 1) == [0])


async def test_sigterm_leaves_safe_devices_and_a_farewell_within_ten_seconds(
    site, centre, mosquitto, tmp_path, real_time, until
):
    battery = site.units[2]
    config = configuration(site, mosquitto, tmp_path / "data")
    with Systemd(tmp_path / "notify") as systemd:
        async with process(config, NOTIFY_SOCKET=systemd.path) as running:
            await until(lambda: centre.readings and battery.writes, 15)
            await centre.command(real_time.now_ms(), power_w=-3000)
            await until(lambda: centre.results)
            assert centre.results[0].state == "applied"
            running.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                await running.wait()
        assert {"READY=1", "WATCHDOG=1", "STOPPING=1"} <= set(systemd.told)
    assert running.returncode == 0
    assert battery.words("holding", W_SET_ENA, 1) == [0]
    await until(lambda: not centre.status[-1].online)


async def test_kill_9_leaves_every_committed_reading_and_the_last_will(site, centre, mosquitto, tmp_path, until):
    centre.confirming = False
    async with process(configuration(site, mosquitto, tmp_path / "data")) as running:
        await until(lambda: len(centre.data) >= 3, 15)
        running.kill()
        await running.wait()
    seen = {data.seq for data in centre.data}
    outbox = Outbox(tmp_path / "data" / "outbox.sqlite", ManualClock())
    held = {batch.seq for batch in outbox.pending(0, 2**62, 1000)}
    outbox.close()
    assert seen <= held
    await until(lambda: not centre.status[-1].online)


async def test_what_the_embedded_broker_keeps_for_others_is_no_word_of_the_centres(
    site, tmp_path, real_time, until, free_port
):
    settings = MqttSettings(port=free_port(), protocol="3.1.1")
    broker = Child("broker", [sys.executable, "-m", "cli.main", "broker", "--port", str(settings.port)])
    others = Connection(settings, "others", subscriptions=["cw/v1/brussels/#"], on_message=lambda _message: _nothing())
    service = gateway(site, settings, tmp_path, real_time)
    async with task(lambda: keep_running(broker)), task(others.run):
        await until(others.connected.is_set)
        for topic in (topics.live_community("brussels"), topics.live_site("brussels", "site")):
            await others.publish(topic, b'{"t": 1}', retain=True)
        received = []
        taken = service.connection._on_message

        async def watch(message):
            received.append(message.topic)
            await taken(message)

        service.connection._on_message = watch
        async with task(service.run):
            await until(service.connection.connected.is_set)
            await until(lambda: received)
        assert service.metrics.malformed == 0


async def _nothing() -> None:
    pass
