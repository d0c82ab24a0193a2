"""A gateway that dies, hangs, or whose clock is set: what the devices and the readings come to."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest

from gateway.config import GatewayConfig
from gateway.service import GatewayService
from messaging.codec import Command
from simulator.config import SimulatorConfig
from simulator.service import Simulator
from tests.gateway.centre import NAMES, Centre, task
from tests.gateway.processes import Systemd, process


def command(command_id, now_ms, ttl_s, power_w=-3000):
    return Command(command_id, "site/battery", {"power_w": power_w}, ttl_s, "test", "because", now_ms)


def configuration(url, settings, data_dir, *, unit=1, interval_s=0.5):
    battery = {
        "device": "site/battery",
        "profile": "sunspec-storage-704",
        "unit": unit,
        "interval_s": interval_s,
        "limits": {"power_w": {"low": -5000, "high": 5000}},
    }
    return {
        "gateway": NAMES[1],
        "community": NAMES[0],
        "data_dir": str(data_dir),
        "mqtt": settings.model_dump(mode="json"),
        "commit_interval_s": 0.1,
        "uplink": {"resend_after_s": 1},
        "buses": [{"id": "roof", "url": url, "timeout_s": 0.5, "devices": [battery]}],
    }


@pytest.fixture
async def centre(mosquitto, until):
    listening = Centre(mosquitto)
    async with task(listening.connection.run):
        await until(listening.connection.connected.is_set)
        yield listening


class Storage:
    """A simulated battery on a real port; `written` holds, for each write, whether a setpoint was in force after it."""

    def __init__(self, simulator):
        self.battery = simulator.world.devices["site/battery"]
        self.url = f"tcp://127.0.0.1:{simulator.config.sites[0].devices[0].port}"
        self.written = []
        registers = simulator.world.maps["site/battery"]
        write = registers.write

        def noted(*arguments):
            refusal = write(*arguments)
            self.written.append(self.battery.setpoint_on)
            return refusal

        registers.write = noted


@pytest.fixture
async def storage(free_port, real_time, until):
    battery = {"id": "battery", "kind": "sunspec-storage", "role": "battery", "rated_w": 8000, "capacity_wh": 2e4}
    site = {"id": "site", "latitude": 50.85, "longitude": 4.35, "load": {"profile": "town_hall", "annual_kwh": 1e4}}
    site["devices"] = [{**battery, "port": free_port()}]
    simulator = Simulator(SimulatorConfig.model_validate({"tick_s": 0.1, "sites": [site]}), real_time)
    async with task(simulator.run):
        await until(simulator.ready.is_set)
        yield Storage(simulator)


async def test_killed_gateway_s_setpoint_ends_by_the_device_s_own_timer(
    storage, centre, mosquitto, tmp_path, real_time, until
):
    ttl_s = 3.0
    async with process(configuration(storage.url, mosquitto, tmp_path / "data")) as running:
        await until(lambda: centre.readings and storage.written, 15)
        asked_at = time.monotonic()
        await centre.ask(command("1", real_time.now_ms(), ttl_s))
        await until(lambda: centre.told == [("1", "applied")])
        assert storage.battery.setpoint_on
        running.kill()
        await running.wait()
    assert storage.battery.setpoint_on
    await until(lambda: not storage.battery.setpoint_on, ttl_s + 3)
    assert time.monotonic() - asked_at <= ttl_s + 2  # whole seconds of the device's timer, and the simulator's step
    assert centre.told == [("1", "applied")]  # nobody was left to do it


async def test_restarted_gateway_writes_the_safe_state_first_and_never_the_old_lease(
    storage, centre, mosquitto, tmp_path, real_time, until
):
    config = configuration(storage.url, mosquitto, tmp_path / "data")
    async with process(config) as running:
        await until(lambda: centre.readings and storage.written, 15)
        old = command("1", real_time.now_ms(), 60.0)
        await centre.ask(old)
        await until(lambda: storage.battery.setpoint_on and centre.results)
        running.kill()
        await running.wait()
    storage.written.clear()
    centre.results.clear()
    async with process(config):
        await until(lambda: storage.written, 15)
        assert not storage.battery.setpoint_on  # long before the timer's 60 s
        await until(lambda: len(centre.readings) > 3)
        await centre.ask(old)
        await until(lambda: len(centre.results) == 2)
        assert centre.told == [("1", "reverted"), ("1", "refused")]  # what the killed one could not tell any more
        assert "started again" in centre.results[0].reason
        assert "before this gateway started" in centre.results[1].reason
        assert not any(storage.written)
        await centre.ask(command("2", real_time.now_ms(), 60.0))  # a new one is obeyed
        await until(lambda: storage.battery.setpoint_on)


async def test_hung_loop_pings_the_watchdog_no_more(storage, centre, mosquitto, tmp_path, until):
    """Systemd restarts it then; at 20 times the haste a ping is due every half second."""
    config = configuration(storage.url, mosquitto, tmp_path / "data", interval_s=10.0)
    with Systemd(tmp_path / "notify") as systemd:

        def pings():
            return systemd.told.count("WATCHDOG=1")

        async with process(config, haste=20.0, NOTIFY_SOCKET=systemd.path) as running:
            await until(lambda: pings() >= 4, 15)
            running.send_signal(signal.SIGUSR1)
            await asyncio.sleep(0.5)  # the signal has arrived, and what was sent before it
            before = pings()
            await asyncio.sleep(2.0)  # four were due
            assert running.returncode is None
            assert pings() == before


async def test_clock_set_by_an_hour_loses_no_reading_and_ends_no_lease(
    serve, devices, centre, mosquitto, tmp_path, real_time, until
):
    battery = devices.storage()
    server = await serve({1: battery})
    config = GatewayConfig.model_validate(configuration(server.url, mosquitto, tmp_path / "data", interval_s=0.2))
    service = GatewayService(config, real_time)

    def seen():
        return {(reading.device, reading.t) for reading in centre.readings}

    async with task(service.run):
        await until(lambda: len(seen()) >= 3)
        for number, hours in enumerate([1, -1, -1]):
            began, told, polls = time.monotonic(), len(centre.results), service.metrics.polls
            await centre.ask(command(str(number), real_time.now_ms(), 1.0))
            await until(lambda told=told: len(centre.results) > told)
            real_time.offset_ms += hours * 3_600_000
            await until(lambda: centre.told[-1][1] == "expired")
            assert 1.0 <= time.monotonic() - began < 4.0
            assert centre.told[-2:] == [(str(number), "applied"), (str(number), "expired")]
            assert service.metrics.polls - polls >= 3  # of five: it went on
        assert not service.metrics.poll_errors
        polls = service.metrics.polls
        await until(lambda: len(seen()) >= polls)


async def test_gateway_whose_clock_ran_ahead_at_its_start_obeys_when_it_is_set_right(
    storage, centre, mosquitto, tmp_path, real_time, until
):
    real_time.offset_ms = 3_600_000
    service = GatewayService(
        GatewayConfig.model_validate(configuration(storage.url, mosquitto, tmp_path / "data")), real_time
    )
    async with task(service.run):
        await until(lambda: centre.readings and storage.written)
        real_time.offset_ms = 0
        await centre.ask(command("1", real_time.now_ms(), 30.0))
        await until(lambda: centre.results)
        assert centre.told == [("1", "applied")]
