"""From scenarios to a plan: peak targets from the linear program, then the value of stored energy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from energy.dispatch.balancer import follow_value
from energy.dispatch.fleet import Tanks
from energy.dispatch.program import PeakRule, Program
from energy.dispatch.storage import Floats
from energy.dispatch.value import CELLS, Prices, value_of_energy

__all__ = ["Outlook", "Plan", "Planner"]

_OVER: Final = 0.1
"""What a kWh above the peak target costs, as part of a kW's price.

A storage spreads an excess over about ten hours near the peak, so a kWh shaved lowers the peak by a tenth of a kW.
Chosen in closed loop on four months; docs/dispatch.md.
"""

_REFILL_H: Final = 8.0
"""Hours in which energy bought for a peak to come would fill a storage, as the value of stored energy reckons.

A scenario knows its peak beforehand and would buy in the hour before it; nobody who balances knows. Without this, energy
kept for a peak that may come is worth no more than the price. Chosen in closed loop on four months; docs/dispatch.md.
"""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is known and expected from the present step on. Steps after the end of time have price 0.

    `net_kw` (meters, scenarios, steps) load minus PV; `buy_eur_kwh`, `sell_eur_kwh` (meters, steps).
    `billed_kw` (meters): peak of the month so far. `ends`: nothing is worth anything after the last step.
    """

    net_kw: Floats
    buy_eur_kwh: Floats
    sell_eur_kwh: Floats
    billed_kw: Floats
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What the balancer follows: value of the energy in store after the present step, and the peak target.

    `value_eur_kwh` (tanks, CELLS) and `planned_kw` (tanks), the power planned for the present step. Per meter:
    `peak_target_kw`, `over_eur_kwh` that import above it costs more, and the present step's prices.
    """

    tanks: Tanks
    value_eur_kwh: Floats
    planned_kw: Floats
    peak_target_kw: Floats
    over_eur_kwh: Floats
    buy_eur_kwh: Floats
    sell_eur_kwh: Floats

    def battery_kw(self, net_kw: Floats, energy_kwh: Floats, hours: float) -> Floats:
        """The balancer's step: power per tank, charging positive, for the present net load of each meter.

        Tanks behind one meter act one after the other; each sees what those before it do and those after it plan.
        """
        power = self.planned_kw.copy()
        grid = net_kw + self.tanks.at_meters(power)
        for turn in self.tanks.turns:
            meter = self.tanks.meter_of[turn]
            prices = Prices(
                self.buy_eur_kwh[meter, None], self.sell_eur_kwh[meter, None], self.over_eur_kwh[None, meter, None]
            )
            acting = follow_value(
                grid[meter] - power[turn],
                prices,
                self.peak_target_kw[None, meter],
                self.value_eur_kwh[turn],
                self.tanks.storage.select(turn),
                energy_kwh[turn],
                hours,
            )
            grid[meter] += acting - power[turn]
            power[turn] = acting
        return power

    def value_now(self, energy_kwh: Floats) -> Floats:
        """The value of the energy at the present fill level, per tank."""
        fill = energy_kwh / np.maximum(self.tanks.storage.capacity_kwh, 1e-9)
        cell = np.clip((fill * CELLS).astype(np.int64), 0, CELLS - 1)
        return np.asarray(self.value_eur_kwh[np.arange(len(cell)), cell])


class Planner:
    """Plans for meters with any tanks. Keeps a warm program per meter where peaks cost or tanks act together."""

    def __init__(self, tanks: Tanks, steps: int, hours: float, peak_rate_eur_kw: float = 0.0) -> None:
        self._tanks = tanks
        self._hours = hours
        self._rate = peak_rate_eur_kw
        rule = None
        if peak_rate_eur_kw > 0:
            alone = np.zeros(steps, dtype=np.int64)
            rule = PeakRule(np.arange(steps), alone, np.array([peak_rate_eur_kw]), np.zeros(1))
        self._programs = {
            meter: Program(tanks.storage.select(behind), steps, hours, rule)
            for meter, behind in enumerate(tanks.behind)
            if len(behind) > 1 or (rule and len(behind))
        }

    def plan(self, outlook: Outlook, energy_kwh: Floats) -> Plan:
        """The plan for the present step from the energy in each tank."""
        planned, target = self._schedules(outlook, energy_kwh)
        meter_of, storage = self._tanks.meter_of, self._tanks.storage
        others = self._others(planned)
        later = outlook.net_kw[meter_of, :, 1:] + others[:, None, 1:]
        buy, sell = outlook.buy_eur_kwh[meter_of, 1:], outlook.sell_eur_kwh[meter_of, 1:]
        over = np.full(self._tanks.meters, _OVER * self._rate)
        prices = Prices(buy, sell, np.broadcast_to(over[None, meter_of, None], (1, *buy.shape)))
        value = value_of_energy(
            later,
            prices,
            np.broadcast_to(target[None, meter_of, None, None], (1, *later.shape)),
            storage,
            self._hours,
            np.repeat(self._end_value(outlook)[:, None], CELLS, axis=1),
            buying_kw=storage.capacity_kwh / _REFILL_H if self._rate else None,
        )
        prices_now = outlook.buy_eur_kwh[:, 0], outlook.sell_eur_kwh[:, 0]
        return Plan(self._tanks, value, planned[:, 0], target, over, *prices_now)

    def _schedules(self, outlook: Outlook, energy_kwh: Floats) -> tuple[Floats, Floats]:
        """Planned powers (tanks, steps) where tanks act together, else 0; peak target per meter, infinite if free."""
        planned = np.zeros((len(energy_kwh), outlook.net_kw.shape[2]))
        target = np.full(self._tanks.meters, np.inf)
        ends = self._end_value(outlook)
        for meter, program in self._programs.items():
            behind = self._tanks.behind[meter]
            if self._rate:
                program.set_billed_peaks(outlook.billed_kw[meter : meter + 1])
            schedule = program.solve(
                outlook.net_kw[meter].mean(axis=0),
                outlook.buy_eur_kwh[meter],
                outlook.sell_eur_kwh[meter],
                energy_kwh[behind],
                float(ends[behind].mean()),
            )
            if self._rate:
                target[meter] = schedule.peak_kw[0]
            if len(behind) > 1:
                planned[behind] = schedule.battery_kw
        return planned, target

    def _others(self, planned: Floats) -> Floats:
        """What the other tanks behind the same meter plan, for each tank."""
        if not planned.any():
            return planned
        sums = np.zeros((self._tanks.meters, planned.shape[1]))
        np.add.at(sums, self._tanks.meter_of, planned)
        return np.asarray(sums[self._tanks.meter_of] - planned)

    def _end_value(self, outlook: Outlook) -> Floats:
        """What energy in each tank is worth after the horizon: between what it would earn and what it would save."""
        meter_of, storage = self._tanks.meter_of, self._tanks.storage
        if outlook.ends:
            return np.zeros(len(meter_of))
        earned = outlook.sell_eur_kwh.mean(axis=1)[meter_of] / storage.charge_efficiency
        saved = outlook.buy_eur_kwh.mean(axis=1)[meter_of] * storage.discharge_efficiency
        return np.asarray(np.maximum((earned + saved) / 2, 0.0))
