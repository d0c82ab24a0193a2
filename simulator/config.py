"""What is simulated: sites, their devices and the ports they answer on, as a YAML file."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from energy.names import Slug, device_id
from energy.quantities import Role
from simulator.load import Profile

__all__ = ["ControlConfig", "DeviceConfig", "Kind", "LoadConfig", "SimulatorConfig", "SiteConfig"]

Kind = Literal[
    "sunspec-inverter",
    "sunspec-storage",
    "sdm630",
    "p1-meter",
    "alfen-ng9xx",
    "sg-ready-heat-pump",
    "relay-lighting",
    "relay-machine",
]
ROLES: dict[Kind, frozenset[Role]] = {
    "sunspec-inverter": frozenset({Role.PV}),
    "sunspec-storage": frozenset({Role.BATTERY}),
    "sdm630": frozenset({Role.GRID, Role.LIGHTING, Role.LOAD}),
    "p1-meter": frozenset({Role.GRID}),
    "alfen-ng9xx": frozenset({Role.EV}),
    "sg-ready-heat-pump": frozenset({Role.HEAT_PUMP}),
    "relay-lighting": frozenset({Role.LIGHTING}),
    "relay-machine": frozenset({Role.LOAD}),
}
RATED: frozenset[Role] = frozenset({Role.PV, Role.BATTERY, Role.EV, Role.HEAT_PUMP, Role.LIGHTING})


def _instant_ms(value: Any) -> Any:
    """Milliseconds as given, or an ISO 8601 instant with its offset as milliseconds."""
    if isinstance(value, str):
        value = dt.datetime.fromisoformat(value)
    if isinstance(value, dt.datetime):
        if value.tzinfo is None:
            raise ValueError("an instant needs its offset, such as 2026-06-01T00:00:00Z")
        return round(value.timestamp() * 1000)
    return value


InstantMs = Annotated[int, BeforeValidator(_instant_ms), Field(ge=0)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DeviceConfig(_Model):
    """One simulated device. Devices of one host and port share a bus and differ by unit; a P1 meter has its own port."""

    id: Slug
    kind: Kind
    role: Role
    host: str = "127.0.0.1"
    port: int = Field(ge=1, le=65535)
    unit: int = Field(default=1, ge=1, le=247)
    framing: Literal["tcp", "rtu"] = Field(default="tcp", description="rtu: RTU frames over TCP, as serial gateways do")
    rated_w: float | None = Field(default=None, gt=0, le=700_000, description="nameplate AC power, W")
    peak_w: float | None = Field(default=None, gt=0, description="PV modules, Wp; default: the inverter's rating")
    capacity_wh: float | None = Field(default=None, gt=0, le=6_000_000, description="usable energy of a battery, Wh")
    tilt_deg: float = Field(default=35.0, ge=0, le=90)
    azimuth_deg: float = Field(default=180.0, ge=0, lt=360, description="clockwise from north; 180 faces south")
    mode: Literal["idle", "self_consumption"] = Field(
        default="idle", description="what a battery does of its own accord, while nobody commands it"
    )
    share: float = Field(default=1.0, gt=0, le=1, description="part of the building's load behind a load meter")
    safe_current_a: float = Field(default=16.0, ge=0, le=63, description="EV: current when no valid setpoint is held")
    validity_s: float = Field(default=60.0, gt=0, le=3600, description="EV: how long a setpoint holds")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.role not in ROLES[self.kind]:
            allowed = ", ".join(sorted(ROLES[self.kind]))
            raise ValueError(f"a {self.kind} cannot be {self.role}; it can be: {allowed}")
        if self.role in RATED and self.rated_w is None:
            raise ValueError(f"a {self.role} needs rated_w")
        if self.role is Role.BATTERY and self.capacity_wh is None:
            raise ValueError("a battery needs capacity_wh")
        return self


class LoadConfig(_Model):
    """What a building consumes besides the devices that stand on their own."""

    profile: Profile
    annual_kwh: float = Field(ge=0, le=50_000_000)


class SiteConfig(_Model):
    """One building behind one grid connection."""

    id: Slug
    kind: str = "building"
    latitude: float = Field(ge=-66, le=66)
    longitude: float = Field(ge=-180, le=180)
    load: LoadConfig
    devices: tuple[DeviceConfig, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [device.id for device in self.devices]
        if len(names) != len(set(names)):
            raise ValueError(f"device ids must be unique within site {self.id!r}")
        if sum(device.role is Role.GRID for device in self.devices) > 1:
            raise ValueError(f"site {self.id!r} has more than one grid meter; a site is one grid connection")
        return self


class ControlConfig(_Model):
    """Where tests and demonstrations ask for the truth and for faults."""

    host: str = "127.0.0.1"
    port: int = Field(ge=1, le=65535)


class SimulatorConfig(_Model):
    """Everything `commonwatt simulate` needs."""

    seed: int = 1
    timezone: str = "Europe/Brussels"
    tick_s: float = Field(default=1.0, ge=0.1, le=60)
    state_file: Path | None = None
    history_start: InstantMs | None = Field(default=None, description="a fresh world begins here, ISO 8601 or ms")
    live_start: InstantMs | None = Field(default=None, description="end of the history, ISO 8601 or ms; default: now")
    control: ControlConfig | None = None
    sites: tuple[SiteConfig, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [site.id for site in self.sites]
        if len(names) != len(set(names)):
            raise ValueError("site ids must be unique")
        if self.history_start is not None and self.live_start is not None and self.history_start > self.live_start:
            raise ValueError("history_start must not be after live_start")
        self._check_buses()
        return self

    def _check_buses(self) -> None:
        framings: dict[tuple[str, int], str] = {}
        units: dict[tuple[str, int, int], str] = {}
        ports = [(device.host, device.port) for site in self.sites for device in site.devices]
        for site in self.sites:
            for device in site.devices:
                name = device_id(site.id, device.id)
                bus = (device.host, device.port)
                if device.kind == "p1-meter" and ports.count(bus) > 1:
                    raise ValueError(f"{name!r} needs port {device.port} for itself, a P1 port has one meter")
                if framings.setdefault(bus, device.framing) != device.framing:
                    raise ValueError(f"{name!r} speaks {device.framing} on port {device.port}, where others do not")
                other = units.setdefault((*bus, device.unit), name)
                if other != name:
                    raise ValueError(f"{name!r} and {other!r} are both unit {device.unit} on port {device.port}")
