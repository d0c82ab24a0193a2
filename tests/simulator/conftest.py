"""Simulated sites on free ports, served over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient

from runtime.clock import Clock, ManualClock
from simulator.config import SimulatorConfig
from simulator.service import Simulator
from simulator.world import World

# Midsummer in Brussels, a Sunday, an hour before the sun is highest.
SUMMER_MS = round(dt.datetime(2026, 6, 21, 10, 40, tzinfo=dt.UTC).timestamp() * 1000)

MakeConfig = Callable[..., SimulatorConfig]
Connect = Callable[[Simulator, str], AbstractAsyncContextManager[AsyncModbusTcpClient]]


def _rooftop(port: Callable[[], int], **settings: Any) -> SimulatorConfig:
    meters = {"kind": "sdm630", "port": port(), "framing": "rtu"}
    devices: list[dict[str, Any]] = [
        {"id": "grid", "role": "grid", "unit": 1, **meters},
        {"id": "lighting", "role": "lighting", "unit": 2, "rated_w": 5000, **meters},
        {"id": "load", "role": "load", "unit": 3, "share": 0.5, **meters},
        {"id": "pv", "kind": "sunspec-inverter", "role": "pv", "port": port(), "rated_w": 60_000},
        {"id": "battery", "kind": "sunspec-storage", "role": "battery", "port": port(), "rated_w": 30_000},
        {"id": "ev", "kind": "alfen-ng9xx", "role": "ev", "port": port(), "rated_w": 22_080},
        {"id": "heat_pump", "kind": "sg-ready-heat-pump", "role": "heat_pump", "port": port(), "rated_w": 12_000},
    ]
    devices[4]["capacity_wh"] = 60_000
    site = {
        "id": "hall",
        "kind": "town_hall",
        "latitude": 50.85,
        "longitude": 4.35,
        "load": {"profile": "town_hall", "annual_kwh": 150_000},
        "devices": devices,
    }
    return SimulatorConfig.model_validate({"sites": [site], **settings})


@pytest.fixture(scope="session")
def make_config() -> MakeConfig:
    """One site with one device of every kind and three meters on one bus; ports are numbers only, unless given."""

    def make(port: Callable[[], int] | None = None, **settings: Any) -> SimulatorConfig:
        numbers = iter(range(10_000, 20_000))
        return _rooftop(port or numbers.__next__, **settings)

    return make


@pytest.fixture(scope="session")
def summer_ms() -> int:
    """Midsummer, a Sunday, an hour before the sun is highest over Brussels."""
    return SUMMER_MS


@pytest.fixture
def world(make_config: MakeConfig) -> World:
    """A world that has made its first step."""
    world = World(make_config(), SUMMER_MS - 1000)
    world.advance(SUMMER_MS)
    return world


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(SUMMER_MS)


@asynccontextmanager
async def _running(config: SimulatorConfig, clock: Clock) -> AsyncIterator[Simulator]:
    simulator = Simulator(config, clock)
    task = asyncio.create_task(simulator.run())
    ready = asyncio.create_task(simulator.ready.wait())
    try:
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED, timeout=20)
        if task.done():
            await task
        yield simulator
    finally:
        ready.cancel()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture(scope="session")
def running() -> Callable[[SimulatorConfig, Clock], AbstractAsyncContextManager[Simulator]]:
    """A context in which a simulator of that configuration and clock answers on its ports."""
    return _running


@pytest.fixture
async def simulator(
    free_port: Callable[[], int], clock: ManualClock, make_config: MakeConfig
) -> AsyncIterator[Simulator]:
    """A running simulator of one site under a clock that stands still."""
    config = make_config(free_port, control={"port": free_port()})
    async with _running(config, clock) as started:
        yield started


@asynccontextmanager
async def _connected(simulator: Simulator, device: str) -> AsyncIterator[AsyncModbusTcpClient]:
    address = next(row for row in simulator.devices() if row["device"] == device)
    framer = "rtu" if address["framing"] == "rtu" else "socket"
    client = AsyncModbusTcpClient("127.0.0.1", port=address["port"], framer=FramerType(framer), timeout=0.4, retries=0)
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


@pytest.fixture(scope="session")
def connected() -> Connect:
    """A context with a Modbus client connected to the port of a simulated device."""
    return _connected
