"""Coefficients by quarter-hour, read from CSV: each row holds from its start until the next start of its metering point."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import numpy as np

from cli.settle.cells import parse_start, utc_text
from energy.errors import DataError
from energy.sharing.key import MILLIONTHS, SharingKey

if TYPE_CHECKING:
    from energy.sharing.settlement import QuarterReadings
    from energy.sharing.whole import IntArray

__all__ = ["COLUMNS", "read_coefficients"]

COLUMNS: Final = ("start", "ean", "coefficient")
_PART: Final = re.compile(r"[01](\.\d{1,6})?")


def read_coefficients(path: Path, key: SharingKey, readings: QuarterReadings) -> IntArray:
    """Millionths, shaped as the readings; 0 for a point that is no participant.

    Raises DataError naming file and line for a row that is wrong, a participant without a coefficient at the first
    quarter-hour, or a quarter-hour whose coefficients add up to more than 1.
    """
    found: dict[str, dict[int, int]] = {}
    for line, start, ean, part in _rows(path):
        if key.participants is not None and ean not in key.participants:
            _fail(path, line, "ean", f"{ean} is no participant of the key", "remove the row, or list the point")
        if start in found.setdefault(ean, {}):
            _fail(path, line, "start", f"a second coefficient of {ean} for {utc_text(start)}", "keep one of them")
        found[ean][start] = part
    grid = np.zeros(readings.withdrawal.shape, dtype=np.int64)
    for column, point in enumerate(readings.points):
        if point not in found and (key.participants is None or point not in key.participants):
            continue
        starts = np.array(sorted(found.get(point, {})), dtype=np.int64)
        rank = np.searchsorted(starts, readings.starts, side="right") - 1
        if rank[0] < 0:
            told = f"no coefficient of {point} holds at {utc_text(int(readings.starts[0]))}"
            raise DataError(told, field=f"{path}: start", hint="let its rows begin with the readings")
        grid[:, column] = np.array([found[point][start] for start in starts.tolist()])[rank]
    over = np.flatnonzero(grid.sum(axis=1) > MILLIONTHS)
    if over.size:
        told = f"coefficients add up to {grid[over[0]].sum() / MILLIONTHS:.6f} at {utc_text(int(readings.starts[over[0]]))}"
        raise DataError(told, field=f"{path}: coefficient", hint="they may not exceed 1")
    return grid


def _rows(path: Path) -> Iterator[tuple[int, int, str, int]]:
    """(line, start in ms UTC, EAN, millionths)."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", field=str(path), hint="give a CSV file in UTF-8") from None
    reader = csv.reader(text.splitlines())
    if tuple(next(reader, ())) != COLUMNS:
        _fail(path, 1, ",".join(COLUMNS), "is not the first line", "begin with these columns")
    for cells in reader:
        line = reader.line_num
        if not cells:
            continue
        if len(cells) != len(COLUMNS):
            _fail(path, line, "row", f"has {len(cells)} cells, not {len(COLUMNS)}", "write decimal points, not commas")
        try:
            start = parse_start(cells[0])
        except ValueError as error:
            _fail(path, line, "start", str(error), "write it as 2026-03-01T00:15:00+01:00 or Z")
        if not _PART.fullmatch(cells[2]) or float(cells[2]) > 1:
            _fail(
                path, line, "coefficient", f"{cells[2]!r} is no part of 1", "from 0 to 1, up to six decimals: 0.123456"
            )
        whole, _, decimals = cells[2].partition(".")
        yield line, start, cells[1], int(whole) * MILLIONTHS + int(decimals.ljust(6, "0"))


def _fail(path: Path, line: int, column: str, told: str, hint: str) -> NoReturn:
    raise DataError(told, field=f"{path}:{line} {column}", hint=hint)
