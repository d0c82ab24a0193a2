"""The readings of `settle`, CSV or Parquet: every cell checked, every error with its line, energies exact.

Cells are parsed once per distinct text: a month of a hundred points has 300,000 rows but few thousand distinct
values, which is what makes exact parsing fast.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from energy.errors import DataError
from energy.quarters import QUARTER_MS
from energy.sharing.ean import parse_ean
from energy.sharing.settlement import QuarterReadings
from energy.sharing.whole import IntArray, Mask

__all__ = ["COLUMNS", "ReadingsFile", "read_readings"]

COLUMNS: Final = ("ean", "start", "withdrawal_kwh", "injection_kwh")

_NUMBER: Final = re.compile(r"-?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?")
_LONGEST_NUMBER: Final = 40
_LARGEST_WH: Final = 10**12  # a quarter-hour of 4 TW; keeps sums of a million points within 64 bits
_LONGEST_SPAN_MS: Final = 1_100 * 86_400_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ReadingsFile:
    """Readings and where they stood. `starts`: each quarter-hour as first written; `lines`: 0 where there is no row.

    `cut`: how many readings were finer than the resolution and cut to whole Wh, and `cut_wh` how much that was.
    """

    path: Path
    readings: QuarterReadings
    starts: tuple[str, ...]
    lines: npt.NDArray[np.int64]
    cut: int
    cut_wh: Fraction


def read_readings(path: Path, resolution_wh: int) -> ReadingsFile:
    """Reads `path`, CSV or Parquet. Raises DataError naming file, line (Parquet: row) and column of what is wrong."""
    table = _ParquetTable(path) if _is_parquet(path) else _Table(path)
    eans, ean_codes = table.parse("ean", parse_ean, "an EAN is text: a spreadsheet must not make a number of it")
    instants, instant_codes = table.parse(
        "start", _parse_start, "write the start of the quarter-hour with its offset, as 2026-03-01T00:15:00+01:00 or Z"
    )
    points = sorted(set(eans))
    columns = np.array([points.index(ean) for ean in eans])[ean_codes]
    first, last = min(instants), max(instants)
    if last - first > _LONGEST_SPAN_MS:
        raise DataError(
            f"spans {(last - first) // 86_400_000} days",
            field=f"{path}: start",
            hint="check the years, or settle year by year",
        )
    rows = np.array([(instant - first) // QUARTER_MS for instant in instants])[instant_codes]
    shape = ((last - first) // QUARTER_MS + 1, len(points))
    lines = table.place_lines(rows, columns, shape)
    grid = _Grid(table, rows, columns, shape, resolution_wh)
    withdrawal, withdrawal_known = grid.energies("withdrawal_kwh")
    injection, injection_known = grid.energies("injection_kwh")
    starts = first + np.arange(shape[0], dtype=np.int64) * QUARTER_MS
    readings = QuarterReadings(
        points=tuple(points),
        starts=starts,
        withdrawal=withdrawal,
        withdrawal_known=withdrawal_known,
        injection=injection,
        injection_known=injection_known,
    )
    written = dict(zip(reversed(instants), reversed(table.distinct("start")), strict=True))
    texts = tuple(written.get(start) or _utc_text(start) for start in starts.tolist())
    return ReadingsFile(path, readings, texts, lines, grid.cut, grid.cut_wh)


class _Table:
    """The file's cells by column, as text, with the line of each row."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: Sequence[int] | npt.NDArray[np.int64]
        header, rows, self.lines = _read_rows(path)
        self._check_header(header)
        self._check_widths(rows, len(header))
        if not rows:
            raise DataError("has no rows", field=str(path), hint="give one row per metering point and quarter-hour")
        self._columns = dict(zip(header, zip(*rows, strict=True), strict=True))
        self._encoded: dict[str, tuple[list[str], npt.NDArray[np.int64]]] = {}

    def fail(self, line: int, column: str, message: str, hint: str) -> NoReturn:
        """Raises the DataError of that place."""
        raise DataError(message, field=f"{self.path}:{line} {column}", hint=hint)

    def distinct(self, column: str) -> list[str]:
        """The column's distinct texts in order of appearance."""
        return self._encode(column)[0]

    def parse(self, column: str, parse: Callable[[str], _T], hint: str) -> tuple[list[_T], npt.NDArray[np.int64]]:
        """(value of each distinct text, code of each row); `parse` raises ValueError for a bad one."""
        texts, codes = self._encode(column)
        values = []
        for code, text in enumerate(texts):
            try:
                values.append(parse(text))
            except ValueError as error:
                row = int(np.argmax(codes == code))
                self.fail(int(self.lines[row]), column, str(error), hint)
        return values, codes

    def place_lines(
        self, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], shape: tuple[int, int]
    ) -> npt.NDArray[np.int64]:
        """The line of each (quarter-hour, point), 0 where there is none; two for one place are an error."""
        places = rows * shape[1] + columns
        order = np.argsort(places, kind="stable")
        repeated = np.flatnonzero(np.diff(places[order]) == 0)
        if repeated.size:
            later = int(order[repeated + 1].min())
            earlier = int(np.flatnonzero(places == places[later])[0])
            self.fail(
                int(self.lines[later]),
                "ean, start",
                f"repeats line {self.lines[earlier]}: the same metering point and quarter-hour",
                "keep one of the two rows",
            )
        lines = np.zeros(shape, dtype=np.int64)
        lines[rows, columns] = self.lines
        return lines

    def _encode(self, column: str) -> tuple[list[str], npt.NDArray[np.int64]]:
        if column not in self._encoded:
            cells = self._columns[column]
            code_of = {cell: code for code, cell in enumerate(dict.fromkeys(cells))}
            codes = np.fromiter(map(code_of.__getitem__, cells), dtype=np.int64, count=len(cells))
            self._encoded[column] = ([text.strip() for text in code_of], codes)
        return self._encoded[column]

    def _check_widths(self, rows: Sequence[Sequence[str]], width: int) -> None:
        if set(map(len, rows)) <= {width}:
            return
        line, cells = next((line, len(row)) for line, row in zip(self.lines, rows, strict=True) if len(row) != width)
        self.fail(line, "row", f"has {cells} cells, the header has {width}", "check commas and quotes")

    def _check_header(self, header: Sequence[str]) -> None:
        expected = f"the columns are {','.join(COLUMNS)}, separated by commas"
        for name in header:
            if name not in COLUMNS:
                self.fail(1, name or "header", "unknown column", expected)
            if list(header).count(name) > 1:
                self.fail(1, name, "column is given twice", expected)
        for name in COLUMNS:
            if name not in header:
                self.fail(1, name, "column is missing", expected)


