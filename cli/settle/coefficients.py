"""Coefficients by quarter-hour, read from CSV: each row holds from its start until the next start of its metering point.

By pair there is a producer in each row, and it holds until the next start of that pair.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import numpy as np

from cli.settle.cells import parse_start, utc_text
from energy.errors import DataError
from energy.sharing.intervals import INTERVALS_MS
from energy.sharing.key import MILLIONTHS, SharingKey

if TYPE_CHECKING:
    from energy.sharing.settlement import QuarterReadings
    from energy.sharing.whole import IntArray

__all__ = ["COLUMNS", "PAIR_COLUMNS", "read_coefficients", "read_pairs"]

COLUMNS: Final = ("start", "ean", "coefficient")
PAIR_COLUMNS: Final = ("start", "producer", "ean", "coefficient")
_PART: Final = re.compile(r"[01](\.\d{1,6})?")


def read_coefficients(path: Path, key: SharingKey, readings: QuarterReadings) -> IntArray:
    """Millionths, shaped as the readings; 0 for a point that is no participant.

    Raises DataError naming file and line for a row that is wrong, a participant without a coefficient at the first
    quarter-hour, or a quarter-hour whose coefficients add up to more than 1.
    """
    found: dict[str, dict[int, int]] = {}
    for line, start, ean, part, _ in _rows(path, COLUMNS):
        _take(path, line, key, ean, start)
        if start in found.setdefault(ean, {}):
            _fail(path, line, "start", f"a second coefficient of {ean} for {utc_text(start)}", "keep one of them")
        found[ean][start] = part
    receivers = [point for point in readings.points if point in found or point in (key.participants or {})]
    return _grid(path, readings, {point: found.get(point, {}) for point in receivers}, "")


def read_pairs(path: Path, key: SharingKey, readings: QuarterReadings) -> dict[int, IntArray]:
    """Millionths of a producer's injection by its column, shaped as the readings; 0 for a pair that is not in the file.

    Raises DataError as `read_coefficients` does, of each producer apart, and for one that is not in the readings.
    """
    column_of = {point: column for column, point in enumerate(readings.points)}
    found: dict[str, dict[str, dict[int, int]]] = {}
    for line, start, ean, part, producer in _rows(path, PAIR_COLUMNS):
        _take(path, line, key, ean, start)
        for column, point in (("producer", producer), ("ean", ean)):
            if point not in column_of:
                _fail(path, line, column, f"{point} is not in the readings", "add its readings, or remove the row")
        if producer == ean:
            _fail(path, line, "ean", f"{ean} is its own producer", "nobody receives its own injection: remove the row")
        own = found.setdefault(producer, {}).setdefault(ean, {})
        if start in own:
            told = f"a second coefficient of {producer} and {ean} for {utc_text(start)}"
            _fail(path, line, "start", told, "keep one of them")
        own[start] = part
    return {
        column_of[producer]: _grid(path, readings, parts, f" and {producer}")
        for producer, parts in sorted(found.items())
    }


def _take(path: Path, line: int, key: SharingKey, ean: str, start: int) -> None:
    if key.participants is not None and ean not in key.participants:
        _fail(path, line, "ean", f"{ean} is no participant of the key", "remove the row, or list the point")
    if start % INTERVALS_MS[key.interval]:
        told = f"{utc_text(start)} is no start of {key.interval.removesuffix('min')} minutes, as the key says"
        _fail(path, line, "start", told, "let coefficients begin where readings do")


def _grid(path: Path, readings: QuarterReadings, found: Mapping[str, Mapping[int, int]], of: str) -> IntArray:
    """Each point's parts from their starts on, `of` one producer or of all injection."""
    grid = np.zeros(readings.withdrawal.shape, dtype=np.int64)
    for column, point in enumerate(readings.points):
        if point not in found:
            continue
        starts = np.array(sorted(found[point]), dtype=np.int64)
        rank = np.searchsorted(starts, readings.starts, side="right") - 1
        if rank[0] < 0:
            told = f"no coefficient of {point}{of} holds at {utc_text(int(readings.starts[0]))}"
            raise DataError(told, field=f"{path}: start", hint="let its rows begin with the readings")
        grid[:, column] = np.array([found[point][start] for start in starts.tolist()])[rank]
    over = np.flatnonzero(grid.sum(axis=1) > MILLIONTHS)
    if over.size:
        total, at = grid[over[0]].sum() / MILLIONTHS, utc_text(int(readings.starts[over[0]]))
        told = f"coefficients{of.replace(' and', ' of')} add up to {total:.6f} at {at}"
        raise DataError(told, field=f"{path}: coefficient", hint="they may not exceed 1")
    return grid


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, int, str, int, str]]:
    """(line, start in ms UTC, EAN, millionths, producer where the columns have one)."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", field=str(path), hint="give a CSV file in UTF-8") from None
    reader = csv.reader(text.splitlines())
    if tuple(next(reader, ())) != tuple(columns):
        _fail(path, 1, ",".join(columns), "is not the first line", "begin with these columns")
    for cells in reader:
        line = reader.line_num
        if not cells:
            continue
        if len(cells) != len(columns):
            _fail(path, line, "row", f"has {len(cells)} cells, not {len(columns)}", "write decimal points, not commas")
        try:
            start = parse_start(cells[0])
        except ValueError as error:
            _fail(path, line, "start", str(error), "write it as 2026-03-01T00:15:00+01:00 or Z")
        part = cells[-1]
        if not _PART.fullmatch(part) or float(part) > 1:
            _fail(path, line, "coefficient", f"{part!r} is no part of 1", "from 0 to 1, up to six decimals: 0.123456")
        whole, _, decimals = part.partition(".")
        yield line, start, cells[-2], int(whole) * MILLIONTHS + int(decimals.ljust(6, "0")), cells[1]


def _fail(path: Path, line: int, column: str, told: str, hint: str) -> NoReturn:
    raise DataError(told, field=f"{path}:{line} {column}", hint=hint)
