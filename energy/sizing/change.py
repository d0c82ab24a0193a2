"""Readings with a candidate behind one point's meter: more PV, a battery, or both."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

import numpy as np

from energy.sharing.settlement import QuarterReadings
from energy.sharing.whatif import with_roof
from energy.sharing.whole import IntArray, Mask
from energy.sizing.store import Store, StoreCourse, run_store

__all__ = ["Serves", "surplus_of", "with_battery", "with_point", "with_production", "with_store"]


class Serves(StrEnum):
    """Whose surplus a battery takes and whose deficit it covers."""

    SITE = "site"
    COMMUNITY = "community"


def with_point(readings: QuarterReadings, point: str) -> QuarterReadings:
    """With a point that so far neither withdraws nor injects, where there is none of that name: a roof of its own."""
    if point in readings.points:
        return readings
    place = sum(other < point for other in readings.points)
    points = (*readings.points[:place], point, *readings.points[place:])

    def beside(values: IntArray, new: int) -> IntArray:
        column = np.full((len(values), 1), new, dtype=values.dtype)
        return np.concatenate([values[:, :place], column, values[:, place:]], axis=1)

    return replace(
        readings,
        points=points,
        withdrawal=beside(readings.withdrawal, 0),
        withdrawal_known=beside(readings.withdrawal_known, 0),
        injection=beside(readings.injection, 0),
        injection_known=beside(readings.injection_known, 1),
    )


def with_production(readings: QuarterReadings, point: str, production: IntArray) -> QuarterReadings:
    """With this production (Wh) at a point, its own withdrawal covered first; without any they are the same readings."""
    return with_roof(readings, point, production) if production.any() else readings


def surplus_of(readings: QuarterReadings) -> tuple[IntArray, Mask]:
    """(Wh that all points together inject more than they withdraw, where all that this takes is known)."""
    surplus = readings.injection.sum(axis=1) - readings.withdrawal.sum(axis=1)
    told = [known | ~known.any(axis=0) for known in (readings.withdrawal_known, readings.injection_known)]
    return surplus, np.asarray((told[0] & told[1]).all(axis=1))


def with_store(readings: QuarterReadings, point: str, course: StoreCourse) -> QuarterReadings:
    """With a battery's course at the point: it takes of its own injection first, else from the grid; it gives likewise."""
    column = readings.points.index(point)
    withdrawal, injection = readings.withdrawal.copy(), readings.injection.copy()
    own_in = np.minimum(course.charged, injection[:, column])
    own_out = np.minimum(course.discharged, withdrawal[:, column])
    injection[:, column] += course.discharged - own_out - own_in
    withdrawal[:, column] += course.charged - own_in - own_out
    takes, gives = readings.withdrawal_known.copy(), readings.injection_known.copy()
    takes[:, column] = _known_after(takes[:, column], withdrawal[:, column])
    gives[:, column] = _known_after(gives[:, column], injection[:, column])
    return replace(readings, withdrawal=withdrawal, injection=injection, withdrawal_known=takes, injection_known=gives)


def with_battery(readings: QuarterReadings, point: str, store: Store) -> QuarterReadings:
    """With a battery at the point that takes what nobody could use, and gives when all together have too little.

    It rests in a quarter-hour of which anything is unknown.
    """
    surplus, known = surplus_of(readings)
    return with_store(readings, point, run_store(store, np.where(known, surplus, 0)))


def _known_after(known: Mask, values: IntArray) -> Mask:
    """A direction that the point did not have before is known from now on, and was 0 where the battery rests."""
    return known if known.any() or not values.any() else np.ones_like(known)
