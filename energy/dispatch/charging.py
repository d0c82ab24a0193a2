"""Charging cars of which nobody knows when they leave: what waiting risks, the plan of a meter's cars, a power per car.

A car says when it will leave, and many are wrong. So each car's departure is a distribution, learned from past
sessions that were alike (`energy.forecast.stays`). A kWh planned for a later step reaches the car only with the chance that
the car is still there; the program pays for it, and earns what it is worth to the driver, with that chance. Whether
to wait for a cheaper hour follows from that, and needs no rule of its own.

A capacity price is another matter: what the month's peak has to be depends on the cars of the whole month, of which a
plan sees those of now. `PeakLevel` learns it: a part of the peak that charging at once would have made, which rises while
more energy is left unmet than is aimed at, and falls while less is. Up to the level a peak is free, above it dear.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

from energy.dispatch.program import CarTable, Ints, MeterOutlook, PeakRule, Program
from energy.dispatch.storage import Floats, Storage
from energy.forecast.stays import Stays

__all__ = ["Cars", "ChargingPlan", "ChargingPlanner", "PeakLevel", "charge_at_once", "realisable_kw"]

_NEGLIGIBLE: Final = 0.02
"""A chance below which a car counts as gone: keeps the program small."""
_WORTH: Final = 20.0
"""What a kWh in a car is worth to its driver, in mean prices: high, for a missed kWh is a service not given."""
_ABOVE_LEVEL: Final = 10.0
"""How many times a kW's price a kW above the level costs: the level moves by what is missed, not by one busy morning."""


@dataclass(frozen=True, slots=True)
class Cars:
    """The cars plugged in behind one meter, full ones too: an entry each, in order of arrival.

    A charging car draws from `least_kw` (6 A) to `most_kw`, or nothing. `clock_h` is the time of day at which it came,
    `stayed_h` for how long it has been there, `declared_h` the stay that was declared, NaN when none was.
    """

    hub: Ints
    asked_kwh: Floats
    missing_kwh: Floats
    least_kw: Floats
    most_kw: Floats
    clock_h: Floats
    stayed_h: Floats
    declared_h: Floats

    def __len__(self) -> int:
        """How many there are."""
        return len(self.asked_kwh)

    def at_once_kw(self, hours: float) -> float:
        """The mean power of the next step if all had been charged at once since they came."""
        left = np.clip(self.asked_kwh - self.most_kw * self.stayed_h, 0.0, self.most_kw * hours)
        return float(left.sum() / hours)


@dataclass(frozen=True, slots=True)
class ChargingPlan:
    """`car_kw`: for the present step, as the cars can draw it. `expected_kw` (steps): of the cars that are there."""

    car_kw: Floats
    expected_kw: Floats


class PeakLevel:
    """The peak a meter with cars should keep to, learned from what is missed. Both parts without batteries."""

    def __init__(self, steps_per_day: int, aim: float = 0.007, start: float = 0.5, pace: float = 0.007) -> None:
        self._day = steps_per_day
        self._aim = aim
        self._part = start
        self._pace = pace
        self._asked_kwh = 0.0
        self._steps = 0
        self._today = (0.0, 0.0)
        self._days: deque[tuple[float, float]] = deque(maxlen=28)

    def kw(self) -> float:
        """The level now."""
        without, with_cars = np.max([self._today, *self._days], axis=0)
        return float(without + self._part * (with_cars - without))

    def saw(self, net_kw: float, at_once_kw: float) -> None:
        """The meter's net load without cars in a step, and what its cars would have drawn if charged at once."""
        if self._steps and self._steps % self._day == 0:
            self._days.append(self._today)
            self._today = (0.0, 0.0)
        self._today = (max(self._today[0], net_kw), max(self._today[1], net_kw + at_once_kw))
        self._steps += 1

    def left(self, asked_kwh: float, unmet_kwh: float) -> None:
        """A car has left. `unmet_kwh`: what it would have got when charged at once, and did not get."""
        self._asked_kwh += asked_kwh
        each_day = self._asked_kwh / max(self._steps / self._day, 1.0)
        if each_day > 0:
            change = self._pace * (unmet_kwh - self._aim * asked_kwh) / (self._aim * each_day)
            self._part = float(np.clip(self._part + change, 0.1, 1.0))


