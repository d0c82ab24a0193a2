"""Settled quarter-hours to whole Wh of each member and metering point: sums of integers, so nothing is lost in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from energy.errors import DataError
from energy.quantities import Quality
from energy.sharing.settlement import QUALITIES, Settlement
from energy.sharing.whole import IntArray, Mask

__all__ = ["Tenure", "Volume", "volumes"]


@dataclass(frozen=True, slots=True)
class Tenure:
    """A metering point in the name of a member during [since, until), ms UTC; None: open."""

    point: str
    member: str
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Volume:
    """A member's energy at one metering point, Wh. `estimated`: of so many of its quarter-hours the result is not measured."""

    member: str
    point: str
    withdrawal_wh: int
    received_wh: int
    injection_wh: int
    given_wh: int
    quarters: int
    estimated: int


def volumes(settlements: Sequence[Settlement], tenures: Sequence[Tenure]) -> tuple[Volume, ...]:
    """Of every tenure with settled quarter-hours, by member and point.

    `settlements` follow each other in time, one for each key that was in force. Raises DataError when somebody
    received or gave energy at a point, or at a time, that is nobody's.
    """
    found = []
    for tenure in sorted(tenures, key=lambda each: (each.member, each.point, each.since or 0)):
        parts = [_of(settlement, tenure) for settlement in settlements]
        sums = np.sum([part for part in parts if part is not None] or [[0] * 6], axis=0).tolist()
        if sums[4]:
            found.append(Volume(tenure.member, tenure.point, *sums))
    _check_complete(settlements, found, tenures)
    return tuple(found)


def _of(settlement: Settlement, tenure: Tenure) -> list[int] | None:
    readings = settlement.readings
    if tenure.point not in readings.points:
        return None
    column = readings.points.index(tenure.point)
    rows = _within(settlement, tenure) & ~settlement.held & settlement.takes_part[:, column]
    measured = QUALITIES.index(Quality.MEASURED)

    def total(values: IntArray) -> int:
        return int(values[rows, column].sum())

    return [
        total(readings.withdrawal),
        total(settlement.received),
        total(readings.injection),
        total(settlement.given),
        int(rows.sum()),
        int((settlement.quality[rows, column] != measured).sum()),
    ]


def _within(settlement: Settlement, tenure: Tenure) -> Mask:
    starts = settlement.readings.starts
    rows: Mask = np.ones(starts.size, dtype=bool)
    if tenure.since is not None:
        rows &= starts >= tenure.since
    if tenure.until is not None:
        rows &= starts < tenure.until
    return rows


def _check_complete(settlements: Sequence[Settlement], found: Sequence[Volume], tenures: Sequence[Tenure]) -> None:
    shared = sum(int(settlement.received[~settlement.held].sum()) for settlement in settlements)
    received, given = sum(volume.received_wh for volume in found), sum(volume.given_wh for volume in found)
    if shared == received == given:
        return
    owned = {tenure.point for tenure in tenures}
    lost = sorted({point for settlement in settlements for point in settlement.readings.points} - owned)
    raise DataError(
        f"{shared} Wh were shared, members received {received} and gave {given}: "
        + (
            f"{lost[0]} belongs to no member"
            if lost
            else "a metering point belongs to none, or to two, for a part of the time"
        ),
        field="metering_points",
        hint="give every point of the readings to a member on all its days",
    )
