"""A month of a gateway's life in a quarter of an hour: whether its memory or its open files grow.

Everything is the service's own but the sockets of the field bus, whose registers are in memory here: decoding, outbox
with its syncs, a real broker, confirmations. The clock runs as fast as the machine lets a cycle of ten seconds take.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import psutil
import uvloop

from benchmarks.edge import Acker
from benchmarks.edge_life import DEVICES, INTERVAL_S, LifeTable, gateway_config
from benchmarks.measure import memory_mb
from benchmarks.processes import in_background, mosquitto
from gateway.config import GatewayConfig
from gateway.modbus import BusAddress
from gateway.service import GatewayService
from runtime.clock import ScaledClock

__all__ = ["edge_month"]

DAYS: Final = 30
CYCLES: Final = round(DAYS * 86_400 / INTERVAL_S)
SPEED: Final = 2_000.0
_LOOK_CYCLES: Final = CYCLES // 100
_WARM: Final = 10  # of a hundred looks


class _Registers:
    """A bus whose devices hold a counter that grows and a power that varies."""

    def __init__(self) -> None:
        self.address = BusAddress("tcp", "memory")
        self.reads = 0

    async def read(self, unit: int, _function: str, address: int, count: int) -> list[int]:
        self.reads += 1
        return [(0x4366 if n % 2 == 0 else (self.reads * 7 + unit + address + n) & 0xFFFF) for n in range(count)]

    def rest_s(self, _unit: int) -> float:
        return 0.0

    def close(self) -> None:
        """Nothing is held."""


def edge_month(_runs: int) -> list[LifeTable]:
    """Once, however many runs are asked for."""
    with (
        tempfile.TemporaryDirectory() as name,
        mosquitto(Path(name)) as (broker, _),
        Acker(broker) as acker,
        in_background(live, broker, name) as pid,
    ):
        looks = _watch(pid, acker)
    half = _WARM + (len(looks) - _WARM) // 2
    first, last = looks[_WARM:half], looks[half:]
    growth = statistics.linear_regression(range(len(looks) - _WARM), [mb for mb, _ in looks[_WARM:]]).slope
    rows = [
        ("readings", f"{acker.readings:,}", f"{CYCLES * DEVICES:,}"),
        ("resident memory after a tenth, in the middle, at the end", _three(looks), "equal"),
        ("median of first and second half", f"{_median(first):.2f}, {_median(last):.2f} MiB", "equal"),
        ("growth in a simulated month", f"{growth * 100:+.2f} MiB", "0"),
        ("open files, least and most", f"{min(f for _, f in looks)}, {max(f for _, f in looks)}", "equal"),
    ]
    return [LifeTable(f"Edge: {DAYS} days of {DEVICES} devices every {INTERVAL_S:g} s, on a fast clock", rows)]


def _watch(pid: int, acker: Acker) -> list[tuple[float, int]]:
    process = psutil.Process(pid)
    looks: list[tuple[float, int]] = []
    while len(looks) < 100:
        while acker.readings < (len(looks) + 1) * _LOOK_CYCLES * DEVICES:
            time.sleep(0.2)
        looks.append((memory_mb(pid), process.num_fds()))
    return looks


def _median(looks: Sequence[tuple[float, int]]) -> float:
    return statistics.median(mb for mb, _ in looks)


def _three(looks: Sequence[tuple[float, int]]) -> str:
    return ", ".join(f"{looks[n][0]:.2f}" for n in (_WARM, len(looks) // 2, -1)) + " MiB"


def live(report: Callable[[], None], broker: int, folder: str) -> None:
    """The gateway, until the process is ended."""
    uvloop.run(_live(report, broker, folder))


async def _live(report: Callable[[], None], broker: int, folder: str) -> None:
    now_ms = time.time_ns() // 1_000_000
    config = GatewayConfig.model_validate(gateway_config(502, broker, folder))
    service = GatewayService(config, ScaledClock(now_ms, now_ms, SPEED))
    for name in service._buses:  # noqa: SLF001 - the one seam: registers in memory instead of sockets
        service._buses[name] = _Registers()  # type: ignore[assignment]  # noqa: SLF001
    gc.collect()
    report()
    await asyncio.gather(service.run())
