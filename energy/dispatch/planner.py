"""From scenarios to a plan: peak targets from the linear program, then the value of stored energy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from energy.dispatch.balancer import follow_value
from energy.dispatch.capacity import MonthPeaks
from energy.dispatch.fleet import Tanks
from energy.dispatch.peak_value import PeakRecursion, PeakValue
from energy.dispatch.program import Ints, PeakRule, Program, SharingSites
from energy.dispatch.storage import Floats
from energy.dispatch.value import CELLS, Prices, value_of_energy

__all__ = ["Outlook", "Plan", "Planner"]

_OVER: Final = 0.1
"""What a kWh above the peak target costs, as part of a kW's price, where sites of a pool pay for what they share.

A storage spreads an excess over about ten hours near the peak, so a kWh shaved lowers the peak by a tenth of a kW.
Chosen in closed loop on four months; docs/dispatch.md.
"""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is known and expected from the present step on. Steps after the end of time have price 0.

    `net_kw` (meters, scenarios, steps) load minus PV; `buy_eur_kwh`, `sell_eur_kwh` (meters, steps).
    `billed_kw` (meters): peak of the month so far; `peaks`: what else is known of peaks, None: nothing. `ends`: nothing is worth anything after the last step.
    `fee_eur_kwh` (steps): the meters are sites of one pool with the same prices, which pay this for what they share; of
    `billed_kw` the first is then the pool's.
    """

    net_kw: Floats
    buy_eur_kwh: Floats
    sell_eur_kwh: Floats
    billed_kw: Floats
    ends: bool = False
    fee_eur_kwh: Floats | None = None
    peaks: MonthPeaks | None = None

    def prices_at(self, meter: int) -> tuple[Floats, Floats]:
        """What a meter pays and earns (steps), for what is planned at it alone.

        At a site of a pool what the others are expected to have left costs the feed-in price and the fee, and what they
        need earns the import price less the fee.
        """
        buy, sell = self.buy_eur_kwh[meter], self.sell_eur_kwh[meter]
        if self.fee_eur_kwh is None:
            return buy, sell
        expected = self.net_kw.mean(axis=1)
        others = expected.sum(axis=0) - expected[meter]
        fee = np.minimum(self.fee_eur_kwh, np.maximum(buy - sell, 0.0))
        return np.where(others < 0, np.minimum(sell, buy) + fee, buy), np.where(others > 0, buy - fee, sell)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the balancer follows: value of the energy in store after the present step, and the peak target.

    `value_eur_kwh` (tanks, CELLS) and `planned_kw` (tanks), the power planned for the present step. Per meter:
    `peak_target_kw`, `over_eur_kwh` that import above it costs more, and the present step's prices. `fee_eur_kwh`: of a
    shared kWh now, where the meters are sites of a pool, and `expected_kw` (meters) their mean; the peak target is then the pool's.
    """

    tanks: Tanks
    value_eur_kwh: Floats
    planned_kw: Floats
    peak_target_kw: Floats
    over_eur_kwh: Floats
    buy_eur_kwh: Floats
    sell_eur_kwh: Floats
    fee_eur_kwh: float | None = None
    expected_kw: Floats | None = None
    peak_value: PeakValue | None = None

    def battery_kw(self, net_kw: Floats, energy_kwh: Floats, hours: float) -> Floats:
        """The balancer's step: power per tank, charging positive, for the present net load of each meter.

        Tanks behind one meter act one after the other; each sees what those before it do and those after it plan.
        """
        if self.fee_eur_kwh is not None:
            return self._shared_kw(net_kw, energy_kwh, hours)
        power = self.planned_kw.copy()
        grid = net_kw + self.tanks.at_meters(power)
        for turn in self.tanks.turns:
            meter, storage = self.tanks.meter_of[turn], self.tanks.storage.select(turn)
            rest, buy, sell = grid[meter] - power[turn], self.buy_eur_kwh[meter], self.sell_eur_kwh[meter]
            if self.peak_value is not None:
                acting, _ = self.peak_value.select(turn).act(rest, buy, sell, storage, energy_kwh[turn], hours)
            else:
                prices = Prices(buy[:, None], sell[:, None], self.over_eur_kwh[None, meter, None])
                ceilings, value = self.peak_target_kw[None, meter], self.value_eur_kwh[turn]
                acting = follow_value(rest, prices, ceilings, value, storage, energy_kwh[turn], hours)
            grid[meter] += acting - power[turn]
            power[turn] = acting
        return power

    def _shared_kw(self, net_kw: Floats, energy_kwh: Floats, hours: float) -> Floats:
        """In a pool that pays for what it shares: all take their parts of what was not expected, then each what is left."""
        tanks, every = self.tanks, np.arange(len(energy_kwh))
        own, part = _shares(tanks)
        planned, expected = self.planned_kw, self.expected_kw
        assert expected is not None
        at_sites = (expected + tanks.at_meters(planned))[tanks.meter_of] - planned
        surprise = net_kw - expected
        pool = expected.sum() + planned.sum() - planned + part * surprise.sum()
        power = self._following(every, at_sites + own * surprise[tanks.meter_of], pool, energy_kwh, hours)
        grid = net_kw + tanks.at_meters(power)
        for tank in every:
            one = every[tank : tank + 1]
            at = tanks.meter_of[tank]
            site, pool = grid[at] - power[tank], grid.sum() - power[tank]
            acting = self._following(one, np.full(1, site), np.full(1, pool), energy_kwh, hours)
            grid[at] += acting[0] - power[tank]
            power[tank] = acting[0]
        return power

    def _following(self, which: Ints, site_kw: Floats, pool_kw: Floats, energy_kwh: Floats, hours: float) -> Floats:
        """The powers of some tanks for the net loads of site and pool that they see."""
        meter = self.tanks.meter_of[which]
        fee = np.full((len(which), 1), self.fee_eur_kwh)
        prices = Prices(
            self.buy_eur_kwh[meter, None], self.sell_eur_kwh[meter, None], self.over_eur_kwh[None, meter, None], fee
        )
        ceilings = self.peak_target_kw[None, meter]
        storage = self.tanks.storage.select(which)
        value = self.value_eur_kwh[which]
        return follow_value(site_kw, prices, ceilings, value, storage, energy_kwh[which], hours, pool_kw)

    def value_now(self, energy_kwh: Floats) -> Floats:
        """The value of the energy at the present fill level, per tank."""
        fill = energy_kwh / np.maximum(self.tanks.storage.capacity_kwh, 1e-9)
        cell = np.clip((fill * CELLS).astype(np.int64), 0, CELLS - 1)
        return np.asarray(self.value_eur_kwh[np.arange(len(cell)), cell])


def _shares(tanks: Tanks) -> tuple[Floats, Floats]:
    """Each tank's part, by capacity, of what its site needs, and of what all do."""
    capacity = tanks.storage.capacity_kwh
    at_site, at_all = tanks.at_meters(capacity)[tanks.meter_of], np.full(len(capacity), capacity.sum())
    own, part = (
        np.divide(capacity, total, out=np.zeros(len(capacity)), where=total > 0) for total in (at_site, at_all)
    )
    return own, part


