"""What each device does in one step of time: plain state, plain arithmetic, no clock and no sockets.

Powers are whole watts, or tens of watts where the device's own register is no finer, so that a site's balance closes
exactly in what its devices show. Signs are those of energy/quantities. A device counts what it takes from the site's
bus as import and what it delivers as export; the grid meter counts for the site.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

from simulator.sessions import Session

__all__ = ["Battery", "Charger", "Counters", "Device", "HeatPump", "Inverter", "Lamps", "Machine", "Meter", "quantum_w"]

VOLTAGE_V = 230.0
SIXTEEN_BIT_W = 30_000  # a signed 16-bit register ends at 32 767, and the DC side has a little more than the AC side


def quantum_w(rated_w: float) -> int:
    """The step in which a device of that rating reports power: 1 W, 10 W or 100 W."""
    return 1 if rated_w <= SIXTEEN_BIT_W else 10 if rated_w <= 10 * SIXTEEN_BIT_W else 100


@dataclass(slots=True)
class Counters:
    """Energy since the device was made, and what its display says, which a fault may change."""

    import_wh: float = 0.0
    export_wh: float = 0.0
    shown_import_wh: float = 0.0
    shown_export_wh: float = 0.0

    def add(self, taken_w: float, dt_s: float, *, reversed_sign: bool) -> None:
        """Counts `taken_w` from the bus (negative: delivered to it) over `dt_s`."""
        energy_wh = taken_w * dt_s / 3600.0
        if energy_wh >= 0.0:
            self.import_wh += energy_wh
        else:
            self.export_wh -= energy_wh
        if (energy_wh >= 0.0) is not reversed_sign:
            self.shown_import_wh += abs(energy_wh)
        else:
            self.shown_export_wh += abs(energy_wh)


@dataclass(slots=True)
class Device:
    """What every device has. `power_w` is told in the device's own role."""

    STATE: ClassVar[tuple[str, ...]] = ()

    name: str  # site/device
    rated_w: float = 0.0
    power_w: int = 0
    reversed_sign: bool = False
    counters: Counters = field(default_factory=Counters)

    @property
    def shown_power_w(self) -> int:
        """The power on the display: a current transformer put in backwards turns it round."""
        return -self.power_w if self.reversed_sign else self.power_w

    def count(self, taken_w: int, dt_s: float) -> None:
        """Counts the energy of a step."""
        self.counters.add(taken_w, dt_s, reversed_sign=self.reversed_sign)

    def reboot(self) -> None:
        """Loses what a device does not keep over a restart: its setpoints."""

    def state(self) -> dict[str, Any]:
        """Everything the next step depends on, as JSON. Faults are not part of it: they end with the simulator."""
        counters = self.counters
        kept = {name: getattr(self, name) for name in ("power_w", *self.STATE)}
        kept["counters"] = [
            counters.import_wh,
            counters.export_wh,
            counters.shown_import_wh,
            counters.shown_export_wh,
        ]
        return kept

    def restore(self, state: dict[str, Any]) -> None:
        """Takes up a saved state; what it does not hold stays as it is."""
        for name in ("power_w", *self.STATE):
            if name in state:
                setattr(self, name, state[name])
        if "counters" in state:
            self.counters = Counters(*state["counters"])


@dataclass(slots=True)
class Meter(Device):
    """A meter without a will of its own: grid connection, lighting circuit, sub-meter."""

    def step(self, power_w: int, dt_s: float) -> None:
        """Shows and counts a power that was decided elsewhere."""
        self.power_w = power_w
        self.count(power_w, dt_s)


