"""The linear program of one meter with any number of batteries, solved by HiGHS and kept warm between solves.

For steps t of h hours and batteries b, all powers at the bus and at least 0:

    minimise   sum_t h (buy_t import_t - sell_t export_t + penalty excess_t) + sum_bt h wear_b / eff_b discharge_bt
               + sum_m rate_m peak_m - sum_b end_value energy_bT - sum_ct h worth_c chance_ct drawn_ct
    balance    import_t - export_t - sum_b charge_bt + sum_b discharge_bt - sum_c chance_ct drawn_ct
               - sum_ks power_k,t-s started_ks = net_t
    storage    energy_bt - energy_b,t-1 - h eff_b charge_bt + h / eff_b discharge_bt = 0,   energy_b0 given
    peak       mean of import over each metering interval of month m <= peak_m,             peak_m >= billed already
    limit      import_t - excess_t <= limit
    cars       sum_t h drawn_ct <= energy_c,     drawn_ct <= most_ct,     sum_c chance_ct drawn_ct <= limit of the hub
    tasks      sum_s started_ks = 1,             started_ks from 0 to 1: parts of a start, a relaxation

Where what the sites i of a pool share costs a fee, each site has its own balance, import and export, and

    minimise   sum_t h (buy_t sum_i import_it - sell_t sum_i export_it - (buy_t - sell_t - fee_t) shared_t) + ...
    shared     shared_t <= sum_i import_it,      shared_t <= sum_i export_it
    peak       of sum_i import_it - shared_t, what the pool takes from outside; the limit too

The limit is soft, the energy at the start is brought within the capacity, and imports are unbounded: there is always
a plan. The dual of the first storage row is the value of stored energy.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Final

import highspy
import numpy as np
import numpy.typing as npt

from energy.dispatch.storage import Floats, Storage
from energy.errors import RefusedError

__all__ = [
    "CarTable",
    "Ints",
    "MeterOutlook",
    "PeakRule",
    "Program",
    "Schedule",
    "SharingSites",
    "TaskTable",
    "shared_kw",
]

_EXCESS_EUR_KWH: Final = 10.0  # dearer than any energy, so a limit is kept when it can be kept
_PERTURBED: Final = 5.0  # of HiGHS's own: many hours cost the same; 200 batteries take a fifth less, docs/dispatch.md
_LATER_EUR: Final = 1e-6  # a step later; of starts that cost the same the first is taken

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PeakRule:
    """How peaks cost: `block` groups steps into metering intervals, `month` says which peak a step counts for.

    `rate_eur_kw` is the price of each month's peak, `billed_kw` the part that is paid whatever happens.
    """

    block: Ints
    month: Ints
    rate_eur_kw: Floats
    billed_kw: Floats


@dataclass(frozen=True, slots=True)
class CarTable:
    """Cars that may be charged: an entry per car and step in which it can be there, ordered by car.

    `car`, `step`, `most_kw` (mean power over the step, at most) and `chance` (that the car is there, for power is only
    drawn then) have one value per entry; `energy_kwh`, `worth_eur_kwh` (of a kWh in the car) and `hub` one per car.
    `limit_kw`: of all cars of each hub together, infinite where there is none.
    """

    car: Ints
    step: Ints
    most_kw: Floats
    chance: Floats
    energy_kwh: Floats
    worth_eur_kwh: Floats
    hub: Ints
    limit_kw: Floats


@dataclass(frozen=True, slots=True)
class TaskTable:
    """Tasks that run once: an entry per task and step in which it may start, ordered by task.

    `power_kw`: of each task, mean of each step from its start on; what lies after the last step is not seen.
    """

    task: Ints
    start: Ints
    power_kw: tuple[Floats, ...]


_NONE: Final = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class SharingSites:
    """Sites of a pool that pay for what they share: how many, and the site of each battery, hub of cars and task."""

    count: int
    of_battery: Ints
    of_hub: Ints = field(default_factory=lambda: _NONE)
    of_task: Ints = field(default_factory=lambda: _NONE)


@dataclass(frozen=True, slots=True)
class MeterOutlook:
    """What the plan of one meter knows from the present step on: (steps), without what is yet to be planned."""

    net_kw: Floats
    buy_eur_kwh: Floats
    sell_eur_kwh: Floats
    billed_kw: float
    stored_kwh: Floats


@dataclass(frozen=True, slots=True)
class Schedule:
    """A solved program. Powers in kW per step, `battery_kw` (batteries, steps) charging positive.

    `value_eur_kwh`: what one more kWh in each battery at the start is worth. `drawn_kw`: one per entry of the cars;
    `started`: one per entry of the tasks. `grid_kw` is the pool's where sites share, `site_kw` (sites, steps) theirs.
    """

    cost_eur: float
    grid_kw: Floats
    battery_kw: Floats
    energy_kwh: Floats
    peak_kw: Floats
    value_eur_kwh: Floats
    drawn_kw: Floats
    started: Floats
    site_kw: Floats


def shared_kw(site_kw: Floats) -> Floats:
    """What sites share in each step: the lesser of what they feed in and what they take. `site_kw` (sites, steps)."""
    return np.asarray(np.minimum(np.maximum(site_kw, 0.0).sum(axis=0), np.maximum(-site_kw, 0.0).sum(axis=0)))


class Program:
    """One meter's program, or one pool's, over a fixed number of steps. Only costs and bounds change between solves."""

    def __init__(
        self,
        storage: Storage,
        steps: int,
        hours: float,
        peaks: PeakRule | None = None,
        limit_kw: float | None = None,
        cars: CarTable | None = None,
        tasks: TaskTable | None = None,
        sites: SharingSites | None = None,
    ) -> None:
        self._storage = storage
        self._cars = cars
        self._tasks = tasks
        self._sites = sites
        self._places = sites.count if sites else 1
        self._steps = steps
        self._hours = hours
        self._peaks = peaks
        self._count = len(storage.capacity_kwh)
        months = len(peaks.rate_eur_kw) if peaks else 0
        each = self._count * steps
        entries = len(cars.car) if cars else 0, len(tasks.task) if tasks else 0
        grid = self._places * steps
        edges = np.cumsum((0, grid, grid, steps if sites else 0, steps, each, each, each, months, *entries))
        (
            self._import,
            self._export,
            self._shared,
            self._excess,
            self._charge,
            self._discharge,
            self._energy,
            self._peak,
            self._drawn,
            self._started,
        ) = (np.arange(start, end, dtype=np.int32) for start, end in itertools.pairwise(edges))
        self._columns = int(edges[-1])
        self._solver = highspy.Highs()  # type: ignore[no-untyped-call]
        self._solver.setOptionValue("output_flag", "off")
        self._solver.setOptionValue("threads", 1)
        self._solver.setOptionValue("dual_simplex_cost_perturbation_multiplier", _PERTURBED)
        self._solver.passModel(self._model(limit_kw))

    def solve(
        self,
        net_kw: Floats,
        buy: Floats,
        sell: Floats,
        energy_kwh: Floats,
        end_value: float = 0.0,
        fee: Floats | None = None,
    ) -> Schedule:
        """The cheapest schedule for a net load and prices, EUR/kWh, per step, from the energy in each battery.

        `net_kw` (sites, steps) where sites share; `fee`: of a shared kWh in each step.
        """
        solver, steps = self._solver, self._steps
        net = np.ascontiguousarray(net_kw, dtype=np.float64).ravel()
        rows = np.arange(len(net), dtype=np.int32)
        solver.changeRowsBounds(len(net), rows, net, net)  # type: ignore[attr-defined]  # missing in its stub
        start = np.clip(energy_kwh, 0.0, self._storage.capacity_kwh)
        first = (steps * (self._places + np.arange(self._count))).astype(np.int32)
        solver.changeRowsBounds(self._count, first, start, start)  # type: ignore[attr-defined]
        costs = self._costs(buy, sell, end_value, fee)
        solver.changeColsCost(self._columns, np.arange(self._columns, dtype=np.int32), costs)
        solver.run()
        if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:  # warm starts have failed on bad numerics
            solver.clearSolver()
            solver.run()
        return self._schedule(first)

    def set_billed_peaks(self, billed_kw: Floats) -> None:
        """The peaks that are paid already, one per month of the program."""
        count = len(self._peak)
        solver = self._solver
        solver.changeColsBounds(count, self._peak, np.asarray(billed_kw, dtype=float), np.full(count, np.inf))

    def fix_starts(self, started: Floats) -> None:
        """Entries of the tasks that are decided, 0 or 1; NaN: not decided."""
        low, high = np.nan_to_num(started, nan=0.0), np.nan_to_num(started, nan=1.0)
        self._solver.changeColsBounds(len(self._started), self._started, low, high)

    def _schedule(self, first: npt.NDArray[np.int32]) -> Schedule:
        if self._solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            raise RefusedError(
                f"no plan: HiGHS says {self._solver.getModelStatus()}", hint="check prices and net load for NaN"
            )
        solution = self._solver.getSolution()
        values, duals = np.asarray(solution.col_value), np.asarray(solution.row_dual)
        shape = (self._count, self._steps)
        site_kw = (values[self._import] - values[self._export]).reshape(self._places, self._steps)
        return Schedule(
            cost_eur=float(self._solver.getInfo().objective_function_value),
            grid_kw=site_kw.sum(axis=0),
            battery_kw=(values[self._charge] - values[self._discharge]).reshape(shape),
            energy_kwh=values[self._energy].reshape(shape),
            peak_kw=values[self._peak],
            value_eur_kwh=-duals[first],
            drawn_kw=values[self._drawn],
            started=values[self._started],
            site_kw=site_kw,
        )

    def _costs(self, buy: Floats, sell: Floats, end_value: float, fee: Floats | None) -> Floats:
        costs = np.zeros(self._columns)
        sell = np.minimum(sell, buy)  # dearer feed-in would make the program unbounded
        costs[self._import] = np.tile(buy, self._places) * self._hours
        costs[self._export] = -np.tile(sell, self._places) * self._hours
        if self._sites:
            spared = buy - sell - (0.0 if fee is None else fee)
            costs[self._shared] = -np.maximum(spared, 0.0) * self._hours  # who would lose by it does not plan to share
        costs[self._excess] = _EXCESS_EUR_KWH * self._hours
        wear = self._storage.wear_eur_kwh / self._storage.discharge_efficiency * self._hours
        costs[self._discharge] = np.repeat(wear, self._steps)
        costs[self._energy[self._steps - 1 :: self._steps]] = -end_value
        if self._peaks:
            costs[self._peak] = self._peaks.rate_eur_kw
        if self._tasks:
            costs[self._started] = _LATER_EUR * self._tasks.start
        if self._cars:
            costs[self._drawn] = -self._hours * self._cars.chance * self._cars.worth_eur_kwh[self._cars.car]
        return costs

    def _model(self, limit_kw: float | None) -> highspy.HighsLp:
        entries = [*self._balance_entries(), *self._storage_entries()]
        lower = [np.zeros(self._steps * (self._places + self._count))]
        upper = [lower[0].copy()]
        if self._sites:
            entries += self._sharing_entries(sum(map(len, lower)))
            lower.append(np.full(2 * self._steps, -np.inf))
            upper.append(np.zeros(2 * self._steps))
        if limit_kw is not None:
            entries += self._limit_entries(sum(map(len, lower)))
            lower.append(np.full(self._steps, -np.inf))
            upper.append(np.full(self._steps, limit_kw))
        if self._peaks:
            blocks, more = self._peak_entries(sum(map(len, lower)), self._peaks)
            entries += more
            lower.append(np.full(blocks, -np.inf))
            upper.append(np.zeros(blocks))
        if self._cars:
            most, more = self._car_entries(sum(map(len, lower)), self._cars)
            entries += more
            lower.append(np.full(len(most), -np.inf))
            upper.append(most)
        if self._tasks:
            entries += self._task_entries(sum(map(len, lower)), self._tasks)
            lower.append(np.ones(len(self._tasks.power_kw)))
            upper.append(np.ones(len(self._tasks.power_kw)))
        low, high = self._column_bounds()
        return _lp(entries, np.concatenate(lower), np.concatenate(upper), low, high)

    def _balance_entries(self) -> list[_Entries]:
        rows = np.arange(self._places * self._steps)
        steps = np.tile(np.arange(self._steps), self._count)
        all_rows = self._balance(np.repeat(self._sites.of_battery, self._steps), steps) if self._sites else steps
        return [
            (rows, self._import, np.ones(len(rows))),
            (rows, self._export, -np.ones(len(rows))),
            (all_rows, self._charge, -np.ones(len(all_rows))),
            (all_rows, self._discharge, np.ones(len(all_rows))),
        ]

    def _balance(self, site: Ints, step: Ints) -> Ints:
        """The row of the balance of a site in a step."""
        return np.asarray(site * self._steps + step)

    def _sharing_entries(self, start: int) -> list[_Entries]:
        rows = start + np.arange(self._steps)
        of_sites = np.tile(rows, self._places)
        taken, given = (of_sites, self._import), (of_sites + self._steps, self._export)
        return [
            (rows, self._shared, np.ones(self._steps)),
            (rows + self._steps, self._shared, np.ones(self._steps)),
            (*taken, -np.ones(len(of_sites))),
            (*given, -np.ones(len(of_sites))),
        ]

    def _storage_entries(self) -> list[_Entries]:
        rows = self._places * self._steps + np.arange(self._steps * self._count)
        later = np.arange(self._steps * self._count) % self._steps > 0
        into = np.repeat(self._storage.charge_efficiency, self._steps) * self._hours
        out = self._hours / np.repeat(self._storage.discharge_efficiency, self._steps)
        return [
            (rows, self._energy, np.ones(len(rows))),
            (rows[later], self._energy[np.flatnonzero(later) - 1], -np.ones(int(later.sum()))),
            (rows, self._charge, -into),
            (rows, self._discharge, out),
        ]

    def _limit_entries(self, start: int) -> list[_Entries]:
        rows = start + np.arange(self._steps)
        return [*self._taken_entries(rows, np.ones(self._steps)), (rows, self._excess, -np.ones(self._steps))]

    def _taken_entries(self, rows: Ints, parts: Floats) -> list[_Entries]:
        """What is taken from outside in each step, into a row of each step, with its part there."""
        taken = (np.tile(rows, self._places), self._import, np.tile(parts, self._places))
        return [taken, (rows, self._shared, -parts)] if self._sites else [taken]

    def _peak_entries(self, start: int, peaks: PeakRule) -> tuple[int, list[_Entries]]:
        blocks, first, block, sizes = np.unique(peaks.block, return_index=True, return_inverse=True, return_counts=True)
        rows = start + np.arange(len(blocks))
        return len(blocks), [
            *self._taken_entries(start + block, 1.0 / sizes[block]),
            (rows, self._peak[peaks.month[first]], -np.ones(len(blocks))),
        ]

    def _car_entries(self, start: int, cars: CarTable) -> tuple[Floats, list[_Entries]]:
        """Upper bounds of the rows (energy of each car, limit in each step), and the entries; the balance's too."""
        most = cars.energy_kwh
        at = self._sites.of_hub[cars.hub[cars.car]] if self._sites else np.zeros_like(cars.step)
        entries: list[_Entries] = [
            (self._balance(at, cars.step), self._drawn, -cars.chance),
            (start + cars.car, self._drawn, np.full(len(cars.car), self._hours)),
        ]
        if np.isfinite(cars.limit_kw).any():
            rows = start + len(most) + cars.hub[cars.car] * self._steps + cars.step
            entries.append((rows, self._drawn, cars.chance))
            most = np.append(most, np.repeat(cars.limit_kw, self._steps))
        return most, entries

    def _task_entries(self, start: int, tasks: TaskTable) -> list[_Entries]:
        lengths = np.array([len(power) for power in tasks.power_kw], dtype=np.int64)[tasks.task]
        entry = np.repeat(np.arange(len(lengths)), lengths)
        step = tasks.start[entry] + np.arange(len(entry)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        power = np.concatenate([tasks.power_kw[task] for task in tasks.task])
        seen = step < self._steps
        at = self._sites.of_task[tasks.task[entry]] if self._sites else np.zeros_like(step)
        return [
            (self._balance(at, step)[seen], self._started[entry[seen]], -power[seen]),
            (start + tasks.task, self._started, np.ones(len(tasks.task))),
        ]

    def _column_bounds(self) -> tuple[Floats, Floats]:
        low, high = np.zeros(self._columns), np.full(self._columns, np.inf)
        high[self._charge] = np.repeat(self._storage.charge_kw, self._steps)
        high[self._discharge] = np.repeat(self._storage.discharge_kw, self._steps)
        high[self._energy] = np.repeat(self._storage.capacity_kwh, self._steps)
        if self._peaks:
            low[self._peak] = self._peaks.billed_kw
        if self._cars:
            high[self._drawn] = self._cars.most_kw
        high[self._started] = 1.0
        return low, high


_Entries = tuple[npt.NDArray[np.integer], npt.NDArray[np.integer], Floats]


def _lp(entries: list[_Entries], lower: Floats, upper: Floats, low: Floats, high: Floats) -> highspy.HighsLp:
    """The matrix in HiGHS's row-wise form."""
    rows, columns, values = (np.concatenate(parts) for parts in zip(*entries, strict=True))
    order = np.lexsort((columns, rows))
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(low), len(lower)
    lp.col_cost_ = np.zeros(len(low))
    lp.col_lower_, lp.col_upper_ = low, high
    lp.row_lower_, lp.row_upper_ = lower, upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(lower)))]).astype(np.int32)
    lp.a_matrix_.index_ = columns[order].astype(np.int32)
    lp.a_matrix_.value_ = values[order]
    return lp
