"""The commands as a person runs them, and simulated rooftops that answer them on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

import cli.main
from runtime.clock import ManualClock
from simulator.config import SimulatorConfig
from simulator.service import Simulator

NIGHT_MS = 1_779_750_000_000  # 2026-05-25 23:00 UTC: no PV, whatever the weather
NOON_MS = NIGHT_MS + 12 * 3_600_000


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def commonwatt(monkeypatch, capsys) -> Callable[..., Outcome]:
    """Runs the command line in this process: `commonwatt("scan", target)`."""
    monkeypatch.setattr(cli.main, "configure_logs", lambda _format: None)
    monkeypatch.setenv("COMMONWATT_LOG_FORMAT", "text")  # put back after the test, whatever a command makes of it

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["commonwatt", *map(str, arguments)])
        code = 0
        try:
            cli.main.main()
        except SystemExit as end:
            code = int(end.code or 0)
        printed = capsys.readouterr()
        return Outcome(code, printed.out, printed.err)

    return run


class Rooftop:
    """A simulated site on a thread of its own, under a clock that stands still."""

    def __init__(self, port: Callable[[], int], now_ms: int) -> None:
        self.meters, self.inverter, self.battery = port(), port(), port()
        self.config = SimulatorConfig.model_validate({"sites": [_site(self.meters, self.inverter, self.battery)]})
        self.clock = ManualClock(now_ms)
        self.simulator: Simulator
        self._silent: set[str] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._task: asyncio.Task[None]
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(20)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(20)
        self._loop.close()

    def fault(self, device: str, kind: Any) -> None:
        """Makes a device of `hall/` faulty and lets a second pass so that it shows."""

        async def inject() -> None:
            self.simulator.fault(f"hall/{device}", kind)
            await self.clock.advance(2)

        asyncio.run_coroutine_threadsafe(inject(), self._loop).result(10)
        if kind == "silent":
            self._silent.add(device)

    def gateway(self, folder: Path, **settings: Any) -> Path:
        """A gateway's configuration file for this rooftop."""
        meters = [("grid", 1), ("lighting", 2)]
        content = {
            "gateway": "gw-hall",
            "community": "ixelles",
            "data_dir": str(folder / "edge"),
            "buses": [
                {
                    "id": "meters",
                    "url": f"rtutcp://127.0.0.1:{self.meters}",
                    "timeout_s": self._timeout_s("grid", "lighting"),
                    "devices": [
                        {"device": f"hall/{name}", "profile": "eastron-sdm630", "unit": unit} for name, unit in meters
                    ],
                },
                {
                    "id": "inverter",
                    "url": f"tcp://127.0.0.1:{self.inverter}",
                    "timeout_s": self._timeout_s("pv"),
                    "devices": [{"device": "hall/pv", "profile": "sunspec-inverter-103"}],
                },
            ],
            **settings,
        }
        path = folder / "gateway.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    def _timeout_s(self, *devices: str) -> float:
        """Short where the wait for nothing is all there is; who answers may be as slow as a busy machine makes it."""
        return 0.5 if self._silent.intersection(devices) else 20.0

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self.simulator = Simulator(self.config, self.clock)
        self._task = asyncio.create_task(self.simulator.run())
        waiting = asyncio.create_task(self.simulator.ready.wait())
        await asyncio.wait({self._task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        self._ready.set()
        await self._task


def _site(meters: int, inverter: int, battery: int) -> dict[str, Any]:
    meter = {"kind": "sdm630", "port": meters, "framing": "rtu"}
    return {
        "id": "hall",
        "kind": "town_hall",
        "latitude": 50.85,
        "longitude": 4.35,
        "load": {"profile": "town_hall", "annual_kwh": 150_000},
        "devices": [
            {"id": "grid", "role": "grid", "unit": 1, **meter},
            {"id": "lighting", "role": "lighting", "unit": 2, "rated_w": 5000, **meter},
            {"id": "pv", "kind": "sunspec-inverter", "role": "pv", "port": inverter, "rated_w": 60_000},
            {
                "id": "battery",
                "kind": "sunspec-storage",
                "role": "battery",
                "port": battery,
                "rated_w": 30_000,
                "capacity_wh": 60_000,
            },
        ],
    }


@pytest.fixture
def rooftop(free_port) -> Iterator[Rooftop]:
    """A running rooftop at night."""
    started = Rooftop(free_port, NIGHT_MS)
    started.start()
    yield started
    started.stop()


@pytest.fixture
def sunny_rooftop(free_port) -> Iterator[Rooftop]:
    """A running rooftop at noon in May."""
    started = Rooftop(free_port, NOON_MS)
    started.start()
    yield started
    started.stop()
