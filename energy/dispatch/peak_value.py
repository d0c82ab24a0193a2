"""What stored energy is worth where a month's peak costs: stochastic programming over energy in store and peak so far.

Theory. Where the highest import of a month costs, what may be done next depends on two things: the energy in store and the
peak that has been made. The cost to come C(energy, peak) is convex in both, and goes back one step by

    C_before(e, p) = mean over n of  min over p' >= p of  min over e'  [ cost of the step + C_after(e', p') ]

where n is the net load of the step, which who balances sees when acting, and nothing of what comes after it. That is what the
mean of the scenarios' own values lacks: a scenario knows its peak and buys in the hour before it. Under a ceiling p' the best
e' follows from prices alone, as in `value`: each source or use has a fill level up to which it pays. Where a ceiling cannot be
held, the store gives all that it can, and what is drawn then is the peak.

A peak of the horizon is not yet the month's: raising it costs only when no later day makes it anyway. So at the horizon a kW
counts its price times the chance that the rest of the month stays below, from the highest imports of the last days.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from energy.dispatch.balancer import follow_value
from energy.dispatch.capacity import MonthPeaks
from energy.dispatch.program import Ints
from energy.dispatch.storage import Floats, Storage
from energy.dispatch.value import CELLS, Prices

__all__ = ["PeakRecursion", "PeakValue"]

_FILLS: Final = 21
"""Fill levels at which costs to come are kept; between them they are straight."""

_LEVELS: Final = 18
_BEND: Final = 1.5  # levels of the peak lie denser near the one that has been made

_PARTS: Final = (0.0, 0.25, 0.5, 0.75, 0.9, 0.97, 1.0)
"""The scenarios' net loads of a step count as the means between these quantiles: the high ones make the peaks."""

_WHOLE_H: Final = 6.0
_NEAR_H: Final = 4.0
"""The whole horizon is reckoned anew so often, in between only the next hours: of those the forecast changes."""

_UNBOUND_KW: Final = 1e9
_HELD_EUR_KWH: Final = 1e6  # a ceiling that is held as long as there is energy


@dataclass(frozen=True, slots=True)
class PeakValue:
    """The cost to come after the present step, EUR, by peak and energy: `cost_eur` (tanks, levels, fills).

    `levels_kw` (tanks, levels) rise from the peak so far; fills go from empty to full in equal parts.
    """

    levels_kw: Floats
    cost_eur: Floats

    def select(self, which: Ints) -> PeakValue:
        """Of some of the tanks."""
        return PeakValue(self.levels_kw[which], self.cost_eur[which])

    def from_peak(self, peak_kw: Floats) -> PeakValue:
        """The levels from a peak (tanks) on that has been made since; those below it become it."""
        levels = np.maximum(self.levels_kw, peak_kw[:, None])
        place, part = _between(self.levels_kw, levels)
        tank = np.arange(len(levels))[:, None]
        below, above = self.cost_eur[tank, place], self.cost_eur[tank, place + 1]
        return PeakValue(levels, below + (above - below) * part[..., None])

    def curve(self, level: Ints, storage: Storage) -> Floats:
        """What one more stored kWh is worth at a level of the peak: (tanks, CELLS), EUR/kWh."""
        cost = self.cost_eur[np.arange(len(level)), level]
        fills = cost.shape[1] - 1
        worth = (cost[:, :-1] - cost[:, 1:]) * fills / np.maximum(storage.capacity_kwh, 1e-9)[:, None]
        at = np.clip((np.arange(CELLS) + 0.5) / CELLS * fills - 0.5, 0.0, fills - 1.0)  # between the middles of fills
        place = np.minimum(at.astype(np.int64), fills - 2)
        return np.asarray(worth[:, place] + (worth[:, place + 1] - worth[:, place]) * (at - place))

    def act(
        self, net_kw: Floats, buy: Floats, sell: Floats, storage: Storage, energy_kwh: Floats, hours: float
    ) -> tuple[Floats, Ints]:
        """The cheapest power per tank, charging positive, for the present net load, and the level of the peak that it keeps."""
        tanks, levels = self.levels_kw.shape
        row, level = np.repeat(np.arange(tanks), levels), np.tile(np.arange(levels), tanks)
        stores, net, energy = storage.select(row), net_kw[row], energy_kwh[row]
        sell = np.minimum(sell, buy)
        prices = Prices(buy[row, None], sell[row, None], np.full((1, len(row), 1), _HELD_EUR_KWH))
        curve = self.select(row).curve(level, stores)
        power = follow_value(net, prices, self.levels_kw.reshape(1, -1), curve, stores, energy, hours)
        grid = net + power
        left = np.clip(energy + stores.stored_kwh(power, hours), 0.0, stores.capacity_kwh)
        worn = np.maximum(energy - left, 0.0) * stores.wear_eur_kwh
        cost = hours * np.where(grid > 0, buy[row] * grid, sell[row] * grid) + worn
        cost = (cost + self._cost_at(row, left / np.maximum(stores.capacity_kwh, 1e-9), grid)).reshape(tanks, levels)
        best = cost.argmin(axis=1)
        return power.reshape(tanks, levels)[np.arange(tanks), best], best

    def _cost_at(self, tank: Ints, fill: Floats, grid_kw: Floats) -> Floats:
        """The cost to come where some tanks are so full and draw so much from the grid."""
        place, part = _between(self.levels_kw[tank], np.maximum(grid_kw, self.levels_kw[tank, 0])[:, None])
        place, part = place[:, 0], part[:, 0]
        fills = self.cost_eur.shape[2]
        cell = np.clip((fill * (fills - 1)).astype(np.int64), 0, fills - 2)
        rest = fill * (fills - 1) - cell
        below, above = (
            self.cost_eur[tank, at, cell] * (1 - rest) + self.cost_eur[tank, at, cell + 1] * rest
            for at in (place, place + 1)
        )
        return np.asarray(below + (above - below) * part)


