"""The data file of `backtest`: one row per site and step, checked cell by cell, every error with its line."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NoReturn

import numpy as np

from energy.dispatch.storage import Floats
from energy.errors import DataError

__all__ = ["COLUMNS", "CaseData", "read_data"]

COLUMNS: Final = ("start", "site", "load_kw", "pv_kw")
_OPTIONAL: Final = ("price_eur_kwh", "feed_in_eur_kwh", "irradiance_wm2", "temperature_c")
_LARGEST: Final = {"load_kw": 1e6, "pv_kw": 1e6, "price_eur_kwh": 100.0, "feed_in_eur_kwh": 100.0}
_WEATHER: Final = {"irradiance_wm2": (0.0, 2_000.0), "temperature_c": (-90.0, 70.0)}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


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
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _Reader(path, csv.reader(file)).read()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", field=str(path), hint="check the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"is no CSV text in UTF-8: {error}", field=str(path), hint="save it as UTF-8 CSV") from error


class _Reader:
    def __init__(self, path: Path, rows: Iterator[list[str]]) -> None:
        self._path = path
        self._rows = rows
        self._instants: dict[str, int] = {}
        self._lines: dict[tuple[int, str], int] = {}

    def read(self) -> CaseData:
        header = self._header()
        names = [name for name in header if name in _LARGEST or name in _WEATHER]
        values: dict[tuple[int, str], list[float]] = {}
        for line, row in enumerate(self._rows, 2):
            if not row:
                continue
            if len(row) != len(header):
                self._fail(line, "", f"has {len(row)} cells, the header {len(header)}", "check commas and quotes")
            cells = dict(zip(header, row, strict=True))
            place = (self._instant(line, cells["start"]), cells["site"].strip())
            if place in values:
                first = self._lines[place]
                self._fail(line, "start", f"{place[1]} has this step already in line {first}", "keep one of them")
            self._lines[place] = line
            values[place] = [self._number(line, name, cells[name]) for name in names]
        if not values:
            self._fail(1, "", "has no rows", "give one row per site and step")
        return self._grid(names, values)

    def _header(self) -> list[str]:
        header = next(self._rows, [])
        for name in COLUMNS:
            if name not in header:
                self._fail(1, name, "column is missing", f"the header is {','.join(COLUMNS)} and optional columns")
        for name in header:
            if name not in COLUMNS + _OPTIONAL or header.count(name) > 1:
                self._fail(1, name, "is no known column or there twice", f"optional are {', '.join(_OPTIONAL)}")
        return header

    def _instant(self, line: int, text: str) -> int:
        if text not in self._instants:
            try:
                instant = datetime.fromisoformat(text)
            except ValueError:
                self._fail(line, "start", f"is no instant: {text!r}", "write it as 2026-03-01T00:15:00+01:00 or Z")
            if instant.tzinfo is None:
                self._fail(line, "start", f"has no offset: {text!r}", "write it as 2026-03-01T00:15:00+01:00 or Z")
            self._instants[text] = (instant - _EPOCH) // _MILLISECOND
        return self._instants[text]

    def _number(self, line: int, name: str, text: str) -> float:
        if name in _WEATHER and not text:
            return float("nan")
        try:
            value = float(text)
        except ValueError:
            self._fail(line, name, f"is no number: {text!r}", "every step needs a value; fill or leave out the days")
        low, high = _WEATHER.get(name) or (-_LARGEST[name] if name.endswith("kwh") else 0.0, _LARGEST[name])
        if not low <= value <= high:
            self._fail(line, name, f"must lie from {low:g} to {high:g}, is {text}", "check sign and unit")
        return value

    def _grid(self, names: list[str], values: dict[tuple[int, str], list[float]]) -> CaseData:
        sites = sorted({site for _, site in values})
        starts = sorted({start for start, _ in values})
        if len(starts) < 2:
            self._fail(2, "start", "is the only step", "give at least two steps")
        step = min(later - start for start, later in itertools.pairwise(starts))
        if 86_400_000 % step:
            self._fail(
                2, "start", f"steps of {step / 60_000:g} minutes do not divide a day", "use 15, 30 or 60 minutes"
            )
        for start, later in itertools.pairwise(starts):
            if later - start != step:
                line = next(number for (instant, _), number in self._lines.items() if instant == later)
                missing = datetime.fromtimestamp((start + step) / 1000, UTC).isoformat()
                self._fail(line, "start", f"the step before, {missing}, is missing", "every step needs a row")
        for start in starts:
            for site in sites:
                if (start, site) not in values:
                    line = next(number for (instant, _), number in self._lines.items() if instant == start)
                    self._fail(line, "site", f"{site} has no row for this step", "every site needs every step")
        table = np.array([values[start, site] for start in starts for site in sites])
        shaped = table.reshape(len(starts), len(sites), len(names))
        columns = {name: np.ascontiguousarray(shaped[:, :, place]) for place, name in enumerate(names)}
        return CaseData(self._path, tuple(sites), tuple(starts), step, columns)

    def _fail(self, line: int, column: str, message: str, hint: str) -> NoReturn:
        raise DataError(message, field=f"{self._path}:{line} {column}".rstrip(), hint=hint)
