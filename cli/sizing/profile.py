"""A PV profile from a CSV with `start,kwh`: quarter-hours or hours, of the readings' own days or of another year."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn

import numpy as np
import numpy.typing as npt

from cli.settle.cells import parse_start
from energy.errors import DataError
from energy.quarters import QUARTER_MS
from energy.sizing.yields import Floats

__all__ = ["read_profile"]

_COLUMNS: Final = ["start", "kwh"]
_HOUR: Final = 4
_LARGEST_KWH: Final = 1e6
_YEAR_DAYS: Final = 365


def read_profile(path: Path, starts: npt.NDArray[np.int64]) -> Floats:
    """Wh of each quarter-hour in `starts`; NaN where the file does not say. Raises DataError naming file and line.

    A file of other days that tells a whole year is taken by month, day and time (UTC).
    """
    told = _quarters(path, dict(_rows(path)))
    found = np.array([told.get(start, math.nan) for start in starts.tolist()])
    if np.isfinite(found).any():
        return found
    if len(told) < _YEAR_DAYS * 24 * _HOUR * 0.99:
        raise DataError(
            "tells nothing of the days of the readings, and less than a year",
            field=str(path),
            hint="give the production of the same days, or of a whole year",
        )
    by_moment = {_moment(start): wh for start, wh in told.items()}
    return np.array([by_moment.get(_moment(start), math.nan) for start in starts.tolist()])


def _moment(start: int) -> tuple[int, int, int, int]:
    at = datetime.fromtimestamp(start / 1000, UTC)
    return at.month, 28 if (at.month, at.day) == (2, 29) else at.day, at.hour, at.minute


def _rows(path: Path) -> Iterator[tuple[int, float]]:
    """(start, kWh) of each line."""
    seen: dict[int, int] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            if (header := [cell.strip() for cell in next(rows, [])]) != _COLUMNS:
                _fail(path, 1, f"the header is {','.join(header)!r}", "begin the file with start,kwh")
            for row in filter(None, rows):
                start, kwh = _parsed(path, rows.line_num, row)
                if start in seen:
                    _fail(path, rows.line_num, f"{row[0]} stands in line {seen[start]} already", "keep one of them")
                seen[start] = rows.line_num
                yield start, kwh
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", field=str(path), hint="check the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"is no CSV text in UTF-8: {error}", field=str(path), hint="save it as UTF-8 CSV") from error


def _parsed(path: Path, line: int, row: list[str]) -> tuple[int, float]:
    if len(row) != len(_COLUMNS):
        _fail(path, line, f"has {len(row)} cells, not two", "write start,kwh")
    try:
        start = parse_start(row[0].strip())
    except ValueError as error:
        _fail(path, line, f"start: {error}", "write 2026-06-01T10:00:00Z")
    try:
        kwh = float(row[1])
    except ValueError:
        kwh = math.nan
    if not 0 <= kwh <= _LARGEST_KWH:
        _fail(path, line, f"kwh: {row[1]!r} is no energy", "write a number from 0 up, or leave the line out")
    return start, kwh


def _quarters(path: Path, told: dict[int, float]) -> dict[int, float]:
    """Wh of quarter-hours; hours are divided evenly."""
    if len(told) < 2:
        raise DataError("holds less than two lines", field=str(path), hint="give a line for each quarter-hour or hour")
    step = int(np.diff(np.sort(np.array(list(told), dtype=np.int64))).min()) // QUARTER_MS
    if step not in {1, _HOUR}:
        raise DataError(
            f"steps are {step * 15} minutes", field=str(path), hint="give a line for each quarter-hour or each hour"
        )
    return {start + part * QUARTER_MS: kwh * 1000 / step for start, kwh in told.items() for part in range(step)}


def _fail(path: Path, line: int, problem: str, hint: str) -> NoReturn:
    raise DataError(problem, field=f"{path}:{line}", hint=hint)
