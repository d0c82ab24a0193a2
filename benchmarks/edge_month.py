"""A month of a gateway's life as fast as the machine can live it: whether its memory or its open files grow.

Everything is the service's own but the sockets of the field bus, whose registers are in memory here: decoding, outbox
with its syncs, a real broker, confirmations. Its clock moves on when all that a cycle of ten seconds brings is done, so
that no queue fills which would be empty at the pace of every day. One day near the beginning the centre confirms
nothing: that outage and the drain behind it need more memory than all that follows.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from socket import IPPROTO_TCP, TCP_NODELAY
from typing import Final

import paho.mqtt.client as paho
import psutil
import uvloop
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.edge_life import DEVICES, INTERVAL_S, LifeTable, gateway_config
from benchmarks.measure import memory_mb
from benchmarks.processes import in_background, mosquitto
from gateway.config import GatewayConfig
from gateway.modbus import Bus, BusAddress
from gateway.registers import Function
from gateway.service import GatewayService
from messaging.codec import Ack, decode_data, encode
from runtime.clock import ManualClock

__all__ = ["Life", "Look", "edge_month", "lived"]

DAYS: Final = 30
CYCLES: Final = round(DAYS * 86_400 / INTERVAL_S)
_LOOKS: Final = 100
_REST_S: Final = 0.001
_PATIENCE: Final = 50


@dataclass(frozen=True, slots=True)
class Life:
    """A life of `cycles`, in which nothing is confirmed from cycle `deaf_from` until `deaf_until`."""

    cycles: int
    deaf_from: int
    deaf_until: int


@dataclass(frozen=True, slots=True)
class Look:
    """What a gateway took after so many cycles."""

    cycle: int
    memory_mb: float
    files: int


class _Centre:
    """Confirms every batch, except from one number to another: those it only counts."""

    def __init__(self, port: int, life: Life) -> None:
        self.newest = 0
        self.confirmed: set[int] = set()
        self._life = life
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="centre")
        self._client.on_message = self._on_message
        self._client.on_socket_open = lambda _client, _data, sock: sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("cw/v1/bench/gw/data", qos=1)
        self._client.loop_start()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        batch = decode_data(bytes(message.payload))
        self.newest = max(self.newest, batch.seq)
        if self._life.deaf_from < self.newest <= self._life.deaf_until:
            return
        self.confirmed.add(batch.seq)
        client.publish("cw/v1/bench/gw/ack", encode(Ack(batch.epoch, [batch.seq])), qos=1)


class _Registers(Bus):
    """A bus whose devices hold a counter that grows and a power that varies."""

    def __init__(self) -> None:
        super().__init__(BusAddress("tcp", "memory"))
        self.reads = 0

    async def read(self, unit: int, function: Function, address: int, count: int) -> list[int]:  # noqa: ARG002 - all alike
        self.reads += 1
        return [(0x4366 if n % 2 == 0 else (self.reads * 7 + unit + address + n) & 0xFFFF) for n in range(count)]


def edge_month(_runs: int) -> list[LifeTable]:
    """Once, however many runs are asked for."""
    day = CYCLES // DAYS
    began = time.perf_counter()
    looks, confirmed = lived(Life(CYCLES, day, 2 * day), _LOOKS)
    seconds = time.perf_counter() - began
    after = [look for look in looks if look.cycle > 3 * day]
    half = len(after) // 2
    growth = statistics.linear_regression([look.cycle for look in after], [look.memory_mb for look in after]).slope
    rows = [
        ("batches confirmed", f"{confirmed:,}", f"{CYCLES:,}"),
        ("resident memory before the outage, at most, at the end", _three(looks, day), "< 80 MB"),
        ("median of the first and second half of what follows", _halves(after, half), "equal"),
        ("growth in a simulated month", f"{growth * CYCLES:+.2f} MiB", "0"),
        ("open files, least and most", f"{min(look.files for look in looks)}, {max(look.files for look in looks)}", ""),
    ]
    title = f"Edge: {DAYS} days of {DEVICES} devices every {INTERVAL_S:g} s, in {seconds / 60:.0f} min"
    return [LifeTable(title, rows)]


def lived(life: Life, looks: int) -> tuple[list[Look], int]:
    """So many looks at a gateway that lives that life, and how many of its batches were confirmed."""
    with tempfile.TemporaryDirectory() as name, mosquitto(Path(name)) as (broker, _):
        centre = _Centre(broker, life)
        try:
            with in_background(_live, broker, name, life) as pid:
                return list(_watched(pid, centre, life, looks)), len(centre.confirmed)
        finally:
            centre.close()


def _watched(pid: int, centre: _Centre, life: Life, looks: int) -> list[Look]:
    process, taken = psutil.Process(pid), list[Look]()
    for number in range(1, looks + 1):
        cycle = life.cycles * number // looks
        while centre.newest < cycle:
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                raise RuntimeError("the gateway ended; its error stands above")
            time.sleep(0.05)
        taken.append(Look(cycle, memory_mb(pid), process.num_fds()))
    while len(centre.confirmed) < life.cycles:
        time.sleep(0.05)
    return taken


def _three(looks: Sequence[Look], before: int) -> str:
    first = [look.memory_mb for look in looks if look.cycle <= before][-1]
    return f"{first:.2f}, {max(look.memory_mb for look in looks):.2f}, {looks[-1].memory_mb:.2f} MiB"


def _halves(looks: Sequence[Look], half: int) -> str:
    medians = [statistics.median(look.memory_mb for look in part) for part in (looks[:half], looks[half:])]
    return f"{medians[0]:.2f}, {medians[1]:.2f} MiB"


def _live(report: Callable[[], None], broker: int, folder: str, life: Life) -> None:
    uvloop.run(_lives(report, broker, folder, life))


async def _lives(report: Callable[[], None], broker: int, folder: str, life: Life) -> None:
    clock = ManualClock(time.time_ns() // 1_000_000)
    service = GatewayService(GatewayConfig.model_validate(gateway_config(502, broker, folder)), clock)
    for name in service._buses:  # noqa: SLF001 - the one seam: registers in memory instead of sockets
        service._buses[name] = _Registers()  # noqa: SLF001
    running = asyncio.create_task(service.run())
    await service.connection.connected.wait()
    gc.collect()
    report()
    while not running.done() and service.metrics.batches < life.cycles:
        await clock.advance(INTERVAL_S)
        waits = 0
        while not running.done() and not _settled(service, life):
            await asyncio.sleep(_REST_S)
            waits += 1
            if waits % _PATIENCE == 0:  # it waits for the clock: a pause in sending again what nobody confirmed
                await clock.advance(1.0)
    await running


def _settled(service: GatewayService, life: Life) -> bool:
    """Whether all that was read is on disk, and confirmed if anybody confirms."""
    done = service.metrics
    deaf = life.deaf_from <= done.batches <= life.deaf_until
    return not service._collected and (deaf or done.confirmed == done.batches)  # noqa: SLF001
