"""Fills a demonstration's past: the simulated registers of the last days through the gateway's own decoder and uplink.

No socket is read (that would take as long as the days did), everything else is the live path: profile, decoding,
outbox, MQTT, confirmation. Each gateway gets a second outbox for it, with an epoch of its own, which is drained as
history. Doing it twice changes nothing, so a job that was killed simply begins again.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.demo.past import write_past
from energy.errors import ConfigError, DataError, DeviceError
from gateway.config import GatewayConfig
from gateway.device import Layout, discover, read_device
from gateway.metrics import Metrics
from gateway.outbox import Outbox
from gateway.profile import Library
from gateway.registers import Function
from gateway.uplink import Uplink
from messaging import topics
from messaging.codec import Reading, decode_ack
from messaging.connection import Connection, Message
from runtime.clock import Clock, clock_from_env
from runtime.config import load_config
from runtime.service import run_until_stopped
from simulator.config import SimulatorConfig
from simulator.world import World

__all__ = ["run_backfill"]

log = logging.getLogger(__name__)

_STEPS_A_BATCH = 12  # an hour of five-minute steps
_FUNCTION_CODES: dict[Function, int] = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}


@dataclass(frozen=True, slots=True)
class _PastRegisters:
    """One device of the simulated past behind the gateway's `Transport`."""

    world: World
    device: str

    async def read(self, unit: int, function: Function, address: int, count: int) -> list[int]:
        del unit  # the past is asked by the device's name
        words = self.world.read(self.device, _FUNCTION_CODES[function], address, count)
        if words is None:
            raise DeviceError(f"{self.device} refuses {function} {address}", kind="illegal_address")
        return words

    async def write(
        self, unit: int, function: Function, address: int, values: Sequence[int], *, single: bool = False
    ) -> None:
        del unit, function, address, values, single
        raise DeviceError("the past cannot be changed", kind="refused")


@dataclass(frozen=True, slots=True)
class _Device:
    name: str
    unit: int
    registers: _PastRegisters
    layout: Layout


class _Past:
    """One gateway's past: its devices, and the outbox that sends it."""

    def __init__(self, config: GatewayConfig, directory: Path, clock: Clock) -> None:
        self.config = config
        self.outbox = Outbox(directory / f"{config.gateway}.db", clock)
        self.devices: list[_Device] = []
        self.readings: list[Reading] = []
        self.connection = Connection(
            config.mqtt,
            f"{config.gateway}-backfill",
            subscriptions=[topics.ack(config.community, config.gateway)],
            on_message=self._on_message,
            on_connect=self._on_connect,
        )
        data = topics.data(config.community, config.gateway)
        self.uplink = Uplink(
            self.outbox,
            lambda payload: self.connection.publish(data, payload),
            clock,
            online=self.connection.connected,
            metrics=Metrics(),
        )

    async def discover(self, world: World, library: Library) -> None:
        """Finds the devices' registers once, as a gateway does when it connects."""
        for bus in self.config.buses:
            for device in bus.devices:
                registers = _PastRegisters(world, device.device)
                layout = await discover(registers, device.unit, library.get(device.profile))
                self.devices.append(_Device(device.device, device.unit, registers, layout))

    async def read(self, t: int) -> None:
        """Reads every device at the world's instant `t`."""
        self.readings += [await read_device(one.registers, one.unit, one.layout, one.name, t) for one in self.devices]

    def commit(self) -> None:
        """What was read since the last commit becomes one batch."""
        if self.readings:
            self.outbox.append(self.readings)
            self.readings = []

    async def send(self) -> None:
        """Sends until everything is confirmed."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(work())
                for work in (self.connection.run, self.uplink.run, self.uplink.run_confirmations)
            ]
            while self.outbox.depth().batches:  # noqa: ASYNC110 - the outbox has no events, and twice a second will do
                await asyncio.sleep(0.5)
            for task in tasks:
                task.cancel()

    async def _on_connect(self) -> None:
        await self.uplink.connected()

    async def _on_message(self, message: Message) -> None:
        try:
            self.uplink.acknowledge(decode_ack(message.payload))
        except DataError as error:
            log.warning("%s: %s", message.topic, error)


def run_backfill(directory: Path) -> None:
    """Makes and sends the past of the demonstration in `directory`; returns when the store has all of it."""
    run_until_stopped(lambda: _backfill(directory))


async def _backfill(directory: Path) -> None:
    done = directory / "backfilled"
    if done.exists():
        return
    await asyncio.to_thread(_write_buildings, directory)
    outboxes = directory / "backfill"
    shutil.rmtree(outboxes, ignore_errors=True)
    outboxes.mkdir(parents=True)
    clock = clock_from_env()
    pasts = [
        _Past(load_config(path, GatewayConfig), outboxes, clock)
        for path in sorted((directory / "gateways").glob("*.yaml"))
    ]
    await _make(load_config(directory / "simulator.yaml", SimulatorConfig), pasts)
    await asyncio.gather(*(past.send() for past in pasts))
    for past in pasts:
        past.outbox.close()
    shutil.rmtree(outboxes, ignore_errors=True)
    done.touch()
    log.info("the past is back-filled")


def _write_buildings(directory: Path) -> None:
    """The buildings' years before; what a job that was killed had written is not written again."""
    written = directory / "past-written"
    if written.exists():
        return
    config = load_config(directory / "simulator.yaml", SimulatorConfig)
    if config.history_start is not None:
        write_past(directory / "register.db", config.seed, config.history_start, len(config.sites))
    written.touch()


async def _make(config: SimulatorConfig, pasts: Sequence[_Past]) -> None:
    if config.history_start is None:
        raise ConfigError("is needed to know where the past begins", field="history_start")
    world = World(config, config.history_start)
    library = Library()
    for past in pasts:
        await past.discover(world, library)
    for count, t in enumerate(world.history_steps(), start=1):
        for past in pasts:
            await past.read(t)
        if count % _STEPS_A_BATCH == 0:
            for past in pasts:
                past.commit()
            await asyncio.sleep(0)  # a signal may stop it here
    for past in pasts:
        past.commit()
