"""The tasks file of `backtest`: one row per run of a machine that may be shifted, every error with its line."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from energy.dispatch.program import TaskTable
from energy.dispatch.shifting import Task, profile_kw, task_table
from energy.dispatch.storage import Floats
from energy.run_profile import Parts, parts_of
from runtime.cells import Cells, open_cells

__all__ = ["Runs", "TaskRow", "Tasks", "read_tasks"]

_COLUMNS: Final = ("site", "earliest", "finish_by", "profile")
_OPTIONAL: Final = ("task",)
_HINT: Final = "write minutes@watts, one after the other: 15@2000 45@150"

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task of a site: it may start from step `first` to step `last` of the data. `power_kw`: of each step of its run."""

    site: str
    first: int
    last: int
    power_kw: Floats


@dataclass(frozen=True, slots=True)
class Tasks:
    """The tasks of a community by first start; `site` and `meter` are their places."""

    rows: tuple[TaskRow, ...]
    site: Ints
    meter: Ints

    def __len__(self) -> int:
        """How many there are."""
        return len(self.rows)

    def in_hindsight(self, meter: int, steps: int) -> TaskTable | None:
        """All tasks behind a meter; None when there are none."""
        rows = [self.rows[number] for number in np.flatnonzero(self.meter == meter)]
        return task_table([Task(row.power_kw, row.first, row.last) for row in rows], steps) if rows else None


class Runs:
    """Which tasks a controller has started, and what they draw: `site_kw` (steps, sites)."""

    def __init__(self, tasks: Tasks, steps: int, sites: int) -> None:
        self._tasks = tasks
        self.site_kw = np.zeros((steps, sites))
        self.start = np.full(len(tasks), -1)

    def step(self, step: int, control: Callable[[Sequence[Task], int], Sequence[bool]]) -> None:
        """`control` is asked for each meter which of the tasks that may start do so."""
        waiting = self.waiting(step)
        for meter in np.unique(self._tasks.meter[waiting]):
            these = waiting[self._tasks.meter[waiting] == meter]
            rows = [self._tasks.rows[number] for number in these]
            known = [Task(row.power_kw, 0, row.last - step) for row in rows]
            for number, now in zip(these, control(known, int(meter)), strict=True):
                if now:
                    self.begin(int(number), step)

    def take(self, meter: int, table: TaskTable | None, started: Floats) -> None:
        """Takes a schedule of all tasks behind a meter, made with `Tasks.in_hindsight`: parts of starts."""
        if table is None:
            return
        numbers = np.flatnonzero(self._tasks.meter == meter)
        for task, start, part in zip(table.task, table.start, started, strict=True):
            self.begin(int(numbers[task]), int(start), float(part))

    def waiting(self, step: int) -> Ints:
        """Tasks that may start at a step and have not yet."""
        first = np.array([row.first for row in self._tasks.rows], dtype=np.int64)
        return np.flatnonzero((first <= step) & (self.start < 0))

    def begin(self, number: int, step: int, part: float = 1.0) -> None:
        """Starts a task, or that part of it."""
        row = self._tasks.rows[number]
        self.start[number] = step
        self.site_kw[step : step + len(row.power_kw), self._tasks.site[number]] += part * row.power_kw


def read_tasks(path: Path, starts_ms: Sequence[int], step_ms: int, sites: Collection[str]) -> tuple[TaskRow, ...]:
    """The tasks by first start; none when there is no such file. Raises DataError naming file, line and column."""
    if not path.exists():
        return ()
    with open_cells(path, _COLUMNS, _OPTIONAL, "leave it out when there are none") as cells:
        reader = _Reader(cells, starts_ms, step_ms, sites)
        rows = [reader.row(line, row) for line, row in cells]
    return tuple(sorted(rows, key=lambda each: (each.first, each.last)))


class _Reader:
    def __init__(self, cells: Cells, starts_ms: Sequence[int], step_ms: int, sites: Collection[str]) -> None:
        self._cells = cells
        self._begin_ms = starts_ms[0]
        self._steps = len(starts_ms)
        self._step_ms = step_ms
        self._sites = sites

    def row(self, line: int, cells: dict[str, str]) -> TaskRow:
        site = cells["site"].strip()
        if site not in self._sites:
            self._cells.fail(line, "site", f"{site!r} is no site of case.yaml", f"there are {', '.join(self._sites)}")
        power = profile_kw(self._profile(line, cells["profile"]), self._step_ms / 3_600_000)
        first, end = math.ceil(self._place(line, "earliest", cells)), math.floor(self._place(line, "finish_by", cells))
        if not 0 <= first < self._steps or end > self._steps:
            self._cells.fail(
                line, "earliest" if first < 0 else "finish_by", "lies outside the steps of data.csv", "leave it out"
            )
        last = end - len(power)
        if last < first:
            minutes = self._step_ms // 60_000
            fits = f"runs for {len(power)} steps of {minutes} minutes, and there are {max(0, end - first)}"
            self._cells.fail(line, "finish_by", fits, "starts are at the beginning of a step: give it more time")
        return TaskRow(site, first, last, power)

    def _place(self, line: int, column: str, cells: dict[str, str]) -> float:
        return (self._cells.instant(line, column, cells[column]) - self._begin_ms) / self._step_ms

    def _profile(self, line: int, text: str) -> Parts:
        try:
            return parts_of(text)
        except ValueError as error:
            self._cells.fail(line, "profile", str(error), _HINT)
