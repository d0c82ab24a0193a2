"""The data file of `backtest`: one row per site and step, checked cell by cell, every error with its line."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from energy.dispatch.storage import Floats
from runtime.cells import Cells, open_cells

__all__ = ["COLUMNS", "CaseData", "read_data"]

COLUMNS: Final = ("start", "site", "load_kw", "pv_kw")
_OPTIONAL: Final = ("price_eur_kwh", "feed_in_eur_kwh", "co2_g_kwh", "irradiance_wm2", "temperature_c")
_LARGEST: Final = {"load_kw": 1e6, "pv_kw": 1e6, "price_eur_kwh": 100.0, "feed_in_eur_kwh": 100.0, "co2_g_kwh": 2_000.0}
_WEATHER: Final = {"irradiance_wm2": (0.0, 2_000.0), "temperature_c": (-90.0, 70.0)}


@dataclass(frozen=True, slots=True)
class CaseData:
    """Series on one regular time grid: `starts_ms` (steps); `columns` name to (steps, sites)."""

    path: Path
    sites: tuple[str, ...]
    starts_ms: tuple[int, ...]
    step_ms: int
    columns: dict[str, Floats]

    @property
    def hours(self) -> float:
        """Length of a step."""
        return self.step_ms / 3_600_000


def read_data(path: Path) -> CaseData:
    """Reads `path`. Raises DataError naming file, line and column of the first thing wrong."""
    with open_cells(path, COLUMNS, _OPTIONAL, "check the path") as cells:
        return _Reader(cells).read()


class _Reader:
    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._lines: dict[tuple[int, str], int] = {}

    def read(self) -> CaseData:
        names = [name for name in self._cells.header if name in _LARGEST or name in _WEATHER]
        values: dict[tuple[int, str], list[float]] = {}
        for line, cells in self._cells:
            place = (self._cells.instant(line, "start", cells["start"]), cells["site"].strip())
            if not place[1]:
                self._cells.fail(line, "site", "is empty", "name a site of case.yaml")
            if place in values:
                first = self._lines[place]
                self._cells.fail(line, "start", f"{place[1]} has this step already in line {first}", "keep one of them")
            self._lines[place] = line
            values[place] = [self._number(line, name, cells[name]) for name in names]
        if not values:
            self._cells.fail(1, "", "has no rows", "give one row per site and step")
        return self._grid(names, values)

    def _number(self, line: int, name: str, text: str) -> float:
        if name in _WEATHER and not text:
            return float("nan")
        hint = "every step needs a value; fill or leave out the days"
        if name.endswith("eur_kwh"):
            hint = "every step needs a price: repeat an hour's in each of its steps"
        value = self._cells.number(line, name, text, hint)
        low, high = _WEATHER.get(name) or (-_LARGEST[name] if name.endswith("eur_kwh") else 0.0, _LARGEST[name])
        if not low <= value <= high:
            self._cells.fail(line, name, f"must lie from {low:g} to {high:g}, is {text}", "check sign and unit")
        return value

    def _grid(self, names: list[str], values: dict[tuple[int, str], list[float]]) -> CaseData:
        sites = sorted({site for _, site in values})
        starts = sorted({start for start, _ in values})
        if len(starts) < 2:
            self._cells.fail(2, "start", "is the only step", "give at least two steps")
        step = min(later - start for start, later in itertools.pairwise(starts))
        if 86_400_000 % step:
            self._cells.fail(
                2, "start", f"steps of {step / 60_000:g} minutes do not divide a day", "use 15, 30 or 60 minutes"
            )
        for start, later in itertools.pairwise(starts):
            if later - start != step:
                line = next(number for (instant, _), number in self._lines.items() if instant == later)
                missing = datetime.fromtimestamp((start + step) / 1000, UTC).isoformat()
                self._cells.fail(line, "start", f"the step before, {missing}, is missing", "every step needs a row")
        for start in starts:
            for site in sites:
                if (start, site) not in values:
                    line = next(number for (instant, _), number in self._lines.items() if instant == start)
                    self._cells.fail(line, "site", f"{site} has no row for this step", "every site needs every step")
        table = np.array([values[start, site] for start in starts for site in sites])
        shaped = table.reshape(len(starts), len(sites), len(names))
        columns = {name: np.ascontiguousarray(shaped[:, :, place]) for place, name in enumerate(names)}
        return CaseData(self._cells.path, tuple(sites), tuple(starts), step, columns)
