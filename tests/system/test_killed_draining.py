"""A gateway killed again and again while it drains a backlog and takes confirmations: nothing is lost, batch by batch.

COMMONWATT_KILLS=200 is the long form.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import sys
from pathlib import Path

import pytest
import yaml

from gateway.outbox import Outbox
from messaging import topics
from messaging.codec import Ack, Reading, decode_data, encode
from messaging.connection import Connection
from runtime.clock import SystemClock
from tests.gateway.centre import NAMES, task
from tests.gateway.conftest import ModbusServer, _until, sdm630
from tests.torture.ledger import listening

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("COMMONWATT_KILLS", "5"))
BATCHES = 400 * KILLS
MOST_BETWEEN_KILLS = 300  # so that the backlog outlives the kills

pytestmark = [pytest.mark.system, pytest.mark.timeout(120 + 10 * KILLS)]


class Centre:
    """Keeps what comes, then confirms it, not too fast: a kill falls between the two for some."""

    def __init__(self, settings):
        self.stored = set()
        self.connection = Connection(
            settings, "centre", subscriptions=[topics.data(*NAMES)], on_message=self._on_message
        )

    async def _on_message(self, message):
        data = decode_data(message.payload)
        self.stored |= {(reading.device, reading.t) for reading in data.readings}
        await asyncio.sleep(0.002)
        await self.connection.publish(topics.ack(*NAMES), encode(Ack(data.epoch, [data.seq])), qos=0)


class Life:
    """One life of the gateway, from its start to its kill, and what it told of it."""

    def __init__(self, config, ledger, notes):
        self.ledger = ledger
        self._arguments = [str(config), str(notes), "no frailty"]

    async def __aenter__(self):
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.torture.frail_gateway",
            *self._arguments,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        return self

    async def __aexit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        self.ledger.drain()

    @property
    def kept(self):
        return self.ledger.kept


@contextlib.asynccontextmanager
async def life(config, notes):
    """A life with a ledger of its own."""
    async with listening(notes) as ledger, Life(config, ledger, notes) as one:
        yield one


def filled(path):
    """A backlog, and what is in it."""
    outbox, readings = Outbox(path, SystemClock()), set()
    outbox._file._db.execute("PRAGMA synchronous = OFF")
    for n in range(BATCHES):
        t = 1_750_000_000_000 + 10_000 * n
        outbox.append([Reading("old-hall/grid", t, {"power_w": n})])
        readings.add(("old-hall/grid", t))
    outbox.close()
    return readings


def held(path):
    """What the outbox holds between two lives."""
    outbox = Outbox(path, SystemClock())
    batches = outbox.pending(0, 2**62, 2**31)
    outbox.close()
    return {(reading["device"], reading["t"]) for batch in batches for reading in json.loads(batch.readings)}


async def test_gateway_killed_while_draining_loses_nothing_and_half_writes_nothing(broker, tmp_path):
    meter = ModbusServer(rtu=False)
    meter.units = {1: sdm630()}
    await meter.start()
    config = tmp_path / "gateway.yaml"
    device = {"device": "town-hall/grid", "profile": "eastron-sdm630", "unit": 1, "interval_s": 0.5}
    config.write_text(
        yaml.safe_dump(
            {
                "gateway": NAMES[1],
                "community": NAMES[0],
                "data_dir": str(tmp_path / "data"),
                "mqtt": {"port": broker.settings.port},
                "uplink": {"resend_after_s": 2.0},  # confirmations that do not come are missed soon
                "commit_interval_s": 0.5,
                "buses": [{"id": "roof", "url": meter.url, "devices": [device]}],
            }
        )
    )
    path = tmp_path / "data" / "outbox.sqlite"
    committed, dice, centre = filled(path), random.Random(7), Centre(broker.settings)
    async with task(centre.connection.run):
        await _until(centre.connection.connected.is_set, 30)
        for number in range(KILLS):
            async with life(config, tmp_path / f"{number}.notes") as one:
                await _until(lambda: one.kept, 60)
                before, more = len(centre.stored), dice.randint(1, MOST_BETWEEN_KILLS)
                await _until(lambda: len(centre.stored) >= before + more, 60)  # noqa: B023 - awaited here
            assert committed - centre.stored, "it was killed while draining"
            committed |= one.kept
            assert list(one.ledger.unkept) in ([], [one.ledger.newest])  # the last batch at most is missing
            assert committed <= held(path) | centre.stored
        async with life(config, tmp_path / "last.notes") as one:
            await _until(lambda: committed <= centre.stored and one.kept, 120)
    await meter.stop()
