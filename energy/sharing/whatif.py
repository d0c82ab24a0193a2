"""What if: another key, one member more, another roof. Changes readings; who gains what is the difference."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from energy.quarters import QUARTER_MS
from energy.sharing.fairness import Exact, point_totals
from energy.sharing.settlement import QuarterReadings, Settlement
from energy.sharing.whole import IntArray

__all__ = ["Gain", "gains", "with_points", "with_roof"]


@dataclass(frozen=True, slots=True)
class Gain:
    """What changes for one point, exact Wh over all settled quarter-hours; 0 before for a point that was not there."""

    point: str
    received_before_wh: Exact
    received_after_wh: Exact
    given_before_wh: Exact
    given_after_wh: Exact

    @property
    def received_wh(self) -> Exact:
        """Shared energy received more (negative: less)."""
        return self.received_after_wh - self.received_before_wh

    @property
    def given_wh(self) -> Exact:
        """Own injection shared more (negative: less)."""
        return self.given_after_wh - self.given_before_wh


def gains(before: Settlement, after: Settlement) -> tuple[Gain, ...]:
    """Of every point of either, by name."""
    old, new = ({total.point: total for total in point_totals(settled)} for settled in (before, after))
    return tuple(
        Gain(
            point,
            old[point].received_wh if point in old else 0,
            new[point].received_wh if point in new else 0,
            old[point].given_wh if point in old else 0,
            new[point].given_wh if point in new else 0,
        )
        for point in sorted({*old, *new})
    )


def with_points(readings: QuarterReadings, more: QuarterReadings) -> QuarterReadings:
    """With the points of `more` beside the others: members or roofs. Raises ValueError when they do not fit together.

    Quarter-hours that `more` does not have are unknown of its points.
    """
    if shared := {*readings.points} & {*more.points}:
        raise ValueError(f"{min(shared)} is there already")
    step = readings.starts[1] - readings.starts[0] if readings.starts.size > 1 else QUARTER_MS
    offset = (more.starts[0] - readings.starts[0]) // step
    rows = np.arange(more.starts.size) + offset
    inside = (rows >= 0) & (rows < readings.starts.size)
    if not inside.any():
        raise ValueError("the readings of the new points are of other days")
    points = tuple(sorted([*readings.points, *more.points]))
    order = [[*readings.points, *more.points].index(point) for point in points]

    def beside(values: IntArray, new: IntArray) -> IntArray:
        column = np.zeros((readings.starts.size, new.shape[1]), dtype=values.dtype)
        column[rows[inside]] = new[inside]
        return np.concatenate([values, column], axis=1)[:, order]

    return QuarterReadings(
        points,
        readings.starts,
        beside(readings.withdrawal, more.withdrawal),
        beside(readings.withdrawal_known, more.withdrawal_known),
        beside(readings.injection, more.injection),
        beside(readings.injection_known, more.injection_known),
    )


def with_roof(readings: QuarterReadings, point: str, production: IntArray) -> QuarterReadings:
    """With this production (Wh of each quarter-hour) behind a point's meter: its own withdrawal is covered first.

    Where the point's withdrawal is unknown it stays so, and its injection becomes unknown; a point that never withdraws
    injects all of it.
    """
    column = readings.points.index(point)
    withdrawal, injection = readings.withdrawal.copy(), readings.injection.copy()
    known = readings.withdrawal_known[:, column]
    if not known.any():
        known = np.ones_like(known)
    used = np.where(known, np.minimum(production, withdrawal[:, column]), 0)
    withdrawal[:, column] -= used
    injection[:, column] += np.where(known, production - used, 0)
    injects = readings.injection_known.copy()
    never = not injects[:, column].any()  # a point that only withdrew injects nothing but what is new
    injects[:, column] = known & (injects[:, column] | never)
    return replace(readings, withdrawal=withdrawal, injection=injection, injection_known=injects)
