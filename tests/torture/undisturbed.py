"""The same readings once more, through a gateway's outbox, a broker and a collector that nothing happens to."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from cli.configs import load_centre
from cli.processes import Child, Ports, keep_running
from gateway.outbox import Outbox
from messaging.codec import Reading
from runtime.clock import SystemClock
from storage.history import History
from storage.history.open import open_history
from tests.torture.installation import ROOT, Installation, broker_command
from tests.torture.watching import stored, until, waiting

__all__ = ["delivered"]

_BATCH = 40


async def delivered(place: Installation, readings: Mapping[str, Sequence[Reading]], cut_ms: int) -> History:
    """The embedded store that holds `readings` (by gateway, in order of time) and all quarter-hours before `cut_ms`."""
    folder = place.folder / "undisturbed"
    folder.mkdir()
    port = Ports()()
    centre = _centre(place, folder, port)
    commands = {
        "broker": broker_command(folder, port),
        "collector": [sys.executable, "-m", "cli.main", "collector", "--config", str(centre)],
    }
    for gateway, found in readings.items():
        config = _gateway(place, folder, gateway, port)
        _fill(folder / gateway / "outbox.sqlite", found)
        commands[gateway] = [sys.executable, "-m", "cli.main", "gateway", "--config", str(config)]
    children = [Child(name, command, {"PYTHONPATH": str(ROOT)}) for name, command in commands.items()]
    tasks = [asyncio.create_task(keep_running(child)) for child in children]
    try:
        store = load_centre(centre).store
        expected = {(reading.device, reading.t) for found in readings.values() for reading in found}
        await until(lambda: stored(store) == expected, 120, "the undisturbed delivery")
        await until(lambda: not waiting(folder / "dirty.db", cut_ms), 120, "the undisturbed quarter-hours")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert not any(child.restarts for child in children), "a process ended although nothing happened to it"
    return open_history(store, read_only=True)


def _centre(place: Installation, folder: Path, port: int) -> Path:
    content: dict[str, Any] = yaml.safe_load(place.files.centre.read_text())
    content["mqtt"]["port"] = port
    content["store"] = {"kind": "embedded", "path": str(folder / "history.db")}
    content["register"]["path"] = str(folder / "register.db")
    for community in content["communities"]:
        community["rules"] = []
    path = folder / "centre.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def _gateway(place: Installation, folder: Path, name: str, port: int) -> Path:
    """As it was, but all its devices are gone: it only sends what it has."""
    content: dict[str, Any] = yaml.safe_load((place.folder / "gateways" / f"{name}.yaml").read_text())
    content["mqtt"]["port"] = port
    content["data_dir"] = str(folder / name)
    content["buses"] = []
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def _fill(path: Path, readings: Sequence[Reading]) -> None:
    outbox = Outbox(path, SystemClock())
    for n in range(0, len(readings), _BATCH):
        outbox.append(list(readings[n : n + _BATCH]))
    outbox.close()