@dataclass(slots=True)
class Inverter(Device):
    """PV modules behind an inverter that can be limited (SunSpec 123) and disconnected."""

    STATE: ClassVar[tuple[str, ...]] = (
        "limit_pct",
        "limit_on",
        "limit_revert_s",
        "limit_until_ms",
        "connected",
        "connect_revert_s",
        "reconnect_at_ms",
        "sleeping",
        "throttled",
        "temperature_c",
    )
    WAKE_SHARE: ClassVar[float] = 0.004  # of the rating, below which an inverter sleeps
    SYSTEM_EFFICIENCY: ClassVar[float] = 0.88  # wiring, dirt, mismatch, conversion

    peak_w: float = 0.0
    limit_pct: float = 100.0
    limit_on: bool = False
    limit_revert_s: int = 0
    limit_until_ms: int | None = None
    connected: bool = True
    connect_revert_s: int = 0
    reconnect_at_ms: int | None = None
    sleeping: bool = True
    throttled: bool = False
    temperature_c: float = 20.0

    def step(self, t_ms: int, dt_s: float, irradiance_wm2: float, outside_c: float) -> None:
        """Produces what the light allows and the limit permits."""
        self._expire(t_ms)
        cell_c = outside_c + 0.03 * irradiance_wm2
        available = self.peak_w * irradiance_wm2 / 1000 * self.SYSTEM_EFFICIENCY * (1 - 0.0038 * (cell_c - 25))
        self.sleeping = available < self.WAKE_SHARE * self.rated_w
        ceiling = self.rated_w * (self.limit_pct / 100 if self.limit_on else 1.0)
        self.throttled = available > ceiling and self.limit_on
        power = 0.0 if self.sleeping or not self.connected else min(available, ceiling)
        quantum = quantum_w(self.rated_w)
        self.power_w = int(power / quantum) * quantum
        self.temperature_c = outside_c + 8 + 25 * self.power_w / self.rated_w
        self.count(-self.power_w, dt_s)

    def limit(self, now_ms: int, *, pct: float, on: bool) -> None:
        """Sets the production limit in percent of the rating and starts its revert timer."""
        self.limit_pct = pct
        self.limit_on = on
        timed = on and self.limit_revert_s > 0
        self.limit_until_ms = now_ms + self.limit_revert_s * 1000 if timed else None

    def connect(self, now_ms: int, *, on: bool) -> None:
        """Connects to or disconnects from the grid; a disconnection ends with its timer, when it has one."""
        self.connected = on
        timed = not on and self.connect_revert_s > 0
        self.reconnect_at_ms = now_ms + self.connect_revert_s * 1000 if timed else None

    def reboot(self) -> None:
        self.limit_on, self.limit_pct, self.limit_revert_s, self.limit_until_ms = False, 100.0, 0, None
        self.connected, self.connect_revert_s, self.reconnect_at_ms = True, 0, None

    def _expire(self, t_ms: int) -> None:
        if self.limit_until_ms is not None and t_ms >= self.limit_until_ms:
            self.limit_on, self.limit_until_ms = False, None
        if self.reconnect_at_ms is not None and t_ms >= self.reconnect_at_ms:
            self.connected, self.reconnect_at_ms = True, None


