"""Batteries behind meters: limits, losses, and several batteries seen as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from energy.errors import RefusedError

__all__ = ["Battery", "Floats", "Storage", "split_power"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Battery:
    """One battery. Powers at the AC bus, energy in the cells; wear is per kWh taken out of the cells."""

    capacity_kwh: float
    charge_kw: float
    discharge_kw: float
    charge_efficiency: float = 1.0
    discharge_efficiency: float = 1.0
    wear_eur_kwh: float = 0.0

    def __post_init__(self) -> None:
        if min(self.capacity_kwh, self.charge_kw, self.discharge_kw, self.wear_eur_kwh) < 0:
            raise RefusedError("a battery's capacity, powers and wear may not be negative")
        if not (0 < self.charge_efficiency <= 1 and 0 < self.discharge_efficiency <= 1):
            raise RefusedError("an efficiency lies above 0 and up to 1")


@dataclass(frozen=True, slots=True)
class Storage:
    """What can be stored behind each meter: arrays with one entry per meter, 0 kWh where there is no battery."""

    capacity_kwh: Floats
    charge_kw: Floats
    discharge_kw: Floats
    charge_efficiency: Floats
    discharge_efficiency: Floats
    wear_eur_kwh: Floats

    @classmethod
    def behind(cls, meters: Sequence[Sequence[Battery]]) -> Storage:
        """The batteries behind each meter as one each.

        Exact when they have the same efficiencies, wear and hours from empty to full; else powers add up and losses
        and wear are the means by capacity, which a merit order that keeps fill levels equal comes close to.
        """
        table = np.array([_one_battery(batteries) for batteries in meters], dtype=np.float64).reshape(-1, 6)
        return cls(*np.ascontiguousarray(table.T))

    def select(self, which: npt.NDArray[np.int64]) -> Storage:
        """The storage of some of the meters."""
        return Storage(
            self.capacity_kwh[which],
            self.charge_kw[which],
            self.discharge_kw[which],
            self.charge_efficiency[which],
            self.discharge_efficiency[which],
            self.wear_eur_kwh[which],
        )

    def stored_kwh(self, power_kw: Floats, hours: float) -> Floats:
        """Energy that reaches the cells (negative: leaves them) for a bus power, charging positive."""
        charged = np.maximum(power_kw, 0.0) * self.charge_efficiency
        discharged = np.minimum(power_kw, 0.0) / self.discharge_efficiency
        return np.asarray((charged + discharged) * hours)

    def power_kw(self, stored_kwh: Floats, hours: float) -> Floats:
        """The bus power, charging positive, that changes the cells' energy by `stored_kwh`."""
        charging = np.maximum(stored_kwh, 0.0) / self.charge_efficiency
        discharging = np.minimum(stored_kwh, 0.0) * self.discharge_efficiency
        return np.asarray((charging + discharging) / hours)

    def within_limits(self, power_kw: Floats, energy_kwh: Floats, hours: float) -> Floats:
        """The power nearest to `power_kw` that power limits and the energy in the cells allow for `hours`."""
        most = np.minimum(self.charge_kw, self.power_kw(np.maximum(self.capacity_kwh - energy_kwh, 0.0), hours))
        least = np.maximum(-self.discharge_kw, self.power_kw(-np.maximum(energy_kwh, 0.0), hours))
        return np.clip(power_kw, least, most)


def _one_battery(batteries: Sequence[Battery]) -> tuple[float, ...]:
    capacity = sum(battery.capacity_kwh for battery in batteries)

    def mean(values: Sequence[float], empty: float) -> float:
        if not capacity:
            return empty
        weighted = zip(values, batteries, strict=True)
        return sum(value * battery.capacity_kwh for value, battery in weighted) / capacity

    return (
        capacity,
        sum(battery.charge_kw for battery in batteries if battery.capacity_kwh),
        sum(battery.discharge_kw for battery in batteries if battery.capacity_kwh),
        mean([battery.charge_efficiency for battery in batteries], 1.0),
        mean([battery.discharge_efficiency for battery in batteries], 1.0),
        mean([battery.wear_eur_kwh for battery in batteries], 0.0),
    )


def split_power(total_kw: float, batteries: Storage, energy_kwh: Floats, hours: float) -> Floats:
    """Divides a bus power (charging positive) over batteries so that their fill levels approach each other.

    Gives what the batteries together can do when that is less than `total_kw`.
    """
    if total_kw == 0 or not batteries.capacity_kwh.any():
        return np.zeros_like(energy_kwh)
    # Power is monotone in the fill level aimed at, so bisection finds the level that gives `total_kw`.
    low, high = 0.0, 1.0
    for _ in range(40):
        level = (low + high) / 2
        if _towards(level, total_kw, batteries, energy_kwh, hours).sum() < total_kw:
            low = level
        else:
            high = level
    return _towards(high if total_kw > 0 else low, total_kw, batteries, energy_kwh, hours)


def _towards(level: float, total_kw: float, batteries: Storage, energy_kwh: Floats, hours: float) -> Floats:
    wanted = batteries.power_kw(level * batteries.capacity_kwh - energy_kwh, hours)
    one_way = np.maximum(wanted, 0.0) if total_kw > 0 else np.minimum(wanted, 0.0)
    return batteries.within_limits(one_way, energy_kwh, hours)
