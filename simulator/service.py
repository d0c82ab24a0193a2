"""The simulator as a service: steps the world with the clock, serves its devices, keeps its state."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from typing import Any

from energy.errors import ConfigError, DataError
from energy.names import device_id
from runtime.clock import Clock
from simulator.config import SimulatorConfig
from simulator.control import ControlServer
from simulator.faults import FaultBook, FaultKind
from simulator.p1 import P1Port
from simulator.registers.base import READ_SPACES
from simulator.server import Bus, build_buses
from simulator.state import StateFile
from simulator.world import HISTORY_STEP_MS, World

__all__ = ["Simulator"]

log = logging.getLogger(__name__)

REMEMBERED_TICKS = 600
REAL_TICK_MS = 500  # at least this much real time per tick: a fast clock gets longer steps, not more
STEPS_PER_PAUSE = 50


class Simulator:
    """Simulated rooftops behind real sockets. `ready` is set while every port listens."""

    def __init__(self, config: SimulatorConfig, clock: Clock) -> None:
        self.config = config
        self.ready = asyncio.Event()
        self._clock = clock
        self._tick_ms = _tick_ms(config.tick_s, clock.speed)
        self._state = StateFile(config.state_file) if config.state_file is not None else None
        self.world = self._make_world()
        self.faults = FaultBook(self.world, clock)
        self._buses = build_buses(self.world, self.faults, clock)
        self._ticks: deque[dict[str, Any]] = deque(maxlen=REMEMBERED_TICKS)
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Serves until cancelled. Raises ConfigError when a port is taken."""
        await self._catch_up()
        buses = set(self._buses.values())
        servers: list[Bus | P1Port | ControlServer] = [*buses, *self._side_doors()]
        try:
            for server in servers:
                await server.start()
            self.ready.set()
            log.info("%d simulated devices answer on %d ports", len(self.world.devices), len(buses))
            async with asyncio.TaskGroup() as self._group:
                self._group.create_task(self._keep_ticking(), name="simulator.tick")
        finally:
            self.ready.clear()
            self._group = None
            for server in servers:
                await server.stop()

    def truth(self, last: int | None = None) -> dict[str, Any]:
        """What is really so now; with `last`, that many ticks under `ticks`, oldest first."""
        if last is None:
            return self.world.truth()
        return {"ticks": list(self._ticks)[-last:]}

    def fault(self, device: str, kind: FaultKind, for_s: float | None = None, seconds: float | None = None) -> None:
        """Makes a device faulty. A device that restarts alone on its port takes the port with it."""
        fault = self.faults.inject(device, kind, for_s=for_s, seconds=seconds)
        bus = self._buses[device]
        if kind == "restart" and self._group is not None and bus.devices == 1:
            self._group.create_task(self._restart(bus, fault.seconds), name=f"simulator.restart {device}")

    def clear(self, device: str) -> None:
        """Makes a device well again."""
        self.faults.clear(device)

    def registers(self, device: str, function: int, address: int, count: int) -> list[int] | None:
        """What a device's content is now, faults of the content included; None where it would refuse."""
        answer = self.faults.read(device, self.world.map(device), READ_SPACES[function], address, count)
        return answer if isinstance(answer, list) else None

    def devices(self) -> list[dict[str, Any]]:
        """Every device with its address and its fault."""
        listed = []
        for site in self.config.sites:
            for device in site.devices:
                name = device_id(site.id, device.id)
                fault = self.faults.active(name)
                address = device.model_dump(mode="json", include={"kind", "role", "host", "port", "unit", "framing"})
                listed.append({"device": name, **address, "fault": fault.kind if fault else None})
        return listed

    def cloud(self, site: str, share: float, for_s: float) -> None:
        """Takes most of the light from a site for a while. Raises DataError for an unknown one."""
        self.world.scenes.cloud(self._site(site), share, self._until_ms(for_s))

    def car(self, device: str, energy_wh: float, for_s: float) -> None:
        """Plugs a car in for a while. Raises DataError for an unknown charger."""
        self.world.map(device)
        self.world.scenes.car(device, energy_wh, self._until_ms(for_s))

    def load(self, site: str, power_w: float, for_s: float) -> None:
        """Lets a building draw more for a while. Raises DataError for an unknown one."""
        self.world.scenes.load(self._site(site), power_w, self._until_ms(for_s))

    def tick(self) -> None:
        """Steps the world to the last whole tick of the clock, if it is not there yet."""
        due_ms = self._clock.now_ms() // self._tick_ms * self._tick_ms
        if due_ms <= self.world.now_ms:
            return
        self.world.advance(due_ms)
        self.faults.tick()
        self._ticks.append(self.world.truth())
        # Saved before anyone can read this tick: after a crash no counter is behind what was shown.
        if self._state is not None:
            self._state.save(self.world.state())

    def _site(self, name: str) -> str:
        if name not in {site.id for site in self.config.sites}:
            raise DataError(f"there is no site {name!r}", field="site", hint="ask for `devices`")
        return name

    def _until_ms(self, for_s: float) -> int:
        return self._clock.now_ms() + round(for_s * 1000)

    def _side_doors(self) -> list[ControlServer]:
        control = self.config.control
        return [] if control is None else [ControlServer(self, control.host, control.port)]

    def _make_world(self) -> World:
        start_ms = self.config.history_start
        if start_ms is None:
            start_ms = self._clock.now_ms() // self._tick_ms * self._tick_ms - self._tick_ms
        world = World(self.config, start_ms)
        saved = self._state.load() if self._state is not None else None
        if saved is not None:
            try:
                world.restore(saved)
            except (DataError, KeyError, TypeError, ValueError) as error:
                raise ConfigError(
                    f"does not fit this simulator: {error}",
                    file=str(self.config.state_file),
                    hint="remove the file to begin with a fresh world",
                ) from error
        return world

    async def _catch_up(self) -> None:
        """Steps the world from where it was to now on the 300 s grid."""
        steps = 0
        while self._clock.now_ms() - self.world.now_ms > HISTORY_STEP_MS:
            self.world.advance((self.world.now_ms // HISTORY_STEP_MS + 1) * HISTORY_STEP_MS)
            steps += 1
            if steps % STEPS_PER_PAUSE == 0:
                await asyncio.sleep(0)
        self.tick()

    async def _keep_ticking(self) -> None:
        while True:
            now_ms = self._clock.now_ms()
            await self._clock.sleep((self._tick_ms - now_ms % self._tick_ms) / 1000)
            self.tick()

    async def _restart(self, bus: Bus | P1Port, away_s: float) -> None:
        await bus.stop()
        await self._clock.sleep(away_s)
        told = False
        while True:
            try:
                await bus.start()
            except ConfigError as error:  # somebody took the port meanwhile; a device would wait for its address too
                if not told:
                    log.warning("a restarted device is not back yet: %s", error)
                told = True
                await self._clock.sleep(1.0)
            else:
                return


def _tick_ms(tick_s: float, speed: float) -> int:
    """The world's step: the configured one, or a multiple of it where the clock runs fast."""
    tick_ms = round(tick_s * 1000)
    return tick_ms * max(1, math.ceil(REAL_TICK_MS * speed / tick_ms))
