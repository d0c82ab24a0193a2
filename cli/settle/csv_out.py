"""The settled quarter-hours as the out CSV, block by block, so that its memory does not grow with the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from cli.settle.arrow import looked_up, strings
from cli.settle.readings import ReadingsFile
from energy.sharing.settlement import QUALITIES, Direction, QuarterReadings, Settlement
from energy.sharing.whole import IntArray, Mask

__all__ = ["OUT_COLUMNS", "settled_blocks"]

OUT_COLUMNS: Final = (
    "ean",
    "start",
    "withdrawal_kwh",
    "injection_kwh",
    "received_kwh",
    "residual_kwh",
    "given_kwh",
    "surplus_kwh",
    "quality",
)
_BLOCK_CELLS: Final = 1 << 18  # rows written at a time
_FINE: Final = 10**9  # parts of a Wh that are printed at resolution 0: 12 decimals of a kWh
_TABLE_SIZE: Final = 1 << 15  # texts looked up instead of made: 33 kWh in a quarter-hour, 131 kW
_OPTIONS: Final = arrow_csv.WriteOptions(include_header=False, quoting_style="none")


def settled_blocks(file: ReadingsFile, settlement: Settlement) -> Iterator[bytes]:
    """The out CSV, by start and EAN, without the quarter-hours that are held back."""
    yield (",".join(OUT_COLUMNS) + "\n").encode()
    block_of = _Blocks(file, settlement)
    quarters, points = settlement.held.size, len(settlement.readings.points)
    step = max(1, _BLOCK_CELLS // max(1, points))
    for first in range(0, quarters, step):
        sink = pa.BufferOutputStream()
        arrow_csv.write_csv(block_of.rows(slice(first, first + step)), sink, _OPTIONS)
        yield sink.getvalue()


@dataclass(frozen=True, slots=True)
class _Direction:
    """One direction of the readings: where it was read or filled by the key, and which points have it at all."""

    values: IntArray
    told: Mask
    ever: Mask


class _Blocks:
    """Makes the rows of some quarter-hours."""

    def __init__(self, file: ReadingsFile, settlement: Settlement) -> None:
        self._file, self._settlement = file, settlement
        readings = settlement.readings
        self._eans, self._starts = strings(readings.points), file.starts
        self._qualities = strings([quality.value for quality in QUALITIES])
        self._kwh = _Kwh.of(readings)
        self._withdrawal = _direction(settlement, Direction.WITHDRAWAL)
        self._injection = _direction(settlement, Direction.INJECTION)
        self._concerned = np.array(settlement.roster.receives) | self._injection.ever

    def rows(self, block: slice) -> pa.Table:
        settlement = self._settlement
        present = self._concerned | (self._file.lines[block] > 0)
        shown = settlement.takes_part[block] & ~settlement.held[block, None] & present
        rows, columns = shown.nonzero()
        cells = [
            looked_up(self._eans, columns),
            looked_up(strings(self._starts[block]), rows),
            *self._energies(block, shown),
            looked_up(self._qualities, settlement.quality[block][shown]),
        ]
        return pa.table(cells, names=list(OUT_COLUMNS))

    def _energies(self, block: slice, shown: Mask) -> Iterator[pa.Array]:
        parts = (self._settlement.received, self._settlement.given)
        told, rests = [], []
        for direction, part in zip((self._withdrawal, self._injection), parts, strict=True):
            value = self._kwh.printed(direction.values[block][shown])
            given = self._kwh.printed(part[block][shown])
            known = direction.told[block]
            told.append(self._kwh.texts(value, known[shown]))
            rests.append((self._kwh.texts(given), self._kwh.texts(value - given, (known | ~direction.ever)[shown])))
        yield from told
        for own, rest in rests:
            yield own
            yield rest


def _direction(settlement: Settlement, direction: Direction) -> _Direction:
    readings = settlement.readings
    withdrawal = direction is Direction.WITHDRAWAL
    told: Mask = readings.withdrawal_known if withdrawal else readings.injection_known
    filled = [missing for missing in settlement.filled if missing.direction is direction]
    if filled:
        told = told.copy()
        told[[missing.row for missing in filled], [missing.column for missing in filled]] = True
    return _Direction(readings.withdrawal if withdrawal else readings.injection, told, np.asarray(told.any(axis=0)))


class _Kwh:
    """Numbers of the last printed decimal as texts of kWh. At resolution 0 they are rounded to it."""

    def __init__(self, *, exact: bool, table_size: int) -> None:
        self._exact, self._decimals = exact, 12 if exact else 3
        self._table_size = table_size
        self._table = strings(self._written(range(table_size)))

    @classmethod
    def of(cls, readings: QuarterReadings) -> _Kwh:
        """For readings and their parts: none of these is larger than the largest reading."""
        if readings.withdrawal.dtype == object:
            return cls(exact=True, table_size=0)
        largest = max(int(values.max(initial=0)) for values in (readings.withdrawal, readings.injection))
        return cls(exact=False, table_size=min(_TABLE_SIZE, largest + 1))

    def printed(self, values: IntArray) -> IntArray:
        """The values as integers of the last printed decimal, so that differences of printed numbers stay exact."""
        return np.array([round(value * _FINE) for value in values.tolist()], dtype=object) if self._exact else values

    def texts(self, printed: IntArray, told: Mask | None = None) -> pa.DictionaryArray:
        """Their texts; null, which is written as an empty cell, where not told."""
        if self._table_size and int(printed.max(initial=0)) < self._table_size:
            return looked_up(self._table, printed, told)
        distinct, codes = np.unique(printed, return_inverse=True)
        return looked_up(strings(self._written(distinct.tolist())), codes, told)

    def _written(self, printed: Iterable[int]) -> list[str]:
        unit = 10**self._decimals
        return [f"{value // unit}.{value % unit:0{self._decimals}d}" for value in printed]
