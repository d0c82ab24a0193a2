"""Days and months from the store's totals; what has none (yet) is computed from what it is made of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from api.timeline.steps import Grid
from api.timeline.values import QUARTERS_PER_HOUR, Value
from energy.quarters import QUARTER_MS
from storage.history import Total

__all__ = ["from_totals", "mean_power", "whole_energy"]


def from_totals(
    totals: Iterable[Total],
    grid: Grid,
    until: int,
    *,
    value: Callable[[Total], Value],
    names: Collection[str] = (),
    rest: Callable[[Grid], Sequence[Value]],
) -> list[Value]:
    """One value for each step of `grid`: of its total, or by `rest` for runs of steps that begin before `until`.

    A total counts when it is of that very step and as many quarter-hours know each of `names`: then they are the same.
    """
    ends = dict(grid.spans())
    found = {t.start: value(t) for t in totals if ends.get(t.start) == t.end and _alike(t, names)}
    for run in _runs(grid, found, until):
        found |= zip(run.starts, rest(run), strict=True)
    return [found.get(start) for start in grid.starts]


def mean_power(total: Total, signs: Mapping[str, float]) -> float | None:
    """Mean power in the quarter-hours that know these energies, each with its sign, W; None where none does."""
    known = [(total.known.get(name), sign) for name, sign in signs.items()]
    parts = [sign * of.value / of.quarters for of, sign in known if of]
    return sum(parts) * QUARTERS_PER_HOUR if len(parts) == len(known) else None


def whole_energy(total: Total, name: str) -> float | None:
    """The energy of the whole period, Wh; None as soon as one quarter-hour is unknown."""
    known = total.known.get(name)
    return known.value if known and known.quarters * QUARTER_MS == total.end - total.start else None


def _alike(total: Total, names: Collection[str]) -> bool:
    return len({known.quarters if (known := total.known.get(name)) else 0 for name in names}) <= 1


def _runs(grid: Grid, found: Collection[int], until: int) -> Iterable[Grid]:
    """Consecutive steps that are not `found`, together."""
    run: list[tuple[int, int]] = []
    for start, end in grid.spans():
        if start not in found and start < until:
            run.append((start, end))
        elif run:
            yield _grid(run)
            run = []
    if run:
        yield _grid(run)


def _grid(spans: Sequence[tuple[int, int]]) -> Grid:
    return Grid(tuple(start for start, _ in spans), spans[-1][1])
