"""All simulated sites under one clock that only moves when told: the same seed and steps give the same world.

The service steps it live; another process can build the same world and step the same grid to read its past:

    world = World(config, config.history_start)
    for t_ms in world.history_steps():
        registers = world.read("town-hall/grid", 4, 0x34, 2)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from energy.errors import ConfigError, DataError
from simulator.config import SimulatorConfig
from simulator.local_time import local_time
from simulator.physics import Device
from simulator.registers.base import READ_SPACES, Refusal, RegisterMap, Space
from simulator.scenes import Scenes
from simulator.sites import SimulatedSite
from simulator.weather import Weather

__all__ = ["HISTORY_STEP_MS", "World"]

HISTORY_STEP_MS = 300_000
STATE_VERSION = 1


class World:
    """The simulated world. Registers stay as they are between two steps, but for what is written to them."""

    def __init__(self, config: SimulatorConfig, start_ms: int) -> None:
        self.config = config
        self.now_ms = start_ms
        self.weather = Weather(config.seed)
        self.scenes = Scenes()
        self.sites = [SimulatedSite(site, config.seed, self, self.scenes) for site in config.sites]
        self.devices: dict[str, Device] = {}
        self.maps: dict[str, RegisterMap] = {}
        for site in self.sites:
            self.devices |= site.devices
            self.maps |= site.maps
        self._zone = ZoneInfo(config.timezone)

    def advance(self, to_ms: int) -> None:
        """One physics step to `to_ms`; longer than 300 s is cut on the 300 s grid. Time never goes back."""
        while to_ms - self.now_ms > HISTORY_STEP_MS:
            self._step((self.now_ms // HISTORY_STEP_MS + 1) * HISTORY_STEP_MS)
        if to_ms > self.now_ms:
            self._step(to_ms)

    def history_steps(self, step_ms: int = HISTORY_STEP_MS) -> Iterator[int]:
        """Steps on the grid from now to the configured start of live, giving the instant after each step.

        Raises ConfigError when `live_start` is not configured.
        """
        end_ms = self.config.live_start
        if end_ms is None:
            raise ConfigError("is needed to know where the history ends", field="live_start", hint="set live_start")
        return self._steps_until(end_ms, step_ms)

    def read(self, device: str, function_code: int, address: int, count: int) -> list[int] | None:
        """The registers (coils as 0 and 1) the device's server would give now; None where it would refuse.

        `device` is `site/device`. Raises DataError for an unknown one.
        """
        space = READ_SPACES.get(function_code)
        answer = None if space is None else self.map(device).read(space, address, count)
        return answer if isinstance(answer, list) else None

    def write(self, device: str, space: Space, address: int, values: Sequence[int], now_ms: int) -> Refusal | None:
        """Writes to a device at `now_ms`, from which its timers count. A refusal leaves everything as it was."""
        return self.map(device).write(space, address, values, now_ms)

    def map(self, device: str) -> RegisterMap:
        """The registers of a device. Raises DataError for an unknown one."""
        try:
            return self.maps[device]
        except KeyError:
            raise DataError(f"there is no device {device!r}", field="device", hint="ask for `devices`") from None

    def truth(self) -> dict[str, Any]:
        """What is really so now, whatever the devices show."""
        return {"t": self.now_ms, "sites": {site.config.id: site.truth(self.now_ms) for site in self.sites}}

    def state(self) -> dict[str, Any]:
        """Everything the future depends on, as JSON."""
        return {
            "version": STATE_VERSION,
            "t": self.now_ms,
            "devices": {name: device.state() for name, device in self.devices.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes up a saved state. Devices it does not know keep their own. Raises DataError for another version."""
        if state.get("version") != STATE_VERSION:
            raise DataError(f"is of version {state.get('version')!r}, not {STATE_VERSION}", field="version")
        self.now_ms = int(state["t"])
        for name, saved in state["devices"].items():
            if name in self.devices:
                self.devices[name].restore(saved)

    def _steps_until(self, end_ms: int, step_ms: int) -> Iterator[int]:
        following = (self.now_ms // step_ms + 1) * step_ms
        while following <= end_ms:
            self.advance(following)
            yield following
            following += step_ms

    def _step(self, to_ms: int) -> None:
        dt_s = (to_ms - self.now_ms) / 1000
        self.now_ms = to_ms
        local = local_time(to_ms, self._zone)
        outside_c = self.weather.temperature_c(to_ms, local)
        for site in self.sites:
            site.step(to_ms, dt_s, local, self.weather, outside_c)