class PeakRecursion:
    """Costs to come of tanks, each behind its meter, step after step. Keeps those of the far hours for a while."""

    def __init__(self, storage: Storage, hours: float, rate_eur_kw: float) -> None:
        self._storage = storage
        self._hours = hours
        self._rate = rate_eur_kw
        self._whole, self._near = max(1, round(_WHOLE_H / hours)), max(1, round(_NEAR_H / hours))
        self._age = self._whole
        self._steps_left = 0
        self._levels = np.zeros((len(storage.capacity_kwh), _LEVELS))
        self._before: list[Floats] = []  # the cost to come before each step of the horizon, and after the last

    def value(self, net_kw: Floats, buy: Floats, sell: Floats, end_value: Floats, peaks: MonthPeaks) -> PeakValue:
        """After the present step. `net_kw` (tanks, scenarios, steps), prices (tanks, steps) of the steps after it; `end_value`
        (tanks) of energy after the last; `peaks` of the meter that each tank is behind.
        """
        self._age += 1
        steps = net_kw.shape[2]
        follows = peaks.steps_left == self._steps_left - 1 and len(self._before) > self._near + 2
        risen = (peaks.so_far_kw > self._levels[:, 2]).any()
        self._steps_left = peaks.steps_left
        if self._age >= self._whole or not follows or risen:
            self._age, first = 0, steps
            highest = _nodes(net_kw).max(axis=(0, 2), initial=0.0)
            self._levels = _levels(peaks.so_far_kw, highest + self._storage.charge_kw)
            self._before = [np.zeros(0)] * steps + [self._at_horizon(end_value, peaks, steps)]
        else:
            del self._before[0]
            first = min(self._near, steps)
        nodes = _nodes(net_kw[:, :, :first])
        next_month = peaks.steps_left - 1
        for step in range(first - 1, -1, -1):
            after = self._month_ends(step + 1, next_month)
            levels = self._levels + (_UNBOUND_KW if step >= next_month else 0.0)
            stage = _Stage(self._storage, self._hours, buy[:, step], np.minimum(sell, buy)[:, step], levels)
            self._before[step] = stage.before(after, nodes[step])
        return PeakValue(self._levels, self._month_ends(0, next_month)).from_peak(peaks.so_far_kw)

    def _month_ends(self, step: int, next_month: int) -> Floats:
        """The cost to come before a step; where the month ends before it, the peak is paid, and the next begins without."""
        cost = self._before[step]
        if step != next_month:
            return cost
        return np.asarray(cost[:, :1] + self._rate * (self._levels - self._levels[:, :1])[:, :, None])

    def _at_horizon(self, end_value: Floats, peaks: MonthPeaks, steps: int) -> Floats:
        stored = np.linspace(0.0, 1.0, _FILLS) * self._storage.capacity_kwh[:, None]
        worth = (end_value[:, None] * stored)[:, None, :]
        if peaks.steps_left <= steps:
            return np.repeat(-worth, _LEVELS, axis=1)
        days = (peaks.steps_left - 1 - steps) * self._hours / 24
        return np.asarray(self._rate * _to_pay(self._levels, peaks.daily_kw, days)[:, :, None] - worth)