@dataclass(slots=True)
class Battery(Device):
    """A battery with its inverter (SunSpec 704 setpoint with a revert timer). Positive power discharges."""

    STATE: ClassVar[tuple[str, ...]] = (
        "stored_wh",
        "setpoint_w",
        "setpoint_pct",
        "setpoint_in_watts",
        "setpoint_on",
        "revert_s",
        "until_ms",
        "controller_heartbeat",
    )
    EFFICIENCY: ClassVar[float] = math.sqrt(0.9)  # one way; 90 % there and back
    LOWEST: ClassVar[float] = 0.05
    TAPER: ClassVar[float] = 0.06  # of the capacity, below full and above empty

    capacity_wh: float = 0.0
    self_consumption: bool = False
    stored_wh: float = 0.0
    setpoint_w: int = 0
    setpoint_pct: float = 0.0
    setpoint_in_watts: bool = True
    setpoint_on: bool = False
    revert_s: int = 0
    until_ms: int | None = None
    controller_heartbeat: int = 0

    @property
    def soc_pct(self) -> float:
        """State of charge, percent of the usable capacity."""
        return 100.0 * self.stored_wh / self.capacity_wh

    def step(self, t_ms: int, dt_s: float, deficit_w: float) -> None:
        """Follows the command in force, else its own rule about the building's `deficit_w` (negative: surplus)."""
        if self.until_ms is not None and t_ms >= self.until_ms:
            self.setpoint_on, self.until_ms = False, None
        if self.setpoint_on:
            wanted = self.setpoint_w if self.setpoint_in_watts else self.rated_w * self.setpoint_pct / 100
        else:
            wanted = deficit_w if self.self_consumption else 0.0
        quantum = quantum_w(self.rated_w)
        self.power_w = int(self._possible(wanted, dt_s) / quantum) * quantum  # towards zero: never over a limit
        used_wh = self.power_w * dt_s / 3600
        self.stored_wh -= used_wh / self.EFFICIENCY if used_wh > 0 else used_wh * self.EFFICIENCY
        self.stored_wh = min(max(self.stored_wh, 0.0), self.capacity_wh)  # rounding of the last bit only
        self.count(-self.power_w, dt_s)

    def arm(self, now_ms: int, *, on: bool) -> None:
        """Switches the setpoint on or off and starts its revert timer."""
        self.setpoint_on = on
        self.until_ms = now_ms + self.revert_s * 1000 if on and self.revert_s > 0 else None

    def reboot(self) -> None:
        self.setpoint_on, self.setpoint_w, self.setpoint_pct, self.revert_s, self.until_ms = False, 0, 0.0, 0, None
        self.setpoint_in_watts = True

    def _possible(self, wanted_w: float, dt_s: float) -> float:
        share = self.stored_wh / self.capacity_wh
        hours = dt_s / 3600
        if wanted_w > 0:
            above = share - self.LOWEST
            taper = min(1.0, max(0.1, above / self.TAPER))
            left_w = max(0.0, above) * self.capacity_wh * self.EFFICIENCY / hours
            return min(wanted_w, self.rated_w * taper, left_w)
        taper = min(1.0, max(0.1, (1.0 - share) / self.TAPER))
        room_w = (1.0 - share) * self.capacity_wh / self.EFFICIENCY / hours
        return -min(-wanted_w, self.rated_w * taper, room_w)


@dataclass(slots=True)
class Charger(Device):
    """One socket of an EV charger that follows a maximum current, valid for a time, then a safe current."""

    STATE: ClassVar[tuple[str, ...]] = (
        "setpoint_a",
        "until_ms",
        "phases",
        "car",
        "car_phases",
        "car_current_a",
        "remaining_wh",
    )
    PAUSE_A: ClassVar[float] = 6.0  # IEC 61851: below this a car does not charge

    safe_current_a: float = 16.0
    validity_s: float = 60.0
    setpoint_a: float = 0.0
    until_ms: int | None = None
    phases: int = 3
    car: str | None = None
    car_phases: int = 3
    car_current_a: float = 0.0
    remaining_wh: float = 0.0

    @property
    def max_current_a(self) -> float:
        """The station's own limit, A per phase."""
        return self.rated_w / (3 * VOLTAGE_V)

    @property
    def applied_a(self) -> float:
        """The current limit in force, A per phase."""
        return min(self.max_current_a, self.safe_current_a if self.until_ms is None else self.setpoint_a)

    @property
    def used_phases(self) -> int:
        """Phases the car draws from."""
        return min(self.phases, self.car_phases)

    def step(self, t_ms: int, dt_s: float, session: Session | None) -> None:
        """Charges the car that is there with what is allowed."""
        if self.until_ms is not None and t_ms >= self.until_ms:
            self.until_ms = None
        if session is None:
            self.car, self.remaining_wh = None, 0.0
        elif session.key != self.car:
            self.car, self.remaining_wh = session.key, session.energy_wh
            self.car_current_a, self.car_phases = session.current_a, session.phases
        current = min(self.applied_a, self.car_current_a)
        possible = VOLTAGE_V * current * self.used_phases if current >= self.PAUSE_A else 0.0
        self.power_w = int(min(possible, self.remaining_wh * 3600 / dt_s))
        self.remaining_wh -= self.power_w * dt_s / 3600
        if self.remaining_wh < 1.0:
            self.remaining_wh = 0.0  # full
        self.count(self.power_w, dt_s)

    def set_current(self, now_ms: int, current_a: float) -> None:
        """Takes a maximum current for the validity time."""
        self.setpoint_a = current_a
        self.until_ms = now_ms + round(self.validity_s * 1000)

    def reboot(self) -> None:
        self.setpoint_a, self.until_ms, self.phases = 0.0, None, 3


