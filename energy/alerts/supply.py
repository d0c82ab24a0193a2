"""Voltage, phases, fuse, connection, quarter-hour peak, and a battery that does as it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from energy.alerts.effects import grid_change_w
from energy.alerts.facts import Facts
from energy.alerts.rules import BatteryNotFollowing, QuarterPeak
from energy.alerts.subjects import VOLTAGE_S
from energy.community import Device, Site
from energy.names import device_id
from energy.quantities import Role, total
from energy.quarters import QUARTER_MS, quarter_start

__all__ = ["astray_pct", "connection_pct", "fuse_pct", "phases_missing", "quarter_peak_pct", "voltage_rms"]

_PHASES: Final = (1, 2, 3)
_NOMINAL_V: Final = 230.0
_DEAD_V: Final = 50.0  # a phase that a single-phase meter does not have reads near zero
_LEAST_VALUES: Final = 8  # fewer in ten minutes are no ten-minute mean
_DEAD_SHARE: Final = 0.05
_PRODUCING: Final = 0.2  # of the nameplate power: below, phases may differ
_PRODUCING_W: Final = 500.0
_LEAST_SET_W: Final = 200.0  # what a battery regulates to anyway


def voltage_rms(site: Site, device: Device, facts: Facts, pick: Callable[[Iterable[float]], float]) -> float | None:
    """The highest or lowest phase's rms voltage over ten minutes, V; phases that do not exist are left out."""
    name = device_id(site.id, device.id)
    found = []
    for phase in _PHASES:
        stretch = facts.stretch(name, f"voltage_l{phase}_v", VOLTAGE_S, device.interval_s)
        if stretch is not None and stretch.count >= _LEAST_VALUES and stretch.rms > _DEAD_V:
            found.append(stretch.rms)
    return pick(found) if found else None


def phases_missing(site: Site, device: Device, facts: Facts) -> float | None:
    """1 when one of three phases is dead and the others are not, 0 when all live, None when it cannot be told.

    Two dead phases look like a single-phase meter, so they are not counted.
    """
    volts = _phases(site, device, facts, "voltage_l{}_v")
    missing = None if volts is None else _dead_phases(volts, 0.5 * max(volts))
    if device.role is Role.PV and missing in {0.0, None}:
        power = facts.number(site, device, "power_w")
        amps = _phases(site, device, facts, "current_l{}_a")
        producing = _PRODUCING * device.rated_w if device.rated_w else _PRODUCING_W
        if power is not None and amps is not None and power > producing:
            return _dead_phases(amps, _DEAD_SHARE * max(amps))
    return missing


def fuse_pct(site: Site, facts: Facts, own: Mapping[str, float]) -> float | None:
    """The fullest phase's current without our own actions, % of the main fuse."""
    grids = [device for device in site.devices if device.role is Role.GRID]
    if site.fuse_a is None or len(grids) != 1:
        return None
    values = facts.values(site, grids[0])
    amps = _known_phases(values)
    if amps is None:
        return None
    change_a = grid_change_w(site, own) / (len(amps) * _NOMINAL_V)
    return 100.0 * max(abs(amp - change_a) for amp in amps) / site.fuse_a


def connection_pct(site: Site, facts: Facts, own: Mapping[str, float]) -> float | None:
    """The grid's power without our own actions, % of the limit in its direction."""
    flows = facts.flows(site)
    if flows is None or flows.grid_w is None:
        return None
    grid_w = flows.grid_w - grid_change_w(site, own)
    limit_w = site.import_limit_w if grid_w >= 0 else site.export_limit_w
    return 0.0 if limit_w is None else 100.0 * abs(grid_w) / limit_w


def quarter_peak_pct(rule: QuarterPeak, site: Site, facts: Facts, own: Mapping[str, float]) -> float | None:
    """Where the running quarter-hour ends if we let go now, % of the peak to keep.

    `quarter_demand_w` is the energy drawn since the quarter-hour began over its full length, as a Belgian meter tells it.
    """
    grids = [device for device in site.devices if device.role is Role.GRID]
    drawn_w = total(facts.number(site, device, "quarter_demand_w") for device in grids)
    power_w = total(facts.number(site, device, "power_w") for device in grids)
    times = [seen.t for device in grids if (seen := facts.devices.get(device_id(site.id, device.id)))]
    peak_w = site.peak_limit_w or _month_peak_w(rule, site, grids, facts)
    if drawn_w is None or power_w is None or peak_w is None or not times:
        return None
    begin = quarter_start(facts.now)
    if min(times) < begin:  # what a meter said of the quarter-hour before says nothing of this one
        drawn_w, left = 0.0, 1.0
    else:
        left = (begin + QUARTER_MS - min(times)) / QUARTER_MS
    ahead_w = max(0.0, power_w - grid_change_w(site, own)) * left
    return 100.0 * (drawn_w + ahead_w) / peak_w


def astray_pct(rule: BatteryNotFollowing, site: Site, device: Device, facts: Facts) -> float | None:
    """How far a battery is from what a lease set, % of it; 0 without a lease or when it need not follow."""
    setpoint = facts.setpoints.get(device_id(site.id, device.id))
    if setpoint is None:
        return 0.0
    power_w, soc = facts.number(site, device, "power_w"), facts.number(site, device, "soc_pct")
    seen = facts.devices.get(device_id(site.id, device.id))
    if power_w is None or seen is None or seen.t - setpoint.since < 1000 * rule.settle_s:
        return None
    if soc is not None and (
        (setpoint.power_w < 0 and soc >= rule.full_pct) or (setpoint.power_w > 0 and soc <= rule.empty_pct)
    ):
        return 0.0
    return 100.0 * abs(power_w - setpoint.power_w) / max(abs(setpoint.power_w), _LEAST_SET_W)


def _phases(site: Site, device: Device, facts: Facts, pattern: str) -> list[float] | None:
    """All three, as amounts; None when one is not known."""
    found = [facts.number(site, device, pattern.format(phase)) for phase in _PHASES]
    return None if None in found else [abs(value) for value in found if value is not None]


def _dead_phases(amounts: list[float], below: float) -> float | None:
    dead = sum(amount < below for amount in amounts)
    return float(dead) if dead <= 1 and max(amounts) > 0 else None


def _known_phases(values: Mapping[str, float | int | str]) -> list[float] | None:
    """Currents of the phases with the sign of their power; None with a phase missing between others."""
    amps: list[float] = []
    whole = values.get("power_w")
    for phase in _PHASES:
        amp, power = values.get(f"current_l{phase}_a"), values.get(f"power_l{phase}_w", whole)
        if isinstance(amp, int | float):
            if len(amps) != phase - 1:
                return None
            amps.append(-abs(amp) if isinstance(power, int | float) and power < 0 else abs(amp))
    return amps or None


def _month_peak_w(rule: QuarterPeak, site: Site, grids: list[Device], facts: Facts) -> float | None:
    peak_w = total(facts.number(site, device, "month_peak_w") for device in grids)
    return None if peak_w is None else max(rule.floor_w, peak_w)
