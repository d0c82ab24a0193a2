"""The readings of `settle`, CSV or Parquet: every cell checked, every error with its line, energies exact.

Cells are parsed once per distinct text: a month of a hundred points has 300,000 rows but few thousand distinct
values, which is what makes exact parsing fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Final, Generic, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cli.settle.cells import parse_start, parse_wh, utc_text
from cli.settle.tables import Batch, Cells, Ints, careful_csv, fail, is_parquet, parquet, plain_csv
from energy.errors import DataError
from energy.sharing.ean import parse_ean
from energy.sharing.intervals import INTERVALS_MS, Interval, interval_name, longer_interval
from energy.sharing.settlement import QuarterReadings
from energy.sharing.whole import IntArray, Mask

__all__ = ["ReadingsFile", "read_readings"]

_LONGEST_SPAN_MS: Final = 1_100 * 86_400_000
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ReadingsFile:
    """Readings and where they stood. `starts`: each quarter-hour as first written; `lines`: 0 where there is no row.

    `cut`: how many readings were finer than the resolution and cut to whole Wh, and `cut_wh` how much that was.
    `longer`: by which interval they seem to be, where that is a longer one than the key's.
    """

    path: Path
    readings: QuarterReadings
    starts: tuple[str, ...]
    lines: npt.NDArray[np.int32]
    cut: int
    cut_wh: Fraction
    longer: Interval | None


def read_readings(path: Path, resolution_wh: int, interval: Interval = "15min") -> ReadingsFile:
    """Reads `path`, CSV or Parquet, with readings of that interval.

    Raises DataError naming file, line (Parquet: row) and column of what is wrong.
    """
    interval_ms = INTERVALS_MS[interval]
    if is_parquet(path):
        return _Reading(path, resolution_wh, interval_ms).of(parquet(path, whole_wh=resolution_wh == 1))
    try:
        return _Reading(path, resolution_wh, interval_ms).of(plain_csv(path))
    except (DataError, OSError, UnicodeDecodeError, pa.ArrowException):  # read again by who knows each line
        return _Reading(path, resolution_wh, interval_ms).of(careful_csv(path))


class _Column(Generic[_T]):
    """A column whose texts come again and again: each is parsed when it is first met."""

    def __init__(self, name: str, parse: Callable[[str], _T], hint: str) -> None:
        self._name, self._parse, self._hint = name, parse, hint
        self.parsed: dict[str, _T] = {}

    def of(self, batch: Batch) -> tuple[list[_T], Ints]:
        """(value of each distinct text, code of each row)."""
        cells = batch.cells(self._name)
        for code, text in enumerate(cells.texts):
            if text not in self.parsed:
                self.parsed[text] = _parse(batch, self._name, cells, code, self._parse, self._hint)
        return [self.parsed[text] for text in cells.texts], cells.codes


def _parse(batch: Batch, column: str, cells: Cells, code: int, parse: Callable[[str], _T], hint: str) -> _T:
    try:
        return parse(cells.texts[code])
    except ValueError as error:
        place = int(np.argmax(cells.codes == code))
        row = place if cells.rows is None else int(cells.rows[place])
        fail(batch.path, int(batch.lines[row]), column, str(error), hint)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Parsed rows: number of the point as first met, of the quarter-hour since 1970, line, (Wh, known) by direction."""

    points: Ints
    quarters: Ints
    lines: Ints
    energies: tuple[tuple[IntArray, Mask], ...]