@dataclass(slots=True)
class Lamps(Device):
    """A lighting circuit behind a twilight switch and two contacts: A closed cuts it, B closed dims it."""

    STATE: ClassVar[tuple[str, ...]] = ("contact_a", "contact_b")
    DIMMED: ClassVar[float] = 0.6

    contact_a: bool = False
    contact_b: bool = False

    def step(self, dark: float, dt_s: float) -> None:
        """Burns as far as it is dark, 0 to 1, and as the contacts let it."""
        level = 0.0 if self.contact_a else self.DIMMED if self.contact_b else 1.0
        self.power_w = round(self.rated_w * dark * level)
        self.count(self.power_w, dt_s)


@dataclass(slots=True)
class Machine(Device):
    """A machine behind a contact: A closed has it draw all it is rated for."""

    STATE: ClassVar[tuple[str, ...]] = ("contact_a", "contact_b")

    contact_a: bool = False
    contact_b: bool = False

    def step(self, dt_s: float) -> None:
        """Runs as the contact lets it."""
        self.power_w = round(self.rated_w) if self.contact_a else 0
        self.count(self.power_w, dt_s)

    def reboot(self) -> None:
        self.contact_a = self.contact_b = False  # relays open without power


@dataclass(slots=True)
class HeatPump(Device):
    """A heat pump on a store (tank and building) with the two contacts of SG-Ready.

    Heat is conserved: what it makes is what the building draws plus what the store gains. Blocking lets the store fall
    below empty (the building cools), which is made up for later: energy is shifted, never created.
    """

    STATE: ClassVar[tuple[str, ...]] = ("contact_a", "contact_b", "stored_wh", "demand_w", "performance")
    STORE_HOURS: ClassVar[float] = 3.0  # of full thermal power

    contact_a: bool = False
    contact_b: bool = False
    stored_wh: float = 0.0
    demand_w: float = 0.0
    performance: float = 3.2

    @property
    def capacity_wh(self) -> float:
        """Heat the store takes, Wh."""
        return self.STORE_HOURS * self.rated_w * 3.2

    def step(self, dt_s: float, outside_c: float, minute: float) -> None:
        """Makes heat according to the contacts and the store's level."""
        self.performance = min(4.8, max(2.0, 3.2 + 0.07 * (outside_c - 7)))
        hot_water = 0.06 if 6 * 60 <= minute < 22 * 60 else 0.02
        self.demand_w = self.rated_w * 3.2 * (max(0.0, 17.0 - outside_c) / 27.0 * 0.9 + hot_water)
        heat_w = min(max(self._wanted_heat_w(), 0.0), self.rated_w * self.performance)
        room_w = self.demand_w + max(0.0, self.capacity_wh - self.stored_wh) * 3600 / dt_s
        self.power_w = int(min(heat_w, room_w) / self.performance)
        self.stored_wh += (self.power_w * self.performance - self.demand_w) * dt_s / 3600
        self.count(self.power_w, dt_s)

    def reboot(self) -> None:
        self.contact_a = self.contact_b = False  # relays open without power

    def _wanted_heat_w(self) -> float:
        if self.contact_a and not self.contact_b:
            return 0.0  # blocked
        if self.contact_a:
            return self.rated_w * self.performance  # forced
        if self.contact_b:
            missing = 0.95 * self.capacity_wh - self.stored_wh
            return self.demand_w + missing / 0.5  # boost: fill the store within half an hour
        return self.demand_w + (0.5 * self.capacity_wh - self.stored_wh) / 2.0
