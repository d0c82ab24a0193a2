"""Quantities, roles, quality and the one sign rule.

Signs (docs/decisions/002-one-sign-rule.md): grid + import, - export; pv + production; battery + discharge, - charge;
every consumer + consumption. So at every site and instant: consumption = grid + pv + battery.

A device's counters are told from the AC bus of the site: `energy_import_wh` is what the device took from the bus
(grid: what the site took from the grid), `energy_export_wh` what it delivered to the bus (grid: to the grid).
A PV inverter counts its production in `energy_export_wh`, a battery charges into `energy_import_wh`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["GAUGES", "QUANTITIES", "Kind", "Quality", "Quantity", "Role", "rank", "total", "worst"]


class Role(StrEnum):
    """What a device is to its site."""

    GRID = "grid"
    PV = "pv"
    BATTERY = "battery"
    EV = "ev"
    HEAT_PUMP = "heat_pump"
    LIGHTING = "lighting"
    LOAD = "load"

    @classmethod
    def from_device_name(cls, name: str) -> Role | None:
        """The role a device name such as `pv`, `pv-2` or `heat_pump_roof` announces; None when it announces none."""
        for role in cls:
            if name == role or name.startswith((f"{role}-", f"{role}_")):
                return role
        return None


class Quality(StrEnum):
    """How far a value can be trusted. Ordered: measured is best, missing is worst."""

    MEASURED = "measured"
    ESTIMATED = "estimated"
    MISSING = "missing"


_RANK: Final = {Quality.MEASURED: 0, Quality.ESTIMATED: 1, Quality.MISSING: 2}


def rank(quality: Quality) -> int:
    """0 for the best; the larger, the less a value can be trusted."""
    return _RANK[quality]


def worst(*qualities: Quality) -> Quality:
    """The worst of `qualities`; measured when there is none: a sum of nothing is known."""
    return max(qualities, key=_RANK.__getitem__, default=Quality.MEASURED)


def total(values: Iterable[float | None]) -> float | None:
    """The sum of `values`, None as soon as one of them is unknown: never silently too low."""
    result = 0.0
    for value in values:
        if value is None:
            return None
        result += value
    return result


class Kind(StrEnum):
    """How a quantity behaves over time, which decides how it is aggregated."""

    GAUGE = "gauge"  # mean over an interval
    COUNTER = "counter"  # only ever grows; energy is its difference
    TEXT = "text"  # last value


@dataclass(frozen=True, slots=True)
class Quantity:
    """A quantity of the wire and the store: its unit and the values that are physically possible."""

    name: str
    unit: str
    kind: Kind
    low: float = float("-inf")
    high: float = float("inf")


_POWER = 1e9  # 1 GW: no municipal roof, meter or feeder comes near; larger is a decoding error


def _phases(pattern: str, unit: str, low: float, high: float) -> list[Quantity]:
    return [Quantity(pattern.format(n), unit, Kind.GAUGE, low, high) for n in (1, 2, 3)]


QUANTITIES: Final[dict[str, Quantity]] = {
    quantity.name: quantity
    for quantity in [
        Quantity("power_w", "W", Kind.GAUGE, -_POWER, _POWER),
        *_phases("power_l{}_w", "W", -_POWER, _POWER),
        Quantity("reactive_power_var", "var", Kind.GAUGE, -_POWER, _POWER),
        Quantity("apparent_power_va", "VA", Kind.GAUGE, -_POWER, _POWER),
        Quantity("power_factor", "", Kind.GAUGE, -1.0, 1.0),
        *_phases("voltage_l{}_v", "V", 0.0, 100_000.0),
        *_phases("current_l{}_a", "A", -100_000.0, 100_000.0),
        Quantity("frequency_hz", "Hz", Kind.GAUGE, 0.0, 100.0),
        Quantity("energy_import_wh", "Wh", Kind.COUNTER, 0.0, 1e15),
        Quantity("energy_export_wh", "Wh", Kind.COUNTER, 0.0, 1e15),
        Quantity("dc_power_w", "W", Kind.GAUGE, -_POWER, _POWER),
        Quantity("dc_voltage_v", "V", Kind.GAUGE, 0.0, 10_000.0),
        Quantity("dc_current_a", "A", Kind.GAUGE, -100_000.0, 100_000.0),
        Quantity("soc_pct", "%", Kind.GAUGE, 0.0, 100.0),
        Quantity("soh_pct", "%", Kind.GAUGE, 0.0, 110.0),
        Quantity("temperature_c", "°C", Kind.GAUGE, -60.0, 200.0),
        Quantity("state", "", Kind.TEXT),
        Quantity("quarter_demand_w", "W", Kind.GAUGE, 0.0, _POWER),
        Quantity("month_peak_w", "W", Kind.GAUGE, 0.0, _POWER),
        Quantity("gas_m3", "m³", Kind.COUNTER, 0.0, 1e12),
        Quantity("water_m3", "m³", Kind.COUNTER, 0.0, 1e12),
        Quantity("heat_wh", "Wh", Kind.COUNTER, 0.0, 1e15),
        Quantity("irradiance_wm2", "W/m²", Kind.GAUGE, -20.0, 2_000.0),
    ]
}

GAUGES: Final = frozenset(name for name, quantity in QUANTITIES.items() if quantity.kind is Kind.GAUGE)