class _ParquetTable(_Table):
    """The same columns from a Parquet file; a row's number, counted from 1, stands for its line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._encoded: dict[str, tuple[list[str], npt.NDArray[np.int64]]] = {}
        try:
            self._file = pq.ParquetFile(path)
        except (OSError, pa.ArrowException) as error:
            self._refuse(error)
        self._check_header(self._file.schema_arrow.names)
        number = self._file.metadata.num_rows
        if not number:
            raise DataError("has no rows", field=str(path), hint="give one row per metering point and quarter-hour")
        self.lines = np.arange(1, number + 1, dtype=np.int64)

    def _encode(self, column: str) -> tuple[list[str], npt.NDArray[np.int64]]:
        if column not in self._encoded:
            try:
                cells = self._file.read([column]).column(0).combine_chunks()
                if not pa.types.is_dictionary(cells.type):
                    cells = cells.dictionary_encode(null_encoding="encode")
                codes = cells.indices.fill_null(len(cells.dictionary)).to_numpy(zero_copy_only=False)
                texts = _texts_of(cells.dictionary)
            except (OSError, pa.ArrowException) as error:
                self._refuse(error)
            self._encoded[column] = ([*texts, ""], codes.astype(np.int64))
        return self._compact(column)

    def _compact(self, column: str) -> tuple[list[str], npt.NDArray[np.int64]]:
        """Without the dictionary's values that no row has, so that none of them is checked or counted."""
        texts, codes = self._encoded[column]
        used = np.bincount(codes, minlength=len(texts)) > 0
        if not used.all():
            codes = (np.cumsum(used) - 1)[codes]
            texts = [text for text, kept in zip(texts, used.tolist(), strict=True) if kept]
            self._encoded[column] = (texts, codes)
        return texts, codes

    def _refuse(self, error: Exception) -> NoReturn:
        raise DataError(
            f"is no readable Parquet: {str(error).splitlines()[0]}",
            field=str(self.path),
            hint="write it again, with the columns as text, numbers and timestamps with a time zone",
        ) from error


