"""From what is known live of a community to what the step looks at. What is not known is left out, and said.

A site is unknown without a fresh reading of its one grid meter, of each of its phases where a fuse is watched, and while
the broker is away. A device is unknown without a fresh reading of its own; of batteries all of a site or none are steered,
for one that does what nobody here knows would be chased by the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from energy.alerts.facts import Facts
from energy.balancing.cars import Wish, need_w, wish_of
from energy.balancing.machines import MachineWish, machine_of
from energy.balancing.now import (
    PHASES,
    Battery,
    Charger,
    CommunityNow,
    Decision,
    HeatPump,
    Inverter,
    Lamps,
    Limits,
    Machine,
    Phases,
    Rates,
    SiteNow,
    Standing,
)
from energy.balancing.settings import PHASE_V, Steer
from energy.community import Device, Site
from energy.hours import within
from energy.metering import SiteEnergy
from energy.names import device_id
from energy.plausibility import sun_elevation_deg
from energy.quantities import Role
from energy.quarters import QUARTER_MS, quarter_start
from energy.reasons import say

__all__ = ["Guidance", "Held", "has_car", "look"]

_Unit = Battery | Charger | HeatPump | Inverter | Lamps | Machine
_Kind = TypeVar("_Kind")
_ON_THEIR_OWN: Final = frozenset({Role.LIGHTING, Role.LOAD})  # they need not know what the site does
_NO_CAR: Final = frozenset({"A", "A1", "A2", "disconnected", "available", "not ready", "starting"})
_DRAWS_W: Final = 50.0
_AMPS: Final = 0.5
_NO_TIME_LEFT: Final = 0.9  # of its highest power, that a car needs from now on: prices no longer count
_PER_HOUR: Final = 4  # quarter-hours


@dataclass(frozen=True, slots=True)
class Guidance:
    """What a plan tells the balancer. `values`: by battery, what one more kWh is worth at rising charge, EUR/kWh. `cars_w`: by
    charger, what its car is to get now. `starts_ms`: by machine, when it is to begin.
    """

    values: Mapping[str, Sequence[float]] = field(default_factory=dict)
    grid_target_w: float | None = None
    peak_target_w: Mapping[str, float] = field(default_factory=dict)
    cars_w: Mapping[str, float] = field(default_factory=dict)
    starts_ms: Mapping[str, int] = field(default_factory=dict)

    def value(self, device: str, fill: float) -> float | None:
        """The value of one more kWh when `fill` of what it may use is stored; None: not planned."""
        curve = self.values.get(device)
        return None if not curve else curve[min(len(curve) - 1, max(0, int(fill * len(curve))))]


@dataclass(frozen=True, slots=True)
class Held:
    """What the balancer knows of its own leases and of those of others. Times: `_s` monotonic, `_ms` UTC.

    `taken`: by device, why it is not ours now, in a sentence. `changed_ms`: by site, when a lease last changed. `delivered_wh`: by charger,
    what its car got so far. `wishes`: by charger, what a person said of its car; `machines`: by machine, its run. `max_age_s`: an older reading says nothing about now, however slowly its device is polled.
    """

    now_s: float
    standing: Mapping[str, Standing] = field(default_factory=dict)
    taken: Mapping[str, str] = field(default_factory=dict)
    changed_ms: Mapping[str, int] = field(default_factory=dict)
    rest_until_s: Mapping[str, float] = field(default_factory=dict)
    delivered_wh: Mapping[str, float] = field(default_factory=dict)
    wishes: Mapping[str, Wish] = field(default_factory=dict)
    machines: Mapping[str, MachineWish] = field(default_factory=dict)
    quarters: Mapping[str, SiteEnergy | None] = field(default_factory=dict)
    max_age_s: float = 60.0


def look(facts: Facts, held: Held, rates: Rates, guidance: Guidance) -> tuple[CommunityNow, tuple[Decision, ...]]:
    """What the step looks at, and the decisions that need none: devices of which too little is known, or that others have."""
    sites, apart = [], []
    for site in facts.community.sites:
        if any(device.steer is not None for device in site.devices):
            seen = _Site(site, facts, held, guidance)
            sites.append(seen.now())
            apart += seen.apart
        else:
            sites.append(_bystander(site, facts))
    now = CommunityNow(
        now_s=held.now_s,
        left_s=(quarter_start(facts.now) + QUARTER_MS - facts.now) / 1000,
        sites=tuple(sites),
        rates=rates,
        unshared_wh=_unshared_wh(facts, held),
        grid_target_w=guidance.grid_target_w,
        priority=facts.community.balancer.priority,
        margin=facts.community.balancer.margin_pct / 100,
    )
    return now, tuple(apart)


def has_car(state: str | None, power_w: float) -> bool:
    """Whether a car is plugged in; a charger that does not tell is taken to have one."""
    return power_w > _DRAWS_W or state is None or state.strip(" \0") not in _NO_CAR


def _bystander(site: Site, facts: Facts) -> SiteNow:
    """A site where nothing is steered: what it takes or gives is part of the pool."""
    flows = facts.flows(site) if facts.connected else None
    if flows is None or flows.grid_w is None:
        return SiteNow(site.id, unknown=say("grid_unknown", name=site.name))
    return SiteNow(site.id, grid_w=flows.grid_w)


class _Site:
    """One site while it is looked at."""

    def __init__(self, site: Site, facts: Facts, held: Held, guidance: Guidance) -> None:
        self.apart: list[Decision] = []
        self._site = site
        self._facts = facts
        self._held = held
        self._guidance = guidance
        self._read_ms: list[int] = []
        self._phases: tuple[int, ...] = PHASES

    def now(self) -> SiteNow:
        """The site, with everything of it that can be steered now."""
        site, facts = self._site, self._facts
        limits = Limits(site.fuse_a, site.import_limit_w, site.export_limit_w, self._peak_w())
        grids = [device for device in site.devices if device.role is Role.GRID]
        values = self._values(grids[0]) if len(grids) == 1 else {}
        grid_w, amps = _number(values, "power_w"), _amps(values)
        why = self._unknown(grids, grid_w, amps, limits)
        if amps:
            self._phases = PHASES[: len(amps)]
        units = [
            unit for device in site.devices if device.steer is not None and (unit := self._unit(device)) is not None
        ]
        if why is not None or grid_w is None:
            self.apart = [each for each in self.apart if each.device in self._held.taken]
            steered = [device for device in site.devices if device.steer and device.role not in _ON_THEIR_OWN]
            taken = self._held.taken
            names = [device_id(site.id, device.id) for device in steered]
            self.apart += [Decision(name, None, why or "") for name in names if name not in taken]
            return SiteNow(site.id, unknown=why, lamps=_all(Lamps, units), machines=_all(Machine, units))
        changed_ms = self._held.changed_ms.get(site.id, 0)
        return SiteNow(
            id=site.id,
            grid_w=grid_w,
            amps=amps,
            quarter_w=self._quarter_w(values),
            limits=limits,
            batteries=self._batteries(units),
            chargers=_all(Charger, units),
            heat_pumps=_all(HeatPump, units),
            inverters=_all(Inverter, units),
            lamps=_all(Lamps, units),
            machines=_all(Machine, units),
            settled=min(self._read_ms) >= changed_ms + 1000 * facts.community.balancer.settle_s,
        )

    def _peak_w(self) -> float | None:
        target_w = self._guidance.peak_target_w.get(self._site.id)
        own_w = self._site.peak_limit_w
        return own_w if target_w is None else target_w if own_w is None else min(own_w, target_w)

    def _unknown(
        self, grids: list[Device], grid_w: float | None, amps: tuple[float, ...], limits: Limits
    ) -> str | None:
        if not self._facts.connected:
            return say("broker_away")
        if len(grids) != 1:
            return say("grid_meters", name=self._site.name, count=len(grids))
        name = device_id(self._site.id, grids[0].id)
        if grid_w is None:
            return say("grid_silent", name=name)
        if limits.fuse_a is not None and not amps:
            return say("no_phases", name=name)
        return None

    def _values(self, device: Device) -> Mapping[str, float | int | str]:
        """What a device says, when it is fresh enough to act upon."""
        values = self._facts.values(self._site, device)
        seen = self._facts.devices.get(device_id(self._site.id, device.id))
        if not values or seen is None or self._facts.now - seen.t > 1000 * self._held.max_age_s:
            return {}
        self._read_ms.append(seen.t)
        return values

    def _quarter_w(self, values: Mapping[str, float | int | str]) -> float | None:
        """Energy drawn in this quarter-hour over its full length: as the meter tells it, else from its counter."""
        told_w = _number(values, "quarter_demand_w")
        if told_w is not None:
            before = self._read_ms[0] < quarter_start(self._facts.now)
            return 0.0 if before else told_w  # what it said of the quarter-hour before says nothing of this one
        energy = self._held.quarters.get(self._site.id)
        return None if energy is None or energy.import_wh is None else _PER_HOUR * energy.import_wh

    def _unit(self, device: Device) -> _Unit | None:
        name, steer = device_id(self._site.id, device.id), device.steer
        assert steer is not None
        if name in self._held.taken:
            self.apart.append(Decision(name, None, self._held.taken[name]))
            return None
        if device.role is Role.LIGHTING:
            return self._lamps(name, device, steer)
        if device.role is Role.LOAD:
            return self._machine(name, steer)
        return self._powered(name, device, steer)

    def _powered(self, name: str, device: Device, steer: Steer) -> Battery | Charger | HeatPump | Inverter | None:
        values = self._values(device)
        power_w = _number(values, "power_w")
        if power_w is None:
            self.apart.append(Decision(name, None, say("silent", name=name)))
            return None
        wired = tuple(phase - 1 for phase in steer.wired if phase - 1 in self._phases) or self._phases
        low_w, high_w = steer.bounds(device.role, device.rated_w)
        standing = self._held.standing.get(name)
        match device.role:
            case Role.BATTERY:
                return self._battery(name, steer, (low_w, high_w), values, wired)
            case Role.EV:
                return self._charger(name, steer, high_w, values, wired)
            case Role.HEAT_PUMP:
                rest_s = self._held.rest_until_s.get(name, -1e18)
                return HeatPump(name, power_w, device.rated_w or high_w, rest_s, wired, standing)
            case _:
                return Inverter(name, max(0.0, power_w), high_w, wired, standing)

    def _battery(
        self,
        name: str,
        steer: Steer,
        bounds_w: tuple[float, float],
        values: Mapping[str, float | int | str],
        wired: tuple[int, ...],
    ) -> Battery | None:
        power_w, soc_pct = _number(values, "power_w"), _number(values, "soc_pct")
        if power_w is None or soc_pct is None:
            self.apart.append(Decision(name, None, say("no_charge", name=name)))
            return None
        return Battery(
            name,
            power_w,
            soc_pct,
            *bounds_w,
            soc_min_pct=steer.soc_min_pct,
            soc_max_pct=steer.soc_max_pct,
            efficiency=steer.round_trip_efficiency**0.5,
            wear=steer.wear_eur_kwh,
            value=self._guidance.value(name, (soc_pct - steer.soc_min_pct) / (steer.soc_max_pct - steer.soc_min_pct)),
            wired=wired,
            standing=self._held.standing.get(name),
        )

    def _machine(self, name: str, steer: Steer) -> Machine:
        standing = self._held.standing.get(name)
        return machine_of(
            name,
            steer.parts,
            self._held.machines.get(name),
            self._facts.now,
            self._facts.community.timezone,
            planned_ms=self._guidance.starts_ms.get(name),
            wired=tuple(phase - 1 for phase in steer.wired if phase - 1 in self._phases) or self._phases,
            standing=str(standing.value) if standing is not None else None,
        )

    def _batteries(self, units: list[_Unit]) -> tuple[Battery, ...]:
        """All of the site's that are steered, or none of them."""
        found = _all(Battery, units)
        ours = [device_id(self._site.id, d.id) for d in self._site.devices if d.steer and d.role is Role.BATTERY]
        missing = [name for name in ours if name not in {*self._held.taken, *(unit.id for unit in found)}]
        if not missing:
            return found
        why = say("chased", name=missing[0])
        self.apart += [Decision(unit.id, None, why) for unit in found]
        return ()

    def _charger(
        self, name: str, steer: Steer, high_w: float, values: Mapping[str, float | int | str], wired: tuple[int, ...]
    ) -> Charger:
        power_w = _number(values, "power_w") or 0.0
        state = values.get("state")
        car = has_car(state if isinstance(state, str) else None, power_w)
        need, planned = self._need(name, steer, high_w) if car else (None, False)
        return Charger(
            name,
            power_w,
            _drawn(values, power_w, wired),
            high_w,
            least_a=steer.least_a,
            wired=wired,
            one_phase=steer.one_phase,
            surplus_only=steer.charge != "at_once",
            need_w=need,
            planned=planned,
            car=car,
            standing=self._held.standing.get(name),
        )

    def _need(self, name: str, steer: Steer, high_w: float) -> tuple[float | None, bool]:
        """The power its car needs now, None without a deadline, and whether that is the plan's."""
        if steer.charge not in {"by_deadline", "by_price"}:
            return None, False
        wish = wish_of(steer, self._facts.now, self._facts.community.timezone, self._held.wishes.get(name))
        if wish is None:
            return None, False
        needed_w = need_w(wish, self._held.delivered_wh.get(name, 0.0), self._facts.now)
        planned_w = self._guidance.cars_w.get(name) if steer.charge == "by_price" else None
        if planned_w is None or needed_w >= _NO_TIME_LEFT * high_w:
            return needed_w, False
        return planned_w, True

    def _lamps(self, name: str, device: Device, steer: Steer) -> Lamps | None:
        site, standing = self._site, self._held.standing.get(name)
        _, high_w = steer.bounds(device.role, device.rated_w)
        if site.latitude is None or site.longitude is None:
            self.apart.append(Decision(name, None, say("no_place", name=site.name)))
            return None
        height_deg = sun_elevation_deg(self._facts.now, site.latitude, site.longitude)
        if height_deg >= steer.on_below_deg:
            why = say("lamps_off", degrees=f"{steer.on_below_deg:g}")
            return Lamps(name, high_w, 0.0, why, steer.switch, standing)
        timezone = self._facts.community.timezone
        if steer.dim_pct < 100 and within(self._facts.now, timezone, steer.dim_from, steer.dim_until):
            begin, end = f"{steer.dim_from:%H:%M}", f"{steer.dim_until:%H:%M}"
            why = say("lamps_dimmed", pct=f"{steer.dim_pct:g}", begin=begin, end=end)
            return Lamps(name, high_w, steer.dim_pct / 100, why, steer.switch, standing)
        why = say("lamps_on", degrees=f"{steer.on_below_deg:g}")
        return Lamps(name, high_w, 1.0, why, steer.switch, standing)


