"""Tasks that run once between two times (a washing machine, a dishwasher, a boiler): start now, or wait?

All tasks behind a meter are planned with its batteries (seen as one) by the linear program, each as parts of starts. A
part of a start is no start: where the program would start a task now in part or wholly, the task is put at each of its
starts in turn, the others as they may, and the cheapest decides; of equal ones the first. At its last start a task starts, so every task runs once and ends in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from energy.dispatch.program import Ints, MeterOutlook, PeakRule, Program, TaskTable
from energy.dispatch.storage import Floats, Storage
from energy.errors import RefusedError

__all__ = ["ShiftPlan", "ShiftPlanner", "Task", "profile_kw", "task_table"]

_NEGLIGIBLE: Final = 0.01


@dataclass(frozen=True, slots=True)
class Task:
    """`power_kw`: mean of each step from its start on. It may start from step `first` to step `last`, 0 being now."""

    power_kw: Floats
    first: int
    last: int

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.last:
            raise RefusedError("a task's last start may not be before its first, nor the first in the past")
        if not len(self.power_kw):
            raise RefusedError("a task runs for a step at least")


@dataclass(frozen=True, slots=True)
class ShiftPlan:
    """`now`: which tasks start in the present step. `waiting_kw` (steps): what the others are expected to draw.

    `likely`: the step of the largest part of each, 0 for those that start now.
    """

    now: tuple[bool, ...]
    waiting_kw: Floats
    likely: tuple[int, ...] = ()


class ShiftPlanner:
    """Decides over the tasks behind one meter. `storage`: its batteries as one; `peak_rate_eur_kw`: of the month's peak."""

    def __init__(self, storage: Storage, steps: int, hours: float, peak_rate_eur_kw: float = 0.0) -> None:
        self._storage = storage
        self._steps = steps
        self._hours = hours
        self._rate = peak_rate_eur_kw

    def plan(self, tasks: Sequence[Task], outlook: MeterOutlook) -> ShiftPlan:
        """`tasks`: those not started yet; of `outlook` the net load contains those that run."""
        if not tasks:
            return ShiftPlan((), np.zeros(self._steps))
        table = task_table(tasks, self._steps)
        program = Program(self._storage, self._steps, self._hours, self._peaks(outlook), tasks=table)
        decided = np.full(len(table.task), np.nan)
        started = self._solve(program, outlook)[1]
        for number in range(len(tasks)):
            of_task = np.flatnonzero(table.task == number)
            now = table.start[of_task[0]] == 0 and started[of_task[0]] > _NEGLIGIBLE
            if now and len(of_task) > 1:
                started = self._best_start(program, outlook, decided, of_task)
        now = np.zeros(len(tasks), dtype=bool)
        now[table.task[(table.start == 0) & (started > 1 - _NEGLIGIBLE)]] = True
        likely = [int(table.start[of[np.argmax(started[of])]]) for of in _entries(table, len(tasks))]
        waiting = self._waiting_kw(table, np.where(now[table.task], 0.0, started))
        return ShiftPlan(tuple(now.tolist()), waiting, tuple(likely))

    def _best_start(self, program: Program, outlook: MeterOutlook, decided: Floats, of_task: Ints) -> Floats:
        """Puts a task at each of its starts, keeps the cheapest in `decided`; what is started then."""
        best, cheapest, found = int(of_task[0]), np.inf, np.zeros(0)
        for entry in of_task:
            decided[of_task] = of_task == entry
            program.fix_starts(decided)
            cost, started = self._solve(program, outlook)
            if cost < cheapest:
                best, cheapest, found = int(entry), cost, started
        decided[of_task] = of_task == best
        program.fix_starts(decided)
        return found

    def _solve(self, program: Program, outlook: MeterOutlook) -> tuple[float, Floats]:
        worth = max(0.0, float(outlook.buy_eur_kwh.mean() + outlook.sell_eur_kwh.mean()) / 2)
        solved = program.solve(
            outlook.net_kw, outlook.buy_eur_kwh, outlook.sell_eur_kwh, outlook.stored_kwh, end_value=worth
        )
        return solved.cost_eur, solved.started

    def _waiting_kw(self, table: TaskTable, started: Floats) -> Floats:
        expected = np.zeros(self._steps)
        for task, start, part in zip(table.task, table.start, started, strict=True):
            power = table.power_kw[task][: max(0, self._steps - start)]
            expected[start : start + len(power)] += part * power
        return expected

    def _peaks(self, outlook: MeterOutlook) -> PeakRule | None:
        if self._rate == 0:
            return None
        alone = np.zeros(self._steps, dtype=np.int64)
        return PeakRule(np.arange(self._steps), alone, np.array([self._rate]), np.array([outlook.billed_kw]))


def _entries(table: TaskTable, tasks: int) -> list[Ints]:
    return [np.flatnonzero(table.task == number) for number in range(tasks)]


def task_table(tasks: Sequence[Task], steps: int) -> TaskTable:
    """All starts in which each task ends within `steps`; where it ends in none, its first."""
    starts = []
    for task in tasks:
        last = min(task.last, steps - len(task.power_kw))
        starts.append(np.arange(task.first, max(last, task.first) + 1))
    numbers = np.repeat(np.arange(len(tasks)), [len(each) for each in starts])
    return TaskTable(numbers, np.concatenate(starts), tuple(task.power_kw for task in tasks))


def profile_kw(parts: Sequence[tuple[float, float]], hours: float) -> Floats:
    """The mean power of each step from a start at its beginning. `parts`: (minutes, W) one after the other."""
    ends_h = np.cumsum([0.0, *(minutes / 60 for minutes, _ in parts)])
    energy_kwh = np.cumsum([0.0, *(minutes / 60 * watts / 1000 for minutes, watts in parts)])
    steps = max(1, int(np.ceil(ends_h[-1] / hours - 1e-9)))
    at = np.interp(np.arange(steps + 1) * hours, ends_h, energy_kwh)
    return np.asarray(np.diff(at) / hours)
