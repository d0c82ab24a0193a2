"""Late readings of a closed month: who would be charged or paid otherwise, and the readings themselves as bytes to keep."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import msgspec
import numpy as np

from energy.quarters import QUARTER_MS
from energy.settlement.documents import corrections
from energy.settlement.lines import Side, Statement
from energy.sharing.settlement import QuarterReadings
from energy.sharing.whole import IntArray

__all__ = ["LateChange", "LatePoint", "brought_up", "changes", "late_points", "packed", "unpacked"]

_UNKNOWN: Final = -1


@dataclass(frozen=True, slots=True)
class LateChange:
    """What late readings change for a member on one side: shared energy, and euros with VAT."""

    member: str
    side: Side
    energy_wh: int
    gross: Decimal


@dataclass(frozen=True, slots=True)
class LatePoint:
    """Of how many quarter-hours a metering point's readings are others, and by how many Wh; an unknown one counts as 0."""

    point: str
    quarters: int
    withdrawal_wh: int
    injection_wh: int


def late_points(
    before: QuarterReadings, after: QuarterReadings, window: tuple[int, int]
) -> tuple[int, list[LatePoint]]:
    """(quarter-hours, points) of which anything is another in the window, as [start, end) in ms UTC."""
    both, starts = sorted({*before.points, *after.points}), np.arange(*window, QUARTER_MS, dtype=np.int64)
    old, new = _laid(before, both, starts), _laid(after, both, starts)
    other = (old != new).any(axis=0)
    moved = np.where(new == _UNKNOWN, 0, new) - np.where(old == _UNKNOWN, 0, old)
    quarters, sums = other.sum(axis=0), moved.sum(axis=1)
    found = [
        LatePoint(point, int(quarters[place]), int(sums[0, place]), int(sums[1, place]))
        for place, point in enumerate(both)
        if quarters[place]
    ]
    return int(other.any(axis=1).sum()), found


def brought_up(settled: QuarterReadings, first: QuarterReadings, now: QuarterReadings) -> QuarterReadings:
    """Settled readings with what meters tell `now` in the place of what they told at `first`.

    A reading that was unknown is taken, and one that was the meter's, to the Wh, and is another now. What else was settled
    by, an operator's reading or one by hand, stands.
    """
    laid = [_laid(each, settled.points, settled.starts) for each in (settled, first, now)]
    old, told, tells = laid
    restated = (told != _UNKNOWN) & (abs(old - told) <= 1) & (abs(tells - told) > 1)
    taken = (tells != _UNKNOWN) & ((old == _UNKNOWN) | restated)
    values = np.where(taken, tells, old)
    known = values != _UNKNOWN
    values[~known] = 0
    return QuarterReadings(settled.points, settled.starts, values[0], known[0], values[1], known[1])


def _laid(readings: QuarterReadings, points: Sequence[str], starts: IntArray) -> IntArray:
    """[direction, quarter-hour, point] in Wh on these quarter-hours and points; _UNKNOWN where nothing is known."""
    laid = np.full((2, len(starts), len(points)), _UNKNOWN, dtype=np.int64)
    _, own, theirs = np.intersect1d(readings.starts, starts, assume_unique=True, return_indices=True)
    columns = {point: column for column, point in enumerate(readings.points)}
    sides = ((readings.withdrawal, readings.withdrawal_known), (readings.injection, readings.injection_known))
    for place, point in enumerate(points):
        column = columns.get(point)
        if column is not None:
            for side, (energies, known) in enumerate(sides):
                laid[side, theirs, place] = np.where(known[own, column], energies[own, column], _UNKNOWN)
    return laid


def changes(before: Sequence[Statement], after: Sequence[Statement]) -> list[LateChange]:
    """Of everybody whose lines would be others."""
    return [_change(each.before, each.after) for each in corrections(before, after)]


def _change(before: Statement | None, after: Statement | None) -> LateChange:
    told = after or before
    assert told is not None
    return LateChange(told.member, told.side, _shared_wh(after) - _shared_wh(before), _gross(after) - _gross(before))


def _shared_wh(of: Statement | None) -> int:
    if of is None:
        return 0
    return of.energy.received_wh if of.side == "consumer" else of.energy.given_wh


def _gross(of: Statement | None) -> Decimal:
    return Decimal(0) if of is None else of.totals.gross


class _Head(msgspec.Struct, array_like=True):
    points: tuple[str, ...]
    first: int
    quarters: int


def packed(readings: QuarterReadings) -> bytes:
    """Readings in whole Wh, deflated."""
    head = msgspec.json.encode(_Head(readings.points, int(readings.starts[0]), readings.starts.size))
    energies = [np.ascontiguousarray(each, dtype="<i8").tobytes() for each in (readings.withdrawal, readings.injection)]
    known = [np.packbits(each).tobytes() for each in (readings.withdrawal_known, readings.injection_known)]
    return zlib.compress(b"".join([head, b"\n", *energies, *known]), 1)


def unpacked(body: bytes) -> QuarterReadings:
    """What was packed."""
    line, _, rest = zlib.decompress(body).partition(b"\n")
    head = msgspec.json.decode(line, type=_Head)
    shape = (head.quarters, len(head.points))
    size = shape[0] * shape[1]
    energies = np.frombuffer(rest, "<i8", 2 * size).astype(np.int64).reshape(2, *shape)
    bits = np.frombuffer(rest, np.uint8, offset=16 * size).reshape(2, -1)
    known = [np.unpackbits(each, count=size).astype(bool).reshape(shape) for each in bits]
    starts = head.first + np.arange(head.quarters, dtype=np.int64) * QUARTER_MS
    return QuarterReadings(head.points, starts, energies[0], known[0], energies[1], known[1])