def _all(kind: type[_Kind], units: Sequence[object]) -> tuple[_Kind, ...]:
    return tuple(unit for unit in units if isinstance(unit, kind))


def _unshared_wh(facts: Facts, held: Held) -> float | None:
    """What the community injected minus what it withdrew in this quarter-hour; None: not known of every site."""
    total_wh = 0.0
    for site in facts.community.sites:
        energy = held.quarters.get(site.id)
        if energy is None or energy.import_wh is None or energy.export_wh is None:
            return None
        total_wh += energy.export_wh - energy.import_wh
    return total_wh


def _number(values: Mapping[str, float | int | str], quantity: str) -> float | None:
    value = values.get(quantity)
    return float(value) if isinstance(value, int | float) else None


def _amps(values: Mapping[str, float | int | str]) -> tuple[float, ...]:
    """Signed currents of the meter's phases; empty with a phase missing between others. Meters tell amounts."""
    found: list[float] = []
    whole_w = _number(values, "power_w")
    for phase in (1, 2, 3):
        amps = _number(values, f"current_l{phase}_a")
        if amps is None:
            continue
        if len(found) != phase - 1:
            return ()
        power_w = _number(values, f"power_l{phase}_w")
        power_w = whole_w if power_w is None else power_w
        found.append(-abs(amps) if power_w is not None and power_w < 0 else abs(amps))
    return tuple(found)


def _drawn(values: Mapping[str, float | int | str], power_w: float, wired: tuple[int, ...]) -> Phases:
    """What a charger draws from each phase of the grid: its own L1 is on the first of `wired`."""
    told = [_number(values, f"current_l{place}_a") for place in range(1, len(wired) + 1)]
    amps = [0.0, 0.0, 0.0]
    for phase, current in zip(wired, told, strict=True):
        even = power_w / (len(wired) * PHASE_V)
        amps[phase] = even if current is None else current if current >= _AMPS else 0.0
    return amps[0], amps[1], amps[2]