class Planner:
    """Plans for meters with any tanks. Keeps a warm program per meter where peaks cost or tanks act together.

    `sharing`: the meters are sites of one pool; its outlooks have a fee.
    """

    def __init__(
        self, tanks: Tanks, steps: int, hours: float, peak_rate_eur_kw: float = 0.0, *, sharing: bool = False
    ) -> None:
        self._tanks = tanks
        self._hours = hours
        self._rate = peak_rate_eur_kw
        rule = None
        if peak_rate_eur_kw > 0:
            alone = np.zeros(steps, dtype=np.int64)
            rule = PeakRule(np.arange(steps), alone, np.array([peak_rate_eur_kw]), np.zeros(1))
        self._pool = None
        if sharing and len(tanks.meter_of):
            sites = SharingSites(tanks.meters, tanks.meter_of)
            self._pool = Program(tanks.storage, steps, hours, rule, sites=sites)
        self._programs = {
            meter: Program(tanks.storage.select(behind), steps, hours, rule)
            for meter, behind in enumerate(tanks.behind)
            if not sharing and len(behind) > 1
        }
        self._recursion = PeakRecursion(tanks.storage, hours, peak_rate_eur_kw) if rule and not sharing else None

    def plan(self, outlook: Outlook, energy_kwh: Floats) -> Plan:
        """The plan for the present step from the energy in each tank."""
        if outlook.fee_eur_kwh is not None:
            return self._plan_pool(outlook, outlook.fee_eur_kwh, energy_kwh)
        planned = self._schedules(outlook, energy_kwh)
        meter_of, storage = self._tanks.meter_of, self._tanks.storage
        later = outlook.net_kw[meter_of, :, 1:] + self._others(planned)[:, None, 1:]
        if self._recursion is not None and len(meter_of):
            return self._plan_peaks(self._recursion, outlook, energy_kwh, planned, later)
        buy, sell = outlook.buy_eur_kwh[meter_of, 1:], outlook.sell_eur_kwh[meter_of, 1:]
        value = value_of_energy(
            later,
            Prices(buy, sell, np.zeros((0, *buy.shape))),
            np.zeros((0, *later.shape)),
            storage,
            self._hours,
            np.repeat(self._end_value(outlook)[:, None], CELLS, axis=1),
        )
        return self._plan_of(outlook, value, planned, np.full(self._tanks.meters, np.inf))

    def _plan_of(
        self, outlook: Outlook, value: Floats, planned: Floats, target: Floats, peak_value: PeakValue | None = None
    ) -> Plan:
        prices_now = outlook.buy_eur_kwh[:, 0], outlook.sell_eur_kwh[:, 0]
        over = np.zeros(self._tanks.meters)
        return Plan(self._tanks, value, planned[:, 0], target, over, *prices_now, peak_value=peak_value)

    def _plan_peaks(
        self, recursion: PeakRecursion, outlook: Outlook, energy_kwh: Floats, planned: Floats, later: Floats
    ) -> Plan:
        """The cost to come by peak and energy; as value and target, what it comes to for the net load that is expected now."""
        meter_of, storage = self._tanks.meter_of, self._tanks.storage
        buy, sell = outlook.buy_eur_kwh[meter_of], outlook.sell_eur_kwh[meter_of]
        peaks = outlook.peaks
        if peaks is None:
            peaks = MonthPeaks(outlook.billed_kw, outlook.net_kw.shape[2], np.zeros((0, self._tanks.meters)))
        found = recursion.value(later, buy[:, 1:], sell[:, 1:], self._end_value(outlook), peaks.at(meter_of))
        expected = outlook.net_kw[meter_of, :, 0].mean(axis=1) + self._others(planned)[:, 0]
        power, level = found.act(expected, buy[:, 0], sell[:, 0], storage, energy_kwh, self._hours)
        target = np.full(self._tanks.meters, np.inf)
        kept = found.levels_kw[np.arange(len(level)), level]
        target[meter_of] = np.maximum(kept, expected + power)
        value = np.minimum.accumulate(found.curve(level, storage), axis=1)  # the width of levels leaves bumps
        return self._plan_of(outlook, value, planned, target, found)

    def _plan_pool(self, outlook: Outlook, fee: Floats, energy_kwh: Floats) -> Plan:
        """Each tank's value: it sees the others as planned, and of what scenarios change its part by capacity."""
        tanks, meters = self._tanks, self._tanks.meters
        planned, target = self._pool_schedule(outlook, fee, energy_kwh)
        own, part = _shares(tanks)
        later = outlook.net_kw[:, :, 1:]
        over = np.full(meters, _OVER * self._rate)
        buy, sell = outlook.buy_eur_kwh[tanks.meter_of, 1:], outlook.sell_eur_kwh[tanks.meter_of, 1:]
        prices = Prices(
            buy,
            sell,
            np.broadcast_to(over[None, tanks.meter_of, None], (1, *buy.shape)),
            np.tile(fee[1:], (len(buy), 1)),
        )
        mean = outlook.net_kw.mean(axis=1)[:, 1:]
        others_here = self._others(planned)[:, None, 1:]
        others = (planned.sum(axis=0) - planned)[:, None, 1:]
        changed = later - mean[:, None]
        site_kw = mean[tanks.meter_of][:, None] + others_here + own[:, None, None] * changed[tanks.meter_of]
        pool_kw = mean.sum(axis=0) + others + part[:, None, None] * changed.sum(axis=0)
        value = value_of_energy(
            site_kw,
            prices,
            np.broadcast_to(target, (1, *site_kw.shape)),
            tanks.storage,
            self._hours,
            np.repeat(self._end_value(outlook)[:, None], CELLS, axis=1),
            pool_kw=pool_kw,
        )
        targets = np.full(meters, target)
        prices_now = outlook.buy_eur_kwh[:, 0], outlook.sell_eur_kwh[:, 0]
        return Plan(
            tanks, value, planned[:, 0], targets, over, *prices_now, float(fee[0]), outlook.net_kw.mean(axis=1)[:, 0]
        )

    def _pool_schedule(self, outlook: Outlook, fee: Floats, energy_kwh: Floats) -> tuple[Floats, float]:
        """Powers of the tanks (tanks, steps) for the mean of the scenarios, and the peak, infinite where it is free."""
        if self._pool is None:
            return np.zeros((len(energy_kwh), outlook.net_kw.shape[2])), np.inf
        if self._rate:
            self._pool.set_billed_peaks(outlook.billed_kw[:1])
        buy, sell = outlook.buy_eur_kwh[0], outlook.sell_eur_kwh[0]
        ends = float(self._end_value(outlook).mean())
        found = self._pool.solve(outlook.net_kw.mean(axis=1), buy, sell, energy_kwh, ends, fee)
        return found.battery_kw, float(found.peak_kw[0]) if self._rate else np.inf

    def _schedules(self, outlook: Outlook, energy_kwh: Floats) -> Floats:
        """Planned powers (tanks, steps) where tanks act together, else 0."""
        planned = np.zeros((len(energy_kwh), outlook.net_kw.shape[2]))
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
            planned[behind] = schedule.battery_kw
        return planned

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
