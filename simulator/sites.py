"""One simulated site: its devices, stepped together so that consumption = grid + pv + battery at every instant."""

from __future__ import annotations

from typing import Any

from energy.names import device_id
from energy.quantities import Role
from simulator.config import DeviceConfig, SiteConfig
from simulator.load import BuildingLoad
from simulator.local_time import LocalTime
from simulator.noise import seed_of, smooth, uniform
from simulator.physics import Battery, Charger, Device, HeatPump, Inverter, Lamps, Machine, Meter
from simulator.registers.base import RegisterMap, WorldTime
from simulator.registers.charger import SocketMap
from simulator.registers.electrical import Electrical
from simulator.registers.inverter import InverterMap
from simulator.registers.meter import MeterMap
from simulator.registers.relays import RelayMap
from simulator.registers.storage import StorageMap
from simulator.scenes import Scenes
from simulator.sessions import Sessions
from simulator.sun import Roof, sun_at
from simulator.weather import Weather

__all__ = ["SimulatedSite"]

DUSK_DEG, NIGHT_DEG = 1.0, -3.0  # street lamps come on between these heights of the sun
DIMMED = 0.6  # of full light, from 23:00 to 05:00


class SimulatedSite:
    """The devices of one site and what they do to each other."""

    def __init__(self, config: SiteConfig, seed: int, time: WorldTime, scenes: Scenes | None = None) -> None:
        self.config = config
        self.scenes = scenes or Scenes()
        self.sun = sun_at(config.latitude, config.longitude)
        self.load = BuildingLoad(seed, config.id, config.load.profile, config.load.annual_kwh)
        self.electrical = Electrical()
        self.grid = Meter(device_id(config.id, "grid"))
        self.inverters: list[tuple[Inverter, Roof]] = []
        self.batteries: list[Battery] = []
        self.chargers: list[tuple[Charger, Sessions]] = []
        self.heat_pumps: list[HeatPump] = []
        self.lighting: list[Meter | Lamps] = []
        self.machines: list[Machine] = []
        self.loads: list[tuple[Meter, float]] = []
        self.base_load_w = 0
        self.clearness = 1.0
        self.devices: dict[str, Device] = {}
        self.maps: dict[str, RegisterMap] = {}
        self._voltage_seed = seed_of(seed, f"{config.id}/voltage")
        self._frequency_seed = seed_of(seed, "frequency")
        for device in config.devices:
            self._add(device, seed, time)
        self._rated_pv_w = sum(inverter.rated_w for inverter, _ in self.inverters) or 1.0

    def step(self, t_ms: int, dt_s: float, local: LocalTime, weather: Weather, outside_c: float) -> None:
        """Moves every device `dt_s` forward to `t_ms`."""
        self._produce(t_ms, dt_s, weather, outside_c)
        self._consume(t_ms, dt_s, local, outside_c)
        rest = self.consumption_w - self.pv_w
        for battery in self.batteries:
            battery.step(t_ms, dt_s, rest)
            rest -= battery.power_w
        self.grid.step(rest, dt_s)
        self._supply(t_ms)

    @property
    def pv_w(self) -> int:
        """Production, W."""
        return sum(inverter.power_w for inverter, _ in self.inverters)

    @property
    def battery_w(self) -> int:
        """Discharge (negative: charge), W."""
        return sum(battery.power_w for battery in self.batteries)

    @property
    def ev_w(self) -> int:
        """Charging power of cars, W."""
        return sum(charger.power_w for charger, _ in self.chargers)

    @property
    def heat_pump_w(self) -> int:
        """Electrical power of heat pumps, W."""
        return sum(heat_pump.power_w for heat_pump in self.heat_pumps)

    @property
    def lighting_w(self) -> int:
        """Power of metered lighting, W."""
        return sum(lighting.power_w for lighting in self.lighting)

    @property
    def machines_w(self) -> int:
        """Power of machines behind a contact, W."""
        return sum(machine.power_w for machine in self.machines)

    @property
    def consumption_w(self) -> int:
        """Everything the site consumes, W."""
        return self.base_load_w + self.ev_w + self.heat_pump_w + self.lighting_w + self.machines_w

    def truth(self, t_ms: int) -> dict[str, Any]:
        """What is really so, whatever the devices show. Energies in Wh by device: [import, export]."""
        capacity = sum(battery.capacity_wh for battery in self.batteries)
        stored = sum(battery.stored_wh for battery in self.batteries)
        return {
            "t": t_ms,
            "grid_w": self.grid.power_w,
            "pv_w": self.pv_w,
            "battery_w": self.battery_w,
            "consumption_w": self.consumption_w,
            "loads": {
                "base": self.base_load_w,
                "ev": self.ev_w,
                "heat_pump": self.heat_pump_w,
                "lighting": self.lighting_w,
                "machines": self.machines_w,
            },
            "soc_pct": round(100 * stored / capacity, 3) if capacity else None,
            "counters": {
                name.partition("/")[2]: [device.counters.import_wh, device.counters.export_wh]
                for name, device in self.devices.items()
            },
        }

    def _produce(self, t_ms: int, dt_s: float, weather: Weather, outside_c: float) -> None:
        if not self.inverters:
            return
        light = self.scenes.light(self.config.id, t_ms)
        self.clearness = light * weather.clearness(t_ms, self.config.latitude, self.config.longitude)
        for inverter, roof in self.inverters:
            inverter.step(t_ms, dt_s, roof.irradiance_wm2(t_ms) * self.clearness, outside_c)

    def _consume(self, t_ms: int, dt_s: float, local: LocalTime, outside_c: float) -> None:
        self.base_load_w = self.load.power_w(t_ms, local) + self.scenes.load_w(self.config.id, t_ms)
        for meter, share in self.loads:
            meter.step(round(self.base_load_w * share), dt_s)
        for charger, sessions in self.chargers:
            charger.step(t_ms, dt_s, self.scenes.car_at(charger.name, t_ms) or sessions.at(local))
        for heat_pump in self.heat_pumps:
            heat_pump.step(dt_s, outside_c, local.minute)
        for machine in self.machines:
            machine.step(dt_s)
        if self.lighting:
            dark = min(1.0, max(0.0, (DUSK_DEG - self.sun.elevation_deg(t_ms)) / (DUSK_DEG - NIGHT_DEG)))
            level = dark * (DIMMED if local.minute < 5 * 60 or local.minute >= 23 * 60 else 1.0)
            for circuit in self.lighting:
                if isinstance(circuit, Lamps):
                    circuit.step(dark, dt_s)
                else:
                    circuit.step(round(circuit.rated_w * level), dt_s)

    def _supply(self, t_ms: int) -> None:
        """Voltage rises when the site feeds in, which is what limits feeding in on real streets."""
        middle = 230.5 + 2.5 * (smooth(self._voltage_seed, t_ms / 240_000) - 0.5)
        middle += max(-4.0, min(5.0, -5.0 * self.grid.power_w / self._rated_pv_w))
        self.electrical.voltages_v = (middle - 0.4, middle + 0.7, middle - 0.3)
        self.electrical.frequency_hz = 50.0 + 0.06 * (smooth(self._frequency_seed, t_ms / 20_000) - 0.5)

    def _add(self, config: DeviceConfig, seed: int, time: WorldTime) -> None:
        name = device_id(self.config.id, config.id)
        device = self._make(config, name, seed)
        device.counters.import_wh = device.counters.shown_import_wh = 1e5 + 4e6 * uniform(seed_of(seed, name), 1)
        device.counters.export_wh = device.counters.shown_export_wh = 1e5 + 4e6 * uniform(seed_of(seed, name), 2)
        self.devices[name] = device
        self.maps[name] = self._map(device, time)

    def _make(self, config: DeviceConfig, name: str, seed: int) -> Device:
        rated_w = config.rated_w or 0.0
        match config.role:
            case Role.PV:
                inverter = Inverter(name, rated_w, peak_w=config.peak_w or rated_w)
                self.inverters.append((inverter, self.sun.roof(config.tilt_deg, config.azimuth_deg)))
                return inverter
            case Role.BATTERY:
                capacity_wh = config.capacity_wh or 0.0
                battery = Battery(name, rated_w, capacity_wh=capacity_wh, stored_wh=capacity_wh / 2)
                battery.self_consumption = config.mode == "self_consumption"
                self.batteries.append(battery)
                return battery
            case Role.EV:
                charger = Charger(name, rated_w, safe_current_a=config.safe_current_a, validity_s=config.validity_s)
                self.chargers.append((charger, Sessions(seed, name)))
                return charger
            case Role.HEAT_PUMP:
                heat_pump = HeatPump(name, rated_w)
                heat_pump.stored_wh = heat_pump.capacity_wh / 2
                self.heat_pumps.append(heat_pump)
                return heat_pump
        if config.kind in {"relay-lighting", "relay-machine"}:
            return self._behind_contacts(config, name, rated_w)
        meter = Meter(name, rated_w)
        if config.role is Role.GRID:
            self.grid = meter
        elif config.role is Role.LIGHTING:
            self.lighting.append(meter)
        else:
            self.loads.append((meter, config.share))
        return meter

    def _behind_contacts(self, config: DeviceConfig, name: str, rated_w: float) -> Device:
        if config.kind == "relay-machine":
            machine = Machine(name, rated_w)
            self.machines.append(machine)
            return machine
        lamps = Lamps(name, rated_w)
        self.lighting.append(lamps)
        return lamps

    def _map(self, device: Device, time: WorldTime) -> RegisterMap:
        match device:
            case Inverter():
                return InverterMap(device, self.electrical)
            case Battery():
                return StorageMap(device, self.electrical, time)
            case Charger():
                return SocketMap(device, self.electrical, time)
            case HeatPump() | Lamps() | Machine():
                return RelayMap(device, self.electrical)
        return MeterMap(device, self.electrical)