@dataclass(frozen=True, slots=True)
class _Stage:
    """One step of the recursion for all tanks. Energies in fills, that is parts of the capacity."""

    storage: Storage
    hours: float
    buy: Floats
    sell: Floats
    levels_kw: Floats

    def before(self, after: Floats, nodes_kw: Floats) -> Floats:
        """The cost to come before the step (tanks, levels, fills). `nodes_kw` (tanks, nodes): what may be needed."""
        net = nodes_kw[:, None, :, None]
        fills = np.arange(_FILLS, dtype=np.float64)
        lowest = np.maximum(fills + self._fills(-self.storage.discharge_kw)[:, None], 0.0)[:, None, None, :]
        filled = self._filled(after, nodes_kw, fills, lowest)
        cost = self._cost(filled, fills, net)
        cost += _along(after, filled)
        forced = nodes_kw[:, :, None] + self._kw(lowest[:, 0] - fills)
        held = forced[:, None] <= self.levels_kw[:, :, None, None]
        given = self._given(after, lowest[:, 0, 0], forced) + self._cost(lowest, fills, net)[:, 0]
        np.copyto(cost, given[:, None], where=~held)
        for level in range(_LEVELS - 2, -1, -1):
            np.minimum(cost[:, level], cost[:, level + 1], out=cost[:, level])
        return np.asarray(np.matmul(np.diff(_PARTS), cost))

    def _filled(self, after: Floats, nodes_kw: Floats, fills: Floats, lowest: Floats) -> Floats:
        """How full it is best to be after the step under each ceiling: (tanks, levels, nodes, fills)."""
        storage, worth = self.storage, (after[:, :, :-1] - after[:, :, 1:]) / self._size()[:, None, None]
        sold, used, stored, bought = (
            (worth > (price + 1e-9)[:, None, None]).sum(axis=2, dtype=np.float64)[:, :, None, None]
            for price in (
                self.sell * storage.discharge_efficiency - storage.wear_eur_kwh,
                self.buy * storage.discharge_efficiency - storage.wear_eur_kwh,
                self.sell / storage.charge_efficiency,
                self.buy / storage.charge_efficiency,
            )
        )
        to_zero = self._fills(np.clip(-nodes_kw, -storage.discharge_kw[:, None], storage.charge_kw[:, None]))
        room = np.minimum(self.levels_kw[:, :, None] - nodes_kw[:, None], storage.charge_kw[:, None, None])
        highest = np.minimum(fills + self._fills(room)[..., None], _FILLS - 1.0)
        given, taken = (part[:, None, :, None] for part in (np.minimum(to_zero, 0.0), np.maximum(to_zero, 0.0)))
        between = np.where(nodes_kw[:, None, :, None] > 0, used, stored)
        filled = np.maximum(np.minimum(sold, fills + given), np.minimum(between, fills + taken))
        np.maximum(filled, bought, out=filled)
        np.minimum(filled, highest, out=filled)
        return np.asarray(np.maximum(filled, lowest, out=filled))

    def _given(self, after: Floats, lowest: Floats, forced_kw: Floats) -> Floats:
        """The cost to come where all is given and so much is drawn from the grid: (tanks, nodes, fills)."""
        at_lowest = _along(after, np.broadcast_to(lowest[:, None, None, :], (*after.shape[:2], 1, _FILLS)))[:, :, 0]
        place, part = _between(self.levels_kw, forced_kw.reshape(len(lowest), -1))
        place, part = place.reshape(forced_kw.shape), part.reshape(forced_kw.shape)
        tank, fill = np.arange(len(lowest))[:, None, None], np.arange(_FILLS)
        below, above = at_lowest[tank, place, fill], at_lowest[tank, place + 1, fill]
        return np.asarray(below + (above - below) * part)

    def _cost(self, filled: Floats, fills: Floats, net_kw: Floats) -> Floats:
        """What the step itself costs."""
        change = filled - fills
        grid = net_kw + self._kw(change)
        prices = (self.hours * price.reshape(-1, 1, 1, 1) for price in (self.buy, self.sell))
        buy, sell = prices
        cost = np.where(grid > 0, buy * grid, sell * grid)
        if self.storage.wear_eur_kwh.any():
            cost -= np.minimum(change, 0.0) * (self.storage.wear_eur_kwh * self._size()).reshape(-1, 1, 1, 1)
        return np.asarray(cost)

    def _size(self) -> Floats:
        return np.asarray(np.maximum(self.storage.capacity_kwh, 1e-9) / (_FILLS - 1))

    def _fills(self, power_kw: Floats) -> Floats:
        """The fills that a bus power changes."""
        shape = (-1,) + (1,) * (power_kw.ndim - 1)
        into, out = self._per_fill()
        return np.asarray(
            np.maximum(power_kw, 0.0) / into.reshape(shape) + np.minimum(power_kw, 0.0) / out.reshape(shape)
        )

    def _kw(self, change: Floats) -> Floats:
        """The bus power that changes so many fills."""
        shape = (-1,) + (1,) * (change.ndim - 1)
        into, out = self._per_fill()
        return np.where(change > 0, change * into.reshape(shape), change * out.reshape(shape))

    def _per_fill(self) -> tuple[Floats, Floats]:
        """The bus power that a fill more, and a fill less, takes and gives."""
        per_hour = self._size() / self.hours
        return per_hour / self.storage.charge_efficiency, per_hour * self.storage.discharge_efficiency


