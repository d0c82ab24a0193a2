"""Late readings of a closed month: who would be charged or paid otherwise, and the readings themselves as bytes to keep."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import msgspec
import numpy as np

from energy.quarters import QUARTER_MS
from energy.settlement.documents import corrections
from energy.settlement.lines import Side, Statement
from energy.sharing.settlement import QuarterReadings

__all__ = ["LateChange", "changes", "packed", "unpacked"]


@dataclass(frozen=True, slots=True)
class LateChange:
    """What late readings change for a member on one side: shared energy, and euros with VAT."""

    member: str
    side: Side
    energy_wh: int
    gross: Decimal


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
