"""SIGTERM when nothing else goes well: a broker that answers no more, a device that hangs, a disk that takes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import subprocess
import time

import pytest

from gateway.outbox import Outbox
from messaging import topics
from messaging.codec import Command, decode_status
from messaging.connection import Connection
from runtime.clock import ManualClock
from tests.gateway.centre import NAMES, Centre, task
from tests.gateway.processes import Systemd, process

STOPPED_WITHIN_S = 10.0
W_SET_ENA = 40_002 + 2 + 65 + 155 + 9 + 22
START_S = 30.0  # a process of its own on a busy machine


def configuration(server, settings, data_dir):
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
        "buses": [{"id": "roof", "url": server.url, "timeout_s": 1.0, "devices": devices}],
    }


class Site:
    """A gateway process with a meter and a battery that stands on a lease, and a centre that listens."""

    def __init__(self, server, running, centre, systemd, statuses):
        self.battery, self.meter = server.units[2], server.units[1]
        self.running, self.centre, self.systemd, self.statuses = running, centre, systemd, statuses

    @property
    def commanded(self):
        return self.battery.words("holding", W_SET_ENA, 1) == [1]

    async def stop(self):
        """SIGTERM, and how long it took, s."""
        began = time.monotonic()
        self.running.send_signal(signal.SIGTERM)
        async with asyncio.timeout(3 * STOPPED_WITHIN_S):
            await self.running.wait()
        return time.monotonic() - began


@pytest.fixture
async def site(serve, devices, broker, tmp_path, real_time, until):
    server = await serve({1: devices.sdm630(), 2: devices.storage()})
    statuses = []

    async def on_status(message):
        statuses.append(decode_status(message.payload))

    listening = Connection(broker.settings, "listener", subscriptions=[topics.status(*NAMES)], on_message=on_status)
    centre = Centre(broker.settings)
    config = configuration(server, broker.settings, tmp_path / "data")
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(task(centre.connection.run))
        await stack.enter_async_context(task(listening.run))
        systemd = stack.enter_context(Systemd(tmp_path / "notify"))
        await until(lambda: centre.connection.connected.is_set() and listening.connected.is_set(), START_S)
        running = await stack.enter_async_context(
            process(config, stderr=subprocess.DEVNULL, NOTIFY_SOCKET=systemd.path)
        )
        made = Site(server, running, centre, systemd, statuses)
        await until(lambda: centre.readings and made.battery.writes, START_S)
        await centre.ask(Command("1", "site/battery", {"power_w": -3000}, 120.0, "test", "because", real_time.now_ms()))
        await until(lambda: centre.told == [("1", "applied")] and made.commanded, START_S)
        yield made


def held(tmp_path):
    outbox = Outbox(tmp_path / "data" / "outbox.sqlite", ManualClock())
    try:
        return outbox.depth().batches
    finally:
        outbox.close()


async def test_broker_that_answers_no_more_keeps_nobody_from_stopping(site, broker, tmp_path, until):
    broker.freeze()
    polled = len(site.meter.requests)
    await until(lambda: len(site.meter.requests) >= polled + 9, START_S)  # it measures on
    assert await site.stop() <= STOPPED_WITHIN_S
    assert site.running.returncode == 0
    assert not site.commanded
    assert held(tmp_path) >= 2


async def test_hanging_device_is_given_up_in_time_and_the_centre_is_told(site, until):
    site.battery.silent = True
    assert await site.stop() <= STOPPED_WITHIN_S
    assert site.running.returncode == 0
    await until(lambda: site.statuses and not site.statuses[-1].online, START_S)
    await until(lambda: len(site.centre.results) == 2, START_S)
    assert site.centre.told[-1] == ("1", "reverted")
    assert "not confirmed" in site.centre.results[-1].reason


async def test_full_disk_does_not_keep_the_centre_from_hearing_the_farewell(site, until):
    resource.prlimit(site.running.pid, resource.RLIMIT_FSIZE, (0, 0))  # whatever is written fails
    polled = len(site.meter.requests)
    await until(lambda: len(site.meter.requests) >= polled + 9, START_S)  # it measures on
    assert await site.stop() <= STOPPED_WITHIN_S
    assert site.running.returncode == 0
    assert not site.commanded
    await until(lambda: site.statuses and not site.statuses[-1].online, START_S)
    await until(lambda: site.centre.told[-1] == ("1", "reverted"), START_S)


async def test_second_sigterm_ends_it_at_once(site, until):
    site.battery.silent = True  # stopping would take its seconds
    site.running.send_signal(signal.SIGTERM)
    await until(lambda: "STOPPING=1" in site.systemd.told, START_S)
    await site.stop()
    assert site.running.returncode == 130
    assert site.centre.told == [("1", "applied")]  # no farewell: it did not wait for one
