"""Values on a grid, as pure functions of what the store gave. None is unknown and stays so; it is never 0.

    quantity                   10 s to 5 min              15 min, 1 h                1 d, 1 month (local)
    power_w of a device        mean of the readings       mean of the readings       mean of its known quarter-hours
    other gauge of a device    mean of the readings       mean of the readings       mean of its known 15-minute means
    counter, text of a device  last reading of the step   last reading of the step   last reading of the step
    power of a site            sum of its devices' means  mean of its quarter-hours  mean of its known quarter-hours
    energy of a site           -                          sum of its quarter-hours, unknown as soon as one is

Where the readings may be gone (`History.kept_since`) their quarter-hours stand for them from 15 min on. Days and months
that are over come from the store's totals (long.py).
A device that speaks seldom keeps its value on a finer grid until it has been silent for three of its intervals, as on
the live screen. Quarter-hours not computed yet (the last minutes) are filled in from the devices' means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from api.timeline.steps import Grid
from energy.balance import STALE_INTERVALS
from energy.quarters import QUARTER_MS
from storage.history import DeviceQuarter, SiteQuarter

__all__ = [
    "QUARTERS_PER_HOUR",
    "SIGNED_ENERGIES",
    "Point",
    "Value",
    "grouped_last",
    "grouped_mean",
    "hold",
    "hold_steps",
    "power_of",
    "quarter_energy",
    "quarter_power",
    "sum_known",
    "total_energy",
    "with_gaps",
]

Value = float | str | None
Point = tuple[int, Value]

QUARTERS_PER_HOUR: Final = 4

SIGNED_ENERGIES: Final[dict[str, dict[str, float]]] = {
    # the site's power by its energies; signs: energy/quantities.py
    "pv_w": {"pv_wh": 1.0},
    "grid_w": {"import_wh": 1.0, "export_wh": -1.0},
    "battery_w": {"discharge_wh": 1.0, "charge_wh": -1.0},
    "consumption_w": {"consumption_wh": 1.0},
}


def hold(values: Sequence[Value], steps: int, until: int) -> list[Value]:
    """`values` with each gap of at most `steps` filled by the value before it, up to index `until`."""
    held: list[Value] = []
    last: Value = None
    age = 0
    for index, value in enumerate(values):
        age = 0 if value is not None else age + 1
        last = value if value is not None else last
        held.append(last if age <= steps and index < until else value)
    return held


def hold_steps(interval_s: float, step_ms: int) -> int:
    """For how many steps a device of that interval is not yet silent."""
    return int(STALE_INTERVALS * interval_s * 1000 // step_ms)


def with_gaps(points: Iterable[Point], interval_s: float) -> list[Point]:
    """Raw points with an unknown one put into every gap longer than three intervals, so that no chart bridges it."""
    limit = STALE_INTERVALS * interval_s * 1000
    result: list[Point] = []
    for t, value in points:
        if result and t - result[-1][0] > limit:
            result.append((result[-1][0] + int(interval_s * 1000), None))
        result.append((t, value))
    return result


def sum_known(rows: Sequence[Sequence[Value]], length: int, until: int) -> list[Value]:
    """Sums across the rows, unknown where one part is and from index `until`. Of no rows: 0, nobody makes nothing."""
    return [_sum(row[index] for row in rows) if index < until else None for index in range(length)]


def grouped_mean(starts: Sequence[int], values: Sequence[Value], grid: Grid) -> list[Value]:
    """Mean of the known values that start within each step of the grid; every value weighs the same."""
    return [sum(group) / len(group) if group else None for group in _groups(starts, values, grid)]


def grouped_last(starts: Sequence[int], values: Sequence[Value], grid: Grid) -> list[Value]:
    """The last known value that starts within each step of the grid."""
    last: list[Value] = [None] * len(grid.starts)
    for t, value in zip(starts, values, strict=True):
        if value is not None and grid.start <= t < grid.end:
            last[grid.index(t)] = value
    return last


def quarter_power(quarters: Iterable[SiteQuarter], quantity: str) -> dict[int, float | None]:
    """Mean power of each quarter-hour, W."""
    signs = SIGNED_ENERGIES[quantity]
    return {q.start: power_of(q, signs) for q in quarters}


def power_of(quarter: SiteQuarter | DeviceQuarter, signs: Mapping[str, float]) -> float | None:
    """Mean power of a quarter-hour by its energies and their signs, W; None as soon as one is unknown."""
    total = _sum(None if (wh := getattr(quarter, name)) is None else sign * wh for name, sign in signs.items())
    return None if total is None else total * QUARTERS_PER_HOUR


def quarter_energy(quarters: Iterable[SiteQuarter], quantity: str) -> dict[int, float | None]:
    """Energy of each quarter-hour, Wh."""
    return {q.start: getattr(q, quantity) for q in quarters}


def total_energy(energy: Mapping[int, float | None], grid: Grid, known_until: int) -> list[Value]:
    """Sum over each step of the grid, unknown when one quarter-hour is.

    A step that runs still is summed up to `known_until`, the end of the quarter-hours that can be there by now.
    """
    totals: list[Value] = []
    for start, end in grid.spans():
        expected = range(start, min(end, known_until), QUARTER_MS)
        totals.append(_sum(energy.get(t) for t in expected) if expected else None)
    return totals


def _groups(starts: Sequence[int], values: Sequence[Value], grid: Grid) -> list[list[float]]:
    groups: list[list[float]] = [[] for _ in grid.starts]
    for t, value in zip(starts, values, strict=True):
        if isinstance(value, int | float) and grid.start <= t < grid.end:
            groups[grid.index(t)].append(value)
    return groups


def _sum(values: Iterable[Value]) -> float | None:
    total = 0.0
    for value in values:
        if value is None or isinstance(value, str):
            return None
        total += value
    return total
