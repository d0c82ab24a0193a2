"""Batteries and the meters they stand behind: one power per meter becomes one power per battery."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from energy.dispatch.storage import Battery, Floats, Storage, split_power

__all__ = ["Fleet", "Tanks", "alike", "tanks_of"]

Ints = npt.NDArray[np.int64]


class Fleet:
    """`batteries[n]` stands behind meter `meter_of[n]`. Energies and powers of batteries are arrays in that order."""

    def __init__(self, batteries: Sequence[Battery], meter_of: Sequence[int], meters: int) -> None:
        self.batteries = tuple(batteries)
        self.units = Storage.behind([[battery] for battery in batteries])
        self.meter_of = tuple(meter_of)
        self._meter_of = np.array(meter_of, dtype=np.int64)
        self._meters = meters
        behind: list[list[Battery]] = [[] for _ in range(meters)]
        for battery, meter in zip(batteries, meter_of, strict=True):
            behind[meter].append(battery)
        self.storage = Storage.behind(behind)
        self._single = len(batteries) == len(set(meter_of))
        self._members = [np.flatnonzero(self._meter_of == meter) for meter in range(meters)]

    def behind(self, meter: int) -> list[int]:
        """Numbers of the batteries behind a meter."""
        return [int(number) for number in self._members[meter]]

    def at_meters(self, of_batteries: Floats) -> Floats:
        """The sum behind each meter."""
        sums = np.bincount(self._meter_of, weights=of_batteries, minlength=self._meters)
        return np.asarray(sums, dtype=np.float64)

    def each_step_at_meters(self, of_batteries: Floats) -> Floats:
        """The sums behind each meter of (steps, batteries): (steps, meters)."""
        sums = np.zeros((len(of_batteries), self._meters))
        for number, meter in enumerate(self._meter_of):
            sums[:, meter] += of_batteries[:, number]
        return sums

    def divide(self, meter_power_kw: Floats, energy_kwh: Floats, hours: float) -> Floats:
        """Powers of the batteries, charging positive, within their limits, that come nearest to those of the meters."""
        if not self.batteries:
            return np.zeros(0)
        if self._single:
            return self.units.within_limits(meter_power_kw[self._meter_of], energy_kwh, hours)
        power = np.zeros(len(self.batteries))
        for meter, units in enumerate(self._members):
            if len(units):
                part = self.units.select(units)
                power[units] = split_power(float(meter_power_kw[meter]), part, energy_kwh[units], hours)
        return power


class Tanks:
    """Storages and the meters they stand behind. A tank is a battery, or several that act exactly as one."""

    def __init__(self, storage: Storage, meter_of: Ints, meters: int) -> None:
        self.storage = storage
        self.meter_of = meter_of
        self.meters = meters
        self.behind = [np.flatnonzero(meter_of == meter) for meter in range(meters)]
        most = max((len(tanks) for tanks in self.behind), default=0)
        self.turns = [np.array([tanks[turn] for tanks in self.behind if len(tanks) > turn]) for turn in range(most)]

    def at_meters(self, of_tanks: Floats) -> Floats:
        """The sum behind each meter."""
        return np.asarray(np.bincount(self.meter_of, weights=of_tanks, minlength=self.meters), dtype=np.float64)


def tanks_of(batteries: Sequence[Battery], meter_of: Sequence[int], meters: int) -> tuple[Tanks, Fleet]:
    """The fewest tanks that the batteries behind each meter act as, and the batteries as a fleet behind the tanks."""
    tank_of = np.zeros(len(batteries), dtype=np.int64)
    tank_meters: list[int] = []
    for meter in range(meters):
        members = [number for number, of in enumerate(meter_of) if of == meter]
        for group in alike([batteries[number] for number in members]):
            tank_of[[members[place] for place in group]] = len(tank_meters)
            tank_meters.append(meter)
    fleet = Fleet(batteries, tank_of.tolist(), len(tank_meters))
    return Tanks(fleet.storage, np.array(tank_meters, dtype=np.int64), meters), fleet


def alike(batteries: Sequence[Battery]) -> list[list[int]]:
    """Groups of batteries that act exactly as one: same efficiencies, wear and hours from empty to full."""
    groups: dict[tuple[float, ...], list[int]] = defaultdict(list)
    for number, battery in enumerate(batteries):
        if battery.capacity_kwh:
            groups[_kind(battery)].append(number)
    return list(groups.values())


def _kind(battery: Battery) -> tuple[float, ...]:
    hours = (battery.charge_kw / battery.capacity_kwh, battery.discharge_kw / battery.capacity_kwh)
    losses = (battery.charge_efficiency, battery.discharge_efficiency, battery.wear_eur_kwh)
    return tuple(round(value, 9) for value in (*hours, *losses))