def _along(cost: Floats, fill: Floats) -> Floats:
    """`cost` (tanks, levels, fills) at fills (tanks, levels, nodes, any) between those that are kept."""
    place = np.minimum(fill.astype(np.int32), _FILLS - 2)
    part = fill - place
    place += np.arange(cost.shape[0] * cost.shape[1], dtype=np.int32).reshape(*cost.shape[:2], 1, 1) * _FILLS
    flat = cost.ravel()
    below = flat.take(place)
    place += 1
    part *= flat.take(place) - below
    part += below
    return part


def _between(levels: Floats, value: Floats) -> tuple[Ints, Floats]:
    """The level below each value (tanks, any) and the part of the way to the next; beyond the last it goes on straight."""
    place = np.clip((levels[:, None, :] <= value[:, :, None]).sum(axis=2) - 1, 0, levels.shape[1] - 2)
    tank = np.arange(len(levels))[:, None]
    low, high = levels[tank, place], levels[tank, place + 1]
    return place, np.maximum((value - low) / np.maximum(high - low, 1e-9), 0.0)


def _levels(from_kw: Floats, to_kw: Floats) -> Floats:
    """Peaks from the one so far to what can be made at all."""
    span = np.maximum(to_kw - from_kw, 0.1)
    return np.asarray(from_kw[:, None] + span[:, None] * np.linspace(0.0, 1.0, _LEVELS) ** _BEND)


def _nodes(net_kw: Floats) -> Floats:
    """(steps, tanks, nodes): the means between quantiles of the scenarios (tanks, scenarios, steps)."""
    scenarios = net_kw.shape[1]
    edges, each = np.array(_PARTS) * scenarios, np.arange(scenarios)[:, None]
    weight = np.clip(np.minimum(each + 1, edges[1:]) - np.maximum(each, edges[:-1]), 0.0, None)
    return np.asarray(np.matmul(np.sort(net_kw, axis=1).transpose(2, 0, 1), weight / weight.sum(axis=0)))


def _to_pay(levels: Floats, daily_kw: Floats, days: float) -> Floats:
    """Of each level (tanks, levels) beyond the first, the kW that will have been for nothing: those that the days left of
    the month would not have made anyway, by the highest imports of past days (days, tanks).
    """
    if len(daily_kw) < _FEWEST_DAYS:
        return np.asarray(levels - levels[:, :1])
    fine = np.linspace(0.0, levels.shape[1] - 1.0, _FINE * (levels.shape[1] - 1) + 1)
    at = np.array([np.interp(fine, np.arange(levels.shape[1]), each) for each in levels])
    days_below = (daily_kw.T[:, None, :] <= at[:, :, None]).sum(axis=2)
    chance = ((days_below + 0.5) / (len(daily_kw) + 1)) ** days
    paid = np.cumsum((chance[:, 1:] + chance[:, :-1]) / 2 * np.diff(at, axis=1), axis=1)
    return np.concatenate([np.zeros((len(levels), 1)), paid[:, _FINE - 1 :: _FINE]], axis=1)


_FEWEST_DAYS: Final = 3
_FINE: Final = 8