class ChargingPlanner:
    """Plans the cars behind one meter together with its batteries, its net load and its peak. Learns from those that left.

    `limit_kw`: of each hub (a site's chargers together), infinite where there is none.
    """

    def __init__(
        self, storage: Storage, limit_kw: Floats, steps: int, hours: float, peak_rate_eur_kw: float = 0.0
    ) -> None:
        self._storage = storage
        self._limit_kw = limit_kw
        self._steps = steps
        self._hours = hours
        self._rate = peak_rate_eur_kw
        self._stays = Stays()
        self._level = PeakLevel(round(24 / hours))

    def left(self, clock_h: float, declared_h: float, stayed_h: float, asked_kwh: float, unmet_kwh: float) -> None:
        """A car has left; `unmet_kwh` is what it would have got when charged at once, and did not get."""
        self._stays.update(clock_h, declared_h, stayed_h)
        self._level.left(asked_kwh, unmet_kwh)

    def plan(self, cars: Cars, outlook: MeterOutlook) -> ChargingPlan:
        """The plan for the present step, which is also taken note of: once for each step."""
        self._level.saw(float(outlook.net_kw[0]), cars.at_once_kw(self._hours))
        if not (cars.missing_kwh > 0).any():
            return ChargingPlan(np.zeros(len(cars)), np.zeros(self._steps))
        table = self._table(cars, float(outlook.buy_eur_kwh.mean()))
        program = Program(self._storage, self._steps, self._hours, self._peaks(outlook), cars=table)
        end_value = float(outlook.buy_eur_kwh.mean())
        found = program.solve(outlook.net_kw, outlook.buy_eur_kwh, outlook.sell_eur_kwh, outlook.stored_kwh, end_value)
        now = table.step == 0
        planned = np.zeros(len(cars))
        planned[table.car[now]] = found.drawn_kw[now]
        expected = np.zeros(self._steps)
        np.add.at(expected, table.step, found.drawn_kw * table.chance)
        return ChargingPlan(realisable_kw(cars, planned, self._hours, self._limit_kw), expected)

    def _peaks(self, outlook: MeterOutlook) -> PeakRule | None:
        if self._rate == 0:
            return None
        free = max(outlook.billed_kw, self._level.kw())
        alone = np.zeros(self._steps, dtype=np.int64)
        return PeakRule(np.arange(self._steps), alone, np.array([_ABOVE_LEVEL * self._rate]), np.array([free]))

    def _table(self, cars: Cars, mean_price: float) -> CarTable:
        staying = self._stays.staying(cars.clock_h, cars.declared_h, cars.stayed_h, self._hours, self._steps)
        staying[cars.missing_kwh <= 0] = 0.0
        car, step = np.nonzero(staying > _NEGLIGIBLE)
        worth = np.full(len(cars), _WORTH * max(mean_price, 0.01))
        most, chance = cars.most_kw[car], staying[car, step]
        return CarTable(car, step, most, chance, cars.missing_kwh, worth, cars.hub, self._limit_kw)


def charge_at_once(cars: Cars, limit_kw: Floats) -> Floats:
    """The plain rule: every car as fast as it can, within the limit of its hub those that came first."""
    power = np.where(cars.missing_kwh > 0, cars.most_kw, 0.0)
    for hub, limit in enumerate(limit_kw):
        here = cars.hub == hub
        before = np.cumsum(power[here]) - power[here]
        power[here] = np.clip(limit - before, 0.0, power[here])
    return np.where(power >= cars.least_kw, power, 0.0)


def realisable_kw(cars: Cars, planned_kw: Floats, hours: float, limit_kw: Floats) -> Floats:
    """Powers that cars can draw, nothing or from `least_kw` to `most_kw`, whose sum in each hub is that planned, or less.

    Where less is planned for a car than its least power, the cars with most planned get it and the others nothing.
    What is then left over goes to cars that charge already. A car about to be full draws what it still takes.
    """
    power = np.zeros(len(cars))
    for hub, limit in enumerate(limit_kw):
        here = np.flatnonzero(cars.hub == hub)
        full = cars.missing_kwh[here] / hours
        most, least = np.minimum(cars.most_kw[here], full), np.minimum(cars.least_kw[here], full)
        power[here] = _whole_chargers(np.clip(planned_kw[here], 0.0, most), least, most, float(limit))
    return power


def _whole_chargers(planned: Floats, least: Floats, most: Floats, limit_kw: float) -> Floats:
    left = min(float(planned.sum()), limit_kw)
    power = np.zeros(len(planned))
    order = np.argsort(-planned, kind="stable")
    for car in order:
        if planned[car] > 0 and left >= least[car] - 1e-9:
            power[car] = min(max(planned[car], least[car]), left)
            left -= power[car]
    for car in order:
        if power[car] > 0:
            more = min(most[car] - power[car], left)
            power[car] += more
            left -= more
    return power
