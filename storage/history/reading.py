"""Answers from columns: series raw and by steps, the reading next to an instant."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from energy.quantities import Kind, Quantity
from storage.history import Series
from storage.history.columns import arrow, listed, numbers, sliced
from storage.history.segments import SegmentFiles
from storage.history.tail import Snapshot

__all__ = ["nearest", "raw_series", "stepped_series"]

_EVER = 2**62


def raw_series(table: pa.Table, quantity: str) -> Series:
    """Every reading that tells `quantity`, None where it was bad."""
    if quantity not in table.column_names:
        values: list[Any] = [None] * table.num_rows
    else:
        values = listed(table.column(quantity))
    times = listed(table.column("t"))
    if table.column("bad").null_count == table.num_rows and None not in values:
        return Series(times, values)
    bad = table.column("bad").to_pylist()
    kept = [
        (t, value)
        for t, value, unknown in zip(times, values, bad, strict=True)
        if value is not None or (unknown is not None and quantity in unknown.split(","))
    ]
    return Series([t for t, _ in kept], [value for _, value in kept])


def stepped_series(table: pa.Table, quantity: Quantity, grid: range) -> Series:
    """One value a step of `grid`: the mean of a gauge, the last of anything else."""
    values: list[float | str | None] = [None] * len(grid)
    if quantity.name in table.column_names and table.num_rows:
        table = table.select(["t", quantity.name]).drop_null()
    if quantity.name in table.column_names and table.num_rows:
        steps = (numbers(table, "t") - grid.start) // grid.step
        starts = np.append(0, np.flatnonzero(steps[1:] != steps[:-1]) + 1)
        for step, value in zip(steps[starts].tolist(), _of_steps(table, quantity, starts), strict=True):
            values[step] = value
    return Series(list(grid), values)


def _of_steps(table: pa.Table, quantity: Quantity, starts: np.ndarray[Any, Any]) -> list[Any]:
    column = table.column(quantity.name)
    ends = np.append(starts[1:], table.num_rows)
    if quantity.kind is Kind.GAUGE:
        means: list[Any] = (np.add.reduceat(numbers(table, quantity.name), starts) / (ends - starts)).tolist()
        return means
    return listed(column.take(arrow(ends - 1)))


def nearest(snapshot: Snapshot, files: SegmentFiles, number: int, t: int, direction: int) -> int | None:
    """The time of the last reading of a device before `t` (-1) or of the first from `t` on (1)."""
    start, end = (-_EVER, t) if direction < 0 else (t, _EVER)
    best: int | None = None
    for chunk in snapshot.chunks:
        best = _nearer(best, sliced(chunk, number, start, end), direction)
    reach = [s for s in snapshot.segments if s.t_min < end and s.t_max >= start]
    for segment in sorted(reach, key=lambda s: -s.t_max if direction < 0 else s.t_min):
        if best is not None and (segment.t_max <= best if direction < 0 else segment.t_min >= best):
            break
        best = _nearer(best, files.device(segment, number, start, end, ()), direction)
    return best


def _nearer(best: int | None, table: pa.Table, direction: int) -> int | None:
    if not table.num_rows:
        return best
    t: int = table.column("t")[-1 if direction < 0 else 0].as_py()
    if best is None:
        return t
    return max(best, t) if direction < 0 else min(best, t)
