"""Collectors that stand by for each other: against a real broker and a real InfluxDB, one of them killed."""

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec
import pytest

from collector.duty import Duty
from messaging.connection import Message
from messaging.link import Link
from runtime.clock import SystemClock
from storage.history.influxdb import InfluxHistory
from tests.influxdb_server import InfluxServer, influxd

from .conftest import eventually, reading

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).parent / "collector_process.py"
CLAIM = "cw/v1/ixelles/live/collector"


class Impatient(SystemClock):
    """Seconds of a hundred milliseconds for who claims, so that a test waits little."""

    async def sleep(self, seconds):
        await asyncio.sleep(seconds / 10)


@asynccontextmanager
async def claiming(settings, name):
    """A duty with a connection of its own."""
    duty = Duty("ixelles", name, Impatient())
    link = Link(
        settings,
        f"link-{name}",
        subscriptions=[duty.topic],
        on_messages=lambda messages: [duty.hear(message) for message in messages],
        will=duty.will,
    )
    tasks = [asyncio.create_task(link.run()), asyncio.create_task(duty.run(link))]
    duty.link = link
    try:
        yield duty
    finally:
        tasks[1].cancel()
        await asyncio.gather(tasks[1], return_exceptions=True)
        tasks[0].cancel()
        await asyncio.gather(tasks[0], return_exceptions=True)


async def one_serves_for_good(one, other):
    """Both may for a moment, where the machine is busy: then one gives way."""
    async with asyncio.timeout(20):
        alone = 0
        while alone < 6:
            await asyncio.sleep(0.1)
            alone = alone + 1 if one.mine.is_set() is not other.mine.is_set() else 0


async def test_of_two_that_begin_together_one_serves(mosquitto):
    async with claiming(mosquitto, "a") as one, claiming(mosquitto, "b") as other:
        await one_serves_for_good(one, other)


async def test_the_next_serves_when_the_claim_is_withdrawn(mosquitto):
    async with claiming(mosquitto, "b") as other:
        async with claiming(mosquitto, "a") as one:
            await eventually(lambda: one.mine.is_set() or other.mine.is_set())
        await eventually(other.mine.is_set)


async def test_the_next_serves_when_the_connection_of_the_first_is_cut_and_the_first_gives_way(mosquitto):
    async with claiming(mosquitto, "a") as one:
        await eventually(one.mine.is_set)
        async with claiming(mosquitto, "b") as other:
            await asyncio.sleep(0.6)
            assert not other.mine.is_set()
            one.link._session._transport.abort()
            await eventually(one.link.connected.is_set)
            await one_serves_for_good(one, other)


async def test_a_claim_that_is_not_repeated_counts_for_ten_seconds_only(mosquitto):
    async with claiming(mosquitto, "b") as other:
        other._clock.monotonic = lambda: 100.0
        other.hear(Message(CLAIM, msgspec.json.encode({"collector": "frozen", "t": 0}), retained=True))
        await asyncio.sleep(0.6)
        assert not other.mine.is_set()
        other._clock.monotonic = lambda: 111.0
        await eventually(other.mine.is_set)


async def test_what_is_no_claim_changes_nothing(mosquitto):
    async with claiming(mosquitto, "a") as one:
        await eventually(one.mine.is_set)
        one.hear(Message(CLAIM, b"{", retained=False))
        await asyncio.sleep(0.1)
        assert one.mine.is_set()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    binary = influxd(1)
    if binary is None:
        pytest.skip("no InfluxDB 1.x server on PATH")
    running = InfluxServer(binary, 1, tmp_path_factory.mktemp("influxdb"))
    running.start()
    yield running
    running.kill()


@contextmanager
def collector_process(port, folder, name, settings):
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), str(port), str(folder), name, settings.model_dump_json()],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def serving(wire):
    """Who claims to, as last heard."""
    claims = [payload for topic, payload, _ in wire.seen if topic == CLAIM]
    return json.loads(claims[-1])["collector"] if claims and claims[-1] else None


async def test_when_the_serving_collector_is_killed_the_other_takes_over_and_nothing_confirmed_is_missing(
    mosquitto, wire, tmp_path, server
):
    settings = server.fresh()
    start, total = time.time_ns() // 1_000_000 - 600_000, 600
    history = InfluxHistory(settings)
    dice = random.Random(3)

    async def send(seqs):
        for seq in seqs:
            body = [reading("barn/grid", start + seq * 1000, imported=seq * 10, exported=0, power_w=36_000)]
            await wire.readings("gw-barn", seq, body)

    with collector_process(mosquitto.port, tmp_path, "one", settings) as one:
        await eventually(lambda: serving(wire) == "one" and wire.last("cw/v1/ixelles/live/community"), timeout_s=90)
        with collector_process(mosquitto.port, tmp_path, "two", settings):
            sending = asyncio.create_task(send(range(400)))
            await eventually(lambda: len(wire.acked("gw-barn")) > dice.randint(50, 200), timeout_s=90)
            one.kill()
            one.wait()
            await sending
            await eventually(lambda: serving(wire) == "two", timeout_s=90)
            told = len(wire.seen)

            def missing():
                return [seq for seq in range(total) if seq not in wire.acked("gw-barn")]

            for _ in range(20):  # as a gateway does: what is not confirmed is sent again
                await send(missing())
                await asyncio.sleep(0.5)
                if not missing():
                    break
            assert missing() == []
            stored = {row.t for row in history.readings("barn/grid", start, start + total * 1000)}
            assert stored == {start + seq * 1000 for seq in range(total)}
            now = time.time_ns() // 1_000_000
            await wire.readings("gw-barn", total, [reading("barn/grid", now, power_w=36_000)])
            site = await eventually(
                lambda: next((s for s in _bodies(wire.seen[told:], "barn") if s["devices"][0]["t"] == now), None)
            )
            assert site["grid_w"] == 36_000
    history.close()


def _bodies(seen, site):
    return [json.loads(payload) for topic, payload, _ in seen if topic.endswith(f"live/site/{site}") and payload]
