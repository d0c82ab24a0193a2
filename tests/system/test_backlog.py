"""After an outage fresh readings come first while the backlog drains behind them: real gateway, broker and collector.

A part of the backlog by default; COMMONWATT_LONG=1 makes it 35 days at ten seconds.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time

import pytest
import yaml

from cli.processes import Child, keep_running
from gateway.config import GatewayConfig
from gateway.outbox import Outbox
from gateway.service import GatewayService
from messaging import topics
from messaging.codec import Reading, decode_ack
from messaging.connection import Connection
from runtime.clock import SystemClock
from tests.gateway.conftest import ModbusServer, sdm630

NAMES = ("brussels", "gw-1")
CYCLE_S = 10
CYCLES = 302_400 if os.environ.get("COMMONWATT_LONG") else 6_000
DEVICES = ("grid", "pv", "battery", "ev", "heat_pump")

pytestmark = [pytest.mark.system, pytest.mark.timeout(3000 if os.environ.get("COMMONWATT_LONG") else 180)]


def _fill(path, now_ms):
    """Readings of five devices with ten values each, the last cycle just before now."""
    dice = random.Random(1)
    outbox = Outbox(path, SystemClock())
    outbox._file._db.execute("PRAGMA synchronous = OFF")
    for cycle in range(CYCLES):
        t = now_ms - (CYCLES - cycle) * CYCLE_S * 1000
        values = {
            **{f"power_l{n}_w": round(1400 + dice.gauss(0, 150)) for n in (1, 2, 3)},
            **{f"voltage_l{n}_v": round(230 + dice.gauss(0, 2), 1) for n in (1, 2, 3)},
            "power_w": round(4200 + dice.gauss(0, 400)),
            "frequency_hz": round(50 + dice.gauss(0, 0.02), 2),
            "energy_import_wh": 1_000_000 + 11 * cycle,
            "energy_export_wh": 1000 + cycle,
        }
        outbox.append([Reading(f"old-hall/{name}", t, values) for name in DEVICES])
    outbox.close()


def _gateway(tmp_path, port, meter):
    device = {"device": "town-hall/grid", "profile": "eastron-sdm630", "unit": 1, "interval_s": 1.0}
    return GatewayConfig.model_validate(
        {
            "gateway": NAMES[1],
            "community": NAMES[0],
            "data_dir": str(tmp_path / "gateway"),
            "mqtt": {"port": port},
            "buses": [{"id": "roof", "url": meter.url, "devices": [device]}],
        }
    )


async def test_fresh_readings_are_stored_within_five_seconds_while_a_backlog_drains(tmp_path, broker):
    meter = ModbusServer(rtu=False)
    meter.units = {1: sdm630()}
    await meter.start()
    _fill(tmp_path / "gateway" / "outbox.sqlite", SystemClock().now_ms())
    config = tmp_path / "centre.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "communities": [{"id": NAMES[0], "name": "Brussels"}],
                "mqtt": {"port": broker.settings.port},
                "store": {"kind": "embedded", "path": str(tmp_path / "history.db")},
                "register": {"path": str(tmp_path / "register.db")},
            }
        )
    )
    acked: dict[int, float] = {}

    async def on_ack(message):
        now = time.time()
        acked.update({seq: now for seq in decode_ack(message.payload).seqs if seq not in acked})

    watcher = Connection(broker.settings, "watcher", subscriptions=[topics.ack(*NAMES)], on_message=on_ack)
    service = GatewayService(_gateway(tmp_path, broker.settings.port, meter), SystemClock())
    committed: dict[int, float] = {}
    append = service.outbox.append

    def noted(readings, **flags):
        seq = append(readings, **flags)
        committed[seq] = max(reading.t for reading in readings) / 1000
        return seq

    service.outbox.append = noted
    child = Child("collector", [sys.executable, "-m", "cli.main", "collector", "--config", str(config)])
    tasks = [asyncio.create_task(run) for run in (watcher.run(), keep_running(child), service.run())]
    try:
        await _until(lambda: len(acked) > 10, 60)
        began, at_first = time.time(), len(acked)
        await _until(lambda: all(seq in acked for seq in range(1, CYCLES + 1)), 2900)
        drain_s, drained = time.time() - began, CYCLES - at_first
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await meter.stop()
    fresh = {seq: acked[seq] - read for seq, read in committed.items() if seq in acked and read > began}
    ratio = drained * CYCLE_S / drain_s
    print(  # noqa: T201 - figures to tell
        f"{drained} cycles of {5 * 10} values in {drain_s:.0f} s, {ratio:,.0f} times real time; "
        f"{len(fresh)} fresh readings stored after {max(fresh.values()):.2f} s at most"
    )
    assert fresh
    assert max(fresh.values()) <= 5
    backlog_ended = max(acked[seq] for seq in range(1, CYCLES + 1))
    assert min(acked[seq] for seq in fresh) < backlog_ended  # in a line with it, they would have come after its end
    assert ratio >= 50


async def _until(condition, timeout_s):
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.05)