class _Reading:
    """One pass over a file's batches, and the grid of quarter-hours and points that they make."""

    def __init__(self, path: Path, resolution_wh: int, interval_ms: int = INTERVALS_MS["15min"]) -> None:
        self._path, self._exact, self._interval_ms = path, resolution_wh == 0, interval_ms
        self._eans = _Column(
            "ean",
            parse_ean,
            "copy its 18 digits from contract or bill, as text: a spreadsheet must not make a number of it",
        )
        self._starts = _Column(
            "start",
            partial(parse_start, interval_ms=interval_ms),
            "write the start of the quarter-hour with its offset, as 2026-03-01T00:15:00+01:00 or Z",
        )
        self._place_of: dict[str, int] = {}
        self._cut = 0
        self._cut_wh = Fraction(0)

    def of(self, batches: Iterable[Batch]) -> ReadingsFile:
        rows = [self._rows(batch) for batch in batches]
        instants = self._starts.parsed
        first, last = min(instants.values()), max(instants.values())
        if last - first > _LONGEST_SPAN_MS:
            raise DataError(
                f"spans {(last - first) // 86_400_000} days",
                field=f"{self._path}: start",
                hint="check the years, or settle year by year",
            )
        points = sorted(self._place_of)
        step = self._interval_ms
        shape = ((last - first) // step + 1, len(points))
        lines, (withdrawal, injection) = self._grids(rows, points, first // step, shape)
        starts = first + np.arange(shape[0], dtype=np.int64) * step
        longer = self._longer(points, starts, lines, withdrawal[1] | injection[1])
        written = {instant: text for text, instant in reversed(instants.items())}
        texts = tuple(written.get(start) or utc_text(start) for start in starts.tolist())
        readings = QuarterReadings(tuple(points), starts, *withdrawal, *injection)
        return ReadingsFile(self._path, readings, texts, lines, self._cut, self._cut_wh, longer)

    def _rows(self, batch: Batch) -> _Rows:
        eans, ean_codes = self._eans.of(batch)
        instants, start_codes = self._starts.of(batch)
        places = np.array([self._place_of.setdefault(ean, len(self._place_of)) for ean in eans], dtype=np.int32)
        quarters = np.array([instant // self._interval_ms for instant in instants], dtype=np.int32)
        energies = tuple(self._energies(batch, name) for name in ("withdrawal_kwh", "injection_kwh"))
        return _Rows(places[ean_codes], quarters[start_codes], batch.lines, energies)

    def _energies(self, batch: Batch, column: str) -> tuple[IntArray, Mask]:
        """(Wh, known) of each row."""
        cells = batch.columns[column]
        if isinstance(cells, Cells):
            return self._parsed(batch, column, cells)
        if cells.others is not None:
            cells.wh[cells.others.rows], _ = self._parsed(batch, column, cells.others)
        return cells.wh, cells.known

    def _parsed(self, batch: Batch, column: str, cells: Cells) -> tuple[IntArray, Mask]:
        hint = "give kWh as 1.234, with a decimal point, or leave the cell empty if it is unknown"
        values = [_parse(batch, column, cells, code, parse_wh, hint) for code in range(len(cells.texts))]
        known = np.array([value is not None for value in values], dtype=bool)[cells.codes]
        if self._exact:
            return np.array([Fraction(value or 0) for value in values], dtype=object)[cells.codes], known
        self._count_cut(values, cells.codes)
        return np.array([int(value or 0) for value in values], dtype=np.int64)[cells.codes], known

    def _count_cut(self, values: list[int | Fraction | None], codes: Ints) -> None:
        """Down to whole Wh, so that nobody receives more than was withdrawn or gives more than was injected."""
        times = np.bincount(codes, minlength=len(values))
        for code, value in enumerate(values):
            if isinstance(value, Fraction) and value.denominator != 1:
                self._cut += int(times[code])
                self._cut_wh += int(times[code]) * (value - int(value))

    def _grids(
        self, rows: list[_Rows], points: list[str], first: int, shape: tuple[int, int]
    ) -> tuple[npt.NDArray[np.int32], list[tuple[IntArray, Mask]]]:
        """(line of each quarter-hour and point, 0 where there is none; (Wh, known) of both directions)."""
        column_of = {ean: column for column, ean in enumerate(points)}
        columns = np.array([column_of[ean] for ean in self._place_of], dtype=np.int64)

        def places(part: _Rows) -> Ints:
            return (part.quarters - first) * np.int64(shape[1]) + columns[part.points]

        lines = np.zeros(shape, dtype=np.int32)
        for part in rows:
            lines.reshape(-1)[places(part)] = part.lines
        if np.count_nonzero(lines) < sum(part.lines.size for part in rows):
            self._refuse_repeat(np.concatenate([places(part) for part in rows]), rows)
        nothing: Any = np.full(shape, Fraction(0), dtype=object) if self._exact else np.zeros(shape, dtype=np.int64)
        grids = [(grid, np.zeros(shape, dtype=bool)) for grid in (nothing, nothing.copy())]
        rows.reverse()
        while rows:  # let go of what is placed: a year of a thousand points has 35 million rows
            part = rows.pop()
            where = places(part)
            for (grid, known), (values, told) in zip(grids, part.energies, strict=True):
                grid.reshape(-1)[where] = values
                known.reshape(-1)[where] = told
        return lines, grids

    def _longer(self, points: list[str], starts: Ints, lines: Ints, known: Mask) -> Interval | None:
        """By which longer interval all points are read. Raises DataError where surely only some are: these rows are no equals."""
        told = np.asarray(known.any(axis=1))
        together = longer_interval(starts, told, self._interval_ms)
        if together is not None and not told[starts % together[0] != 0].any():
            return interval_name(together[0])
        gaps = np.flatnonzero(~known.all(axis=0)).tolist()
        found = [(column, longer_interval(starts, known[:, column], self._interval_ms, surely=True)) for column in gaps]
        longer = [(int(lines[each[1], column]), column, each[0]) for column, each in found if each is not None]
        if longer:
            line, column, interval = min(longer)
            minutes, own = interval // 60_000, self._interval_ms // 60_000
            fail(
                self._path,
                line,
                "start",
                f"EAN {points[column]} is read by {minutes} minutes from here on, which are no readings of {own} minutes",
                "bring all metering points to one interval, adding the shorter ones up: a reading is never split",
            )
        return None

    def _refuse_repeat(self, places: Ints, rows: list[_Rows]) -> NoReturn:
        lines = np.concatenate([part.lines for part in rows])
        order = np.argsort(places, kind="stable")
        later = int(order[np.flatnonzero(np.diff(places[order]) == 0) + 1].min())
        earlier = int(np.flatnonzero(places == places[later])[0])
        told = f"repeats line {lines[earlier]}: the same metering point and quarter-hour"
        fail(self._path, int(lines[later]), "ean, start", told, "keep one of the two rows")
