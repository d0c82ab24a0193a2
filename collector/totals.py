"""Days and months from quarter-hours: computed once they are over, and again whenever a quarter-hour of theirs changes.

A day is local to its community, so it has 92, 96 or 100 quarter-hours; a month is the sum of its days. Every quarter-hour
that is written marks its day, every day its month (storage/dirty.py), so late readings come through to both.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from collector.directory import Directory
from energy.quantities import GAUGES, Quality, worst
from energy.quarters import local_day, local_month
from runtime.clock import Clock
from runtime.outage import Outage
from runtime.worker import Worker
from storage.dirty import DirtyQuarters, Mark
from storage.history import (
    DEVICE_ENERGIES,
    SITE_ENERGIES,
    DeviceQuarter,
    History,
    Known,
    Period,
    SiteQuarter,
    Total,
)

__all__ = ["TotalsJob", "rolled_up"]

log = logging.getLogger(__name__)

_INTERVAL_S: Final = 30.0
_ENERGIES: Final = frozenset((*DEVICE_ENERGIES, *SITE_ENERGIES))

_Bounds = Callable[[int, str], tuple[int, int]]


class _Part(NamedTuple):
    """What goes into a total: a quarter-hour, or the total of a day."""

    quality: Quality
    known: Mapping[str, Known]
    last: Mapping[str, float | str]


def rolled_up(parts: Sequence[Mapping[str, Known]]) -> dict[str, Known]:
    """Energies added up, gauges averaged by the number of quarter-hours; what no part knows is left out."""
    sums: dict[str, list[float]] = {}
    for part in parts:
        for name, (value, quarters) in part.items():
            found = sums.setdefault(name, [0.0, 0])
            found[0] += value if name in _ENERGIES else value * quarters
            found[1] += quarters
    return {
        name: Known(total if name in _ENERGIES else total / quarters, int(quarters))
        for name, (total, quarters) in sums.items()
    }


class TotalsJob:
    """Computes the days and months that are marked and over, in a thread of its own."""

    def __init__(self, history: History, dirty: DirtyQuarters, directory: Directory, clock: Clock) -> None:
        self._history = history
        self._dirty = dirty
        self._directory = directory
        self._clock = clock
        self._outage = Outage(log, "days and months wait for the store: %s")
        self._worker = Worker("totals")
        self._begun = False

    async def run(self) -> None:
        """Computes what is due now and then, until cancelled."""
        while True:
            with self._outage:
                await self._worker.run(self.begin)
                for find, compute in ((self.due_days, self.compute_day), (self.due_months, self.compute_month)):
                    for mark in await self._worker.run(find):
                        await self._worker.run(compute, mark)
            await self._clock.sleep(_INTERVAL_S * self._clock.speed)

    def begin(self) -> None:
        """Marks every day of the sites that have quarter-hours and no day yet: written by an earlier version, or moved."""
        if self._begun:
            return
        now_ms = self._clock.now_ms()
        for site in self._directory.sites():
            timezone = self._directory.timezone_of(site)
            if timezone and not self._history.site_totals(Period.DAY, [site], 0, now_ms):
                quarters = self._history.site_quarters([site], 0, now_ms)
                self._dirty.days.mark({(site, local_day(quarter.start, timezone)[0]) for quarter in quarters})
        self._begun = True

    def due_days(self) -> list[Mark]:
        """Marked days that are over and of which no quarter-hour waits to be computed; newest first."""
        return self._due(self._dirty.days.pending(), self._dirty.pending(), local_day)

    def due_months(self) -> list[Mark]:
        """Marked months that are over and of which no day waits to be computed; newest first."""
        return self._due(self._dirty.months.pending(), self._dirty.days.pending(), local_month)

    def compute_day(self, mark: Mark) -> None:
        """Computes and stores one day, marks its month, then takes the mark away. Blocks. Raises StoreError."""
        start, end = self._bounds(mark, local_day)
        self._roll_up_day(mark.site, start, end)
        if timezone := self._directory.timezone_of(mark.site):
            self._dirty.months.mark([(mark.site, local_month(start, timezone)[0])])
        self._dirty.days.clear([mark])

    def compute_month(self, mark: Mark) -> None:
        """Computes and stores one month from its days, then takes the mark away. Blocks. Raises StoreError."""
        start, end = self._bounds(mark, local_month)
        self._fill_up(mark.site, start, end)
        found: dict[str | None, list[_Part]] = {
            None: [_of_total(day) for day in self._history.site_totals(Period.DAY, [mark.site], start, end)]
        }
        for device in self._devices(mark.site):
            found[device] = [_of_total(day) for day in self._history.device_totals(Period.DAY, device, start, end)]
        self._store(Period.MONTH, mark.site, start, end, found)
        self._dirty.months.clear([mark])

    def _roll_up_day(self, site: str, start: int, end: int) -> None:
        found: dict[str | None, list[_Part]] = {
            None: [_of_site(quarter) for quarter in self._history.site_quarters([site], start, end)]
        }
        for device in self._devices(site):
            found[device] = [_of_device(quarter) for quarter in self._history.device_quarters(device, start, end)]
        self._store(Period.DAY, site, start, end, found)

    def _fill_up(self, site: str, start: int, end: int) -> None:
        """Computes the days of a month that have no total: another collector, which had the marks, may have died."""
        timezone = self._directory.timezone_of(site) or ""
        there = {day.start for day in self._history.site_totals(Period.DAY, [site], start, end)}
        while start < end:
            _, following = local_day(start, timezone)
            if start not in there:
                self._roll_up_day(site, start, following)
            start = following

    def _due(self, marks: Sequence[Mark], parts: Sequence[Mark], bounds: _Bounds) -> list[Mark]:
        now_ms = self._clock.now_ms()
        waiting: dict[str, list[int]] = {}
        for part in reversed(parts):
            waiting.setdefault(part.site, []).append(part.start)
        due = []
        for mark in marks:
            start, end = self._bounds(mark, bounds)
            of_site = waiting.get(mark.site, [])
            if start < end <= now_ms and bisect_left(of_site, start) == bisect_left(of_site, end):
                due.append(mark)
        return due

    def _bounds(self, mark: Mark, bounds: _Bounds) -> tuple[int, int]:
        """The day or month of a mark; empty where the site is in no community of ours (any more)."""
        timezone = self._directory.timezone_of(mark.site)
        return bounds(mark.start, timezone) if timezone else (mark.start, mark.start)

    def _devices(self, site: str) -> list[str]:
        known = [*self._directory.devices_of(site), *self._directory.extras_of(site)]
        return [tags.device for tags in known if tags.role]

    def _store(
        self, period: Period, site: str, start: int, end: int, found: Mapping[str | None, Sequence[_Part]]
    ) -> None:
        community = self._directory.community_of(site) or ""
        totals = [
            Total(
                community=community,
                site=site,
                device=device,
                start=start,
                end=end,
                quality=worst(*(part.quality for part in parts)),
                known=rolled_up([part.known for part in parts]),
                last={name: value for part in parts for name, value in part.last.items()},
            )
            for device, parts in found.items()
            if parts
        ]
        self._history.write_totals(period, totals)


def _of_site(quarter: SiteQuarter) -> _Part:
    return _Part(quarter.quality, _energies(quarter, SITE_ENERGIES), {})


def _of_device(quarter: DeviceQuarter) -> _Part:
    gauges = {n: Known(v, 1) for n, v in quarter.values.items() if n in GAUGES and not isinstance(v, str)}
    last = {name: value for name, value in quarter.values.items() if name not in gauges}
    return _Part(quarter.quality, _energies(quarter, DEVICE_ENERGIES) | gauges, last)


def _of_total(day: Total) -> _Part:
    return _Part(day.quality, day.known, day.last)


def _energies(quarter: SiteQuarter | DeviceQuarter, names: Sequence[str]) -> dict[str, Known]:
    return {name: Known(value, 1) for name in names if (value := getattr(quarter, name)) is not None}