def _texts_of(values: Any) -> list[str]:
    """The texts a CSV would have: instants in ISO 8601, numbers in their shortest exact decimals, null as empty."""
    if pa.types.is_timestamp(values.type):
        instants = values.cast(pa.timestamp("us", values.type.tz)).to_pylist()
        return ["" if instant is None else instant.isoformat() for instant in instants]
    return [(text or "").strip() for text in values.cast(pa.string()).to_pylist()]


def _is_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PAR1"
    except OSError:
        return False  # the reader of CSV says what is wrong


class _Grid:
    """Turns columns of kWh into arrays of Wh by quarter-hour and point."""

    def __init__(
        self,
        table: _Table,
        rows: npt.NDArray[np.int64],
        columns: npt.NDArray[np.int64],
        shape: tuple[int, int],
        resolution: int,
    ) -> None:
        self._table = table
        self._rows, self._columns, self._shape = rows, columns, shape
        self._resolution_wh = resolution
        self.cut = 0
        self.cut_wh = Fraction(0)

    def energies(self, column: str) -> tuple[IntArray, Mask]:
        """(Wh, known) of the column."""
        values, codes = self._table.parse(
            column, _parse_wh, "give kWh as 1.234, or leave the cell empty if it is unknown"
        )
        known = np.zeros(self._shape, dtype=bool)
        known[self._rows, self._columns] = np.array([value is not None for value in values])[codes]
        exact = [value or Fraction(0) for value in values]
        if self._resolution_wh == 0:
            fractions: npt.NDArray[Any] = np.full(self._shape, Fraction(0), dtype=object)
            fractions[self._rows, self._columns] = np.array(exact, dtype=object)[codes]
            return fractions, known
        self._count_cut(exact, codes)
        whole = np.zeros(self._shape, dtype=np.int64)
        whole[self._rows, self._columns] = np.array([int(value) for value in exact], dtype=np.int64)[codes]
        return whole, known

    def _count_cut(self, exact: list[Fraction], codes: npt.NDArray[np.int64]) -> None:
        """Down to whole Wh, so that nobody receives more than was withdrawn or gives more than was injected."""
        times = np.bincount(codes, minlength=len(exact)).tolist()
        for value, count in zip(exact, times, strict=True):
            if value.denominator != 1:
                self.cut += count
                self.cut_wh += count * (value - int(value))


def _read_rows(path: Path) -> tuple[list[str], list[list[str]], list[int]]:
    """(header, rows, line of each row); empty lines are passed over."""
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            for row in reader:
                if row:
                    rows.append(row)
                    lines.append(reader.line_num)
    except OSError as error:
        raise DataError(
            f"cannot be read: {error.strerror}", field=str(path), hint="check the path and its rights"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError("is not UTF-8 text", field=str(path), hint="save the file as CSV in UTF-8") from error
    except csv.Error as error:
        line = lines[-1] + 1 if lines else 1
        raise DataError(f"is no CSV: {error}", field=f"{path}:{line}", hint="check commas and quotes") from error
    return header, rows, lines


def _parse_start(text: str) -> int:
    """Ms UTC of a quarter-hour's start. Raises ValueError for anything that does not name exactly one."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no ISO 8601 instant") from None
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset{_local_trap(moment)}")
    try:
        instant = (moment - _EPOCH) // _MILLISECOND
    except OverflowError:
        raise ValueError(f"{text!r} is out of range") from None
    if (moment - _EPOCH) % timedelta(milliseconds=QUARTER_MS):
        raise ValueError(f"{text!r} is no start of a quarter-hour: those are at minutes 00, 15, 30 and 45")
    return instant


def _local_trap(moment: datetime) -> str:
    """What the clock change does to a Belgian local time, if it is one of those."""
    zone = ZoneInfo("Europe/Brussels")
    try:
        early, late = (moment.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
        back = moment.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None)
    except OverflowError:
        return ""
    if early == late:
        return ""
    return ", and exists twice in Brussels" if back == moment else ", and does not exist in Brussels: clocks skipped it"


def _parse_wh(text: str) -> Fraction | None:
    """Exact Wh of kWh written in decimals; None for an empty cell."""
    if not text:
        return None
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is no number of kWh")
    energy_wh = Fraction(text) * 1000
    if energy_wh < 0:
        raise ValueError(f"{text} is negative: withdrawal and injection are both counted upwards from 0")
    if energy_wh > _LARGEST_WH:
        raise ValueError(f"{text} kWh is impossible in a quarter-hour")
    return energy_wh


def _utc_text(start: int) -> str:
    return (_EPOCH + start * _MILLISECOND).strftime("%Y-%m-%dT%H:%M:%SZ")
