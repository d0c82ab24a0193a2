"""The chargers of a community over the case: who is plugged in at each step, and what a controller's powers deliver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from energy.dispatch.charging import Cars
from energy.dispatch.program import CarTable
from energy.dispatch.storage import Floats

__all__ = ["Delivery", "Hubs"]

Ints = npt.NDArray[np.int64]

_SURELY_EUR_KWH: Final = 1000.0  # dearer than any peak: in hindsight every car gets its energy


@dataclass(frozen=True, slots=True)
class Hubs:
    """Hubs (sites with chargers) and all sessions by arrival. Times in steps since the start of the case.

    `site`, `meter`, `limit_kw` (infinite: none) have an entry per hub; the rest one per session. `clock_h` is the local time of
    day of the arrival; `declared_h` the declared stay, NaN when none was declared.
    """

    site: Ints
    meter: Ints
    limit_kw: Floats
    hub: Ints
    arrival: Floats
    departure: Floats
    clock_h: Floats
    declared_h: Floats
    asked_kwh: Floats
    least_kw: Floats
    most_kw: Floats

    def __bool__(self) -> bool:
        """Whether there are any chargers."""
        return len(self.site) > 0

    def at_once_kwh(self, hours: float) -> Floats:
        """What each session would get at most: charged at its highest power from arrival to departure."""
        return np.asarray(np.minimum(self.asked_kwh, self.most_kw * (self.departure - self.arrival) * hours))

    def behind(self, meter: int) -> Ints:
        """The hubs behind a meter."""
        return np.flatnonzero(self.meter == meter)

    def there(self, step: int) -> tuple[Ints, Floats]:
        """Sessions that are plugged in during a step, and in which part of it."""
        last = int(np.searchsorted(self.arrival, step + 1))
        which = np.flatnonzero(self.departure[:last] > step)
        part = np.minimum(self.departure[which], step + 1) - np.maximum(self.arrival[which], step)
        return which, np.asarray(part)

    def cars(self, which: Ints, missing_kwh: Floats, step: int, hours: float, hubs: Ints) -> Cars:
        """What a controller sees of the sessions `which` at a step; their hubs are numbered by their places in `hubs`."""
        return Cars(
            hub=np.searchsorted(hubs, self.hub[which]),
            asked_kwh=self.asked_kwh[which],
            missing_kwh=missing_kwh[which],
            least_kw=self.least_kw[which],
            most_kw=self.most_kw[which],
            clock_h=self.clock_h[which],
            stayed_h=np.maximum(step - self.arrival[which], 0.0) * hours,
            declared_h=self.declared_h[which],
        )

    def in_hindsight(self, meter: int, steps: int, hours: float) -> CarTable:
        """All sessions behind a meter as they were, to be charged in full as far as charging at once could."""
        which = np.flatnonzero(self.meter[self.hub] == meter)
        first, last = self.arrival[which].astype(np.int64), np.ceil(self.departure[which]).astype(np.int64)
        counts = np.minimum(last, steps) - first
        car = np.repeat(np.arange(len(which)), counts)
        step = np.arange(len(car)) - np.repeat(np.cumsum(counts) - counts - first, counts)
        part = np.minimum(self.departure[which][car], step + 1) - np.maximum(self.arrival[which][car], step)
        hubs = self.behind(meter)
        return CarTable(
            car,
            step,
            self.most_kw[which][car] * part,
            np.ones(len(car)),
            self.at_once_kwh(hours)[which],
            np.full(len(which), _SURELY_EUR_KWH),
            np.searchsorted(hubs, self.hub[which]),
            self.limit_kw[hubs],
        )


class Delivery:
    """What a controller's powers deliver, step by step. `hub_kw` (steps, hubs) and `missing_kwh` of each session."""

    def __init__(self, hubs: Hubs, steps: int, hours: float) -> None:
        self._hubs = hubs
        self._hours = hours
        self.hub_kw = np.zeros((steps, len(hubs.site)))
        self.missing_kwh = hubs.asked_kwh.copy()
        self._by_departure = np.argsort(hubs.departure, kind="stable")
        self._gone = 0

    def take(self, meter: int, table: CarTable, drawn_kw: Floats) -> None:
        """Takes a schedule of all sessions behind a meter, made with `Hubs.in_hindsight`."""
        hubs = self._hubs
        which = np.flatnonzero(hubs.meter[hubs.hub] == meter)
        np.subtract.at(self.missing_kwh, which[table.car], drawn_kw * self._hours)
        np.add.at(self.hub_kw, (table.step, hubs.hub[which][table.car]), drawn_kw)

    def step(self, step: int, control: Callable[[Cars, Ints, int], Floats], left: Callable[[int, float], None]) -> None:
        """`control` gives the power of each car of a meter (cars, hubs behind it, meter); `left` hears of those that went.

        A power holds as long as the car is plugged in and not full.
        """
        hubs = self._hubs
        while self._gone < len(hubs.departure) and hubs.departure[self._by_departure[self._gone]] <= step:
            session = int(self._by_departure[self._gone])
            left(session, float(self.missing_kwh[session]))
            self._gone += 1
        which, part = hubs.there(step)
        for meter in np.unique(hubs.meter):
            behind = hubs.behind(int(meter))
            here = np.isin(hubs.hub[which], behind)
            these = which[here]
            power = control(hubs.cars(these, self.missing_kwh, step, self._hours, behind), behind, int(meter))
            taken = np.minimum(power * part[here] * self._hours, self.missing_kwh[these])
            self.missing_kwh[these] -= taken
            np.add.at(self.hub_kw[step], hubs.hub[these], taken / self._hours)
