"""Nothing committed at a gateway is lost or doubled, whatever dies: gateways, broker with its files, collector, API.

The simulated roofs run here; all else are processes that are killed at random and started again by their supervisor. What
a gateway commits it notes in a ledger that survives it (noted_gateway.py).
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from cli.demo.files import write_files
from cli.processes import Child, keep_running
from messaging.connection import MqttSettings
from runtime.clock import SystemClock
from runtime.config import load_config
from simulator.config import SimulatorConfig
from simulator.service import Simulator
from tests.system.conftest import stored

HERE = Path(__file__).parent
SITES = 4
KILLS = int(os.environ.get("COMMONWATT_KILLS", "12"))  # the long form: COMMONWATT_KILLS=200

pytestmark = [pytest.mark.system, pytest.mark.timeout(180 + 3 * KILLS)]


def _noted(folder: Path) -> dict[str, set[tuple[str, int]]]:
    """Readings by (device, t): those that gateways went to commit, and those that were committed."""
    noted: dict[str, set[tuple[str, int]]] = {"asked": set(), "kept": set()}
    for path in folder.glob("*.ledger"):
        for line in path.read_text().splitlines():
            word, device, t = line.split()
            noted[word].add((device, int(t)))
    return noted


def _broker(folder: Path, port: int) -> list[str]:
    data = folder / "broker"
    data.mkdir()
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {data}/\nuser root\n"
        "max_queued_messages 0\nautosave_interval 1\n"
    )
    binary = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if binary is None:
        pytest.skip("mosquitto is not installed")
    return [binary, "-c", str(config)]


def _wipe(folder: Path) -> None:
    for path in (folder / "broker").glob("*"):
        path.unlink(missing_ok=True)


def _stored(folder: Path) -> list[tuple[str, int]]:
    return stored(folder / "history.db")


async def test_nothing_committed_is_lost_when_gateways_broker_collector_and_api_are_killed_at_random(
    tmp_path, free_port
):
    now = SystemClock().now_ms()
    mqtt = MqttSettings(port=free_port())
    files = write_files(
        tmp_path,
        sites=SITES,
        mqtt=mqtt,
        api_port=free_port(),
        interval_s=0.5,
        history_start=now,
        live_start=now,
        free_port=free_port,
    )
    command = [sys.executable, "-m", "cli.main"]
    children = {
        "broker": Child("broker", _broker(tmp_path, mqtt.port)),
        "collector": Child("collector", [*command, "collector", "--config", str(files.centre)]),
        "api": Child("api", [*command, "api", "--config", str(files.centre)]),
    }
    for path in files.gateways:
        noted = [str(HERE / "noted_gateway.py"), str(path), str(tmp_path / f"{path.stem}.ledger")]
        children[path.stem] = Child(path.stem, [sys.executable, *noted], env={"PYTHONPATH": str(HERE.parents[1])})
    simulator = Simulator(load_config(files.simulator, SimulatorConfig), SystemClock())
    roofs = [asyncio.create_task(simulator.run())]
    centre = [asyncio.create_task(keep_running(child, longest_pause_s=0.4)) for child in children.values()]
    try:
        await _until(
            lambda: (
                len(_noted(tmp_path)["kept"]) > 50
                and (tmp_path / "history.db").exists()
                and len(_stored(tmp_path)) > 20
            )
        )
        await _kill_at_random(children, tmp_path)
        at_the_end = _noted(tmp_path)["kept"]
        await _until(lambda: at_the_end <= set(_stored(tmp_path)), timeout_s=90)
    finally:
        for task in (*roofs, *centre):
            task.cancel()
        await asyncio.gather(*roofs, *centre, return_exceptions=True)
    stored = _stored(tmp_path)
    assert len(stored) == len(set(stored)), "a reading stands twice"
    assert set(stored) <= _noted(tmp_path)["asked"], "the store holds what no gateway read"
    assert len(at_the_end) > SITES * 3 * 10
    assert sum(child.restarts for child in children.values()) >= KILLS - 1  # the last may not be noticed yet


async def _kill_at_random(children: dict[str, Child], folder: Path) -> None:
    chance = random.Random(7)
    gateways = [name for name in children if name not in {"broker", "collector", "api"}]
    for _ in range(KILLS):
        await asyncio.sleep(chance.uniform(0.3, 1.8))
        name = chance.choice(
            ["broker", "collector", "collector", "api", chance.choice(gateways), chance.choice(gateways)]
        )
        while (pid := children[name].pid) is None:  # just being started again
            await asyncio.sleep(0.02)
        os.kill(pid, signal.SIGKILL)
        if name == "broker":
            _wipe(folder)


async def _until(condition, timeout_s: float = 40.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.1)
