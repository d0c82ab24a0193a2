"""Quarter-hours from raw readings: a pure function of what is stored, computed again whenever that changes.

The energy of a device in [start, end) leans on the readings inside and on the nearest one on either side that tells
the quantity, among the `REACH` readings next to the interval. A meter whose counter is missing for longer than that has
no counter there, and its power counts. So the result is the same whatever order, repetition or pause the readings came
in, as long as every quarter-hour that leans on a new reading is computed again (collector/marks.py, `_neighbours`);
those before a late reading when the quarter-hour it is in is over.
"""

from __future__ import annotations

import logging
import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from collector.directory import Directory
from collector.marks import LONGEST_GAP_MS, METERED, Marker
from collector.metrics import Metrics
from energy.metering import DeviceSamples, Energy, Sample, device_energy, directions, site_energy, steady
from energy.quantities import GAUGES, Quality, Role, rank, worst
from energy.quarters import QUARTER_MS, local_day, quarter_starts
from runtime.clock import Clock
from runtime.outage import Outage
from runtime.worker import Worker
from storage.dirty import DirtyQuarters, Mark
from storage.history import Columns, DeviceQuarter, DeviceTags, History, Row, SiteQuarter, number_of

__all__ = ["REACH", "QuarterJob", "Rows", "energy_of", "values_of"]

log = logging.getLogger(__name__)

_MANY: Final = 4
REACH: Final = 4  # readings looked at on either side of an interval
_RUN: Final = 32  # quarter-hours computed in one go: live must never wait long for the interpreter
_GRACE_MS: Final = 120_000  # a quarter-hour is due this long after its end even when the site is silent
_ROUND_S: Final = 5.0  # then look again for newer work

_POWER: Final = METERED[0]


@dataclass(frozen=True, slots=True)
class Rows:
    """Readings of one device by time: those of a span and the `REACH` next to it on both sides.

    `columns`: the values of each of METERED, NaN where a reading has none.
    """

    t: Sequence[int]
    columns: Mapping[str, Sequence[float]]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Rows:
        """From readings by time."""
        columns = {name: array("d", [number_of(row, name) for row in rows]) for name in METERED}
        return cls(array("q", [row.t for row in rows]), columns)

    @classmethod
    def around(cls, before: Sequence[Row], inside: Columns, after: Sequence[Row]) -> Rows:
        """From readings by time, most of them in columns."""
        first, last = cls.of(before), cls.of(after)
        unknown = array("d", [math.nan]) * len(inside.t)
        return cls(
            array("q", [*first.t, *inside.t, *last.t]),
            {
                name: array("d", [*first.columns[name], *inside.numbers.get(name, unknown), *last.columns[name]])
                for name in METERED
            },
        )


def energy_of(role: Role, rows: Rows, start: int, end: int) -> tuple[Energy, Energy]:
    """(import, export) of a device in [start, end), from the readings around it."""
    first = bisect_right(rows.t, start) - 1
    last = bisect_left(rows.t, end)
    low, high = max(0, first - REACH + 1), last + REACH
    power_name, *counter_names = _needed(role)
    found = {name: _counter_around(rows, name, low, high, start, end) for name in counter_names}
    counters: dict[str, Sequence[Sample]] = {name: samples for name, samples in found.items() if samples}
    if len(counters) == len(counter_names):
        imported, exported = device_energy(role, DeviceSamples(power=(), counters=counters), start, end)
        if imported.wh is not None and exported.wh is not None:
            return imported, exported  # whole counters: power, of which there is much, need not be looked at
    power = _around(rows, power_name, low, high, start, end)
    return device_energy(role, DeviceSamples(power=power, counters=counters), start, end)


def values_of(told: Columns, start: int, end: int) -> dict[str, float | str]:
    """What a device told in [start, end): gauges as mean, counters and texts as the last."""
    inside = slice(bisect_left(told.t, start), bisect_left(told.t, end))
    found: dict[str, float | str] = {}
    for name, column in told.numbers.items():
        values = column[inside]
        total = sum(values)
        if math.isnan(total):
            values = array("d", [value for value in values if not math.isnan(value)])
            total = sum(values)
        if values:
            found[name] = total / len(values) if name in GAUGES else values[-1]
    for name, texts in told.texts.items():
        known = [text for text in texts[inside] if text is not None]
        if known:
            found[name] = known[-1]
    return found


@cache
def _needed(role: Role | None) -> tuple[str, ...]:
    """What the energy of a role is computed from: power, then its counters."""
    if role is None:
        return (_POWER,)
    return (_POWER, *(direction.counter for direction in directions(role) if direction is not None))


def _around(rows: Rows, name: str, low: int, high: int, start: int, end: int) -> list[Sample]:
    """The samples of one quantity in [start, end], with the nearest one on either side."""
    times, values = rows.t[low:high], rows.columns[name][low:high]
    if math.isnan(sum(values)):
        told = [(t, value) for t, value in zip(times, values, strict=True) if not math.isnan(value)]
        times, values = [t for t, _ in told], [value for _, value in told]
    first = max(0, bisect_right(times, start) - 1)
    last = bisect_left(times, end)
    return [Sample(times[at], values[at]) for at in range(first, min(last + 1, len(times)))]


def _counter_around(rows: Rows, name: str, low: int, high: int, start: int, end: int) -> list[Sample]:
    """The same of a counter; of many that only rise those at the ends, which say as much."""
    high = min(high, len(rows.t))
    inner_low, inner_high = bisect_left(rows.t, start, low, high), bisect_right(rows.t, end, low, high)
    if inner_high - inner_low < _MANY:
        return _around(rows, name, low, high, start, end)
    times, values = rows.t[inner_low:inner_high], rows.columns[name][inner_low:inner_high]
    if not steady(times, values):
        return _around(rows, name, low, high, start, end)
    before = _around(rows, name, low, inner_low + 1, start, start)
    after = _around(rows, name, inner_high - 1, high, end, end)
    return [*before, *after]


@dataclass(frozen=True, slots=True)
class _Run:
    """Consecutive quarter-hours of one site."""

    site: str
    marks: tuple[Mark, ...]

    @property
    def start(self) -> int:
        return self.marks[0].start

    @property
    def end(self) -> int:
        return self.marks[-1].start + QUARTER_MS


class QuarterJob:
    """Computes what is marked dirty and due, newest first, in a thread of its own."""

    def __init__(
        self,
        history: History,
        dirty: DirtyQuarters,
        directory: Directory,
        marker: Marker,
        metrics: Metrics,
        clock: Clock,
        *,
        interval_s: float = 5.0,
        on_written: Callable[[Sequence[SiteQuarter]], None] = lambda _: None,
    ) -> None:
        self._history = history
        self._dirty = dirty
        self._directory = directory
        self._marker = marker
        self._metrics = metrics
        self._clock = clock
        self._interval_s = interval_s
        self._on_written = on_written
        self._worker = Worker("quarters")
        self._outage = Outage(log, "quarter-hours wait for the store: %s")

    async def run(self) -> None:
        """Computes what is due every `interval_s`, until cancelled."""
        while True:
            with self._outage:
                while await self._round():
                    pass
            self._metrics.dirty.set(len(self._dirty))
            await self._clock.sleep(self._interval_s * self._clock.speed)

    def due(self) -> list[_Run]:
        """Runs of quarter-hours that can be computed now, newest first."""
        now_ms = self._clock.now_ms()
        by_site: dict[str, list[Mark]] = {}
        for mark in self._dirty.pending():
            newest = self._marker.newest_of_site(mark.site) or 0
            if mark.start + QUARTER_MS <= max(newest, now_ms - _GRACE_MS):
                by_site.setdefault(mark.site, []).append(mark)
        runs = [
            _Run(site, tuple(reversed(marks)))
            for site, found in by_site.items()
            if self._directory.devices_of(site)  # a community that is not ours (any more) is left as it stands
            for marks in _consecutive(found)
        ]
        return sorted(runs, key=lambda run: -run.end)

    def compute(self, run: _Run) -> list[SiteQuarter]:
        """Computes and stores one run, then takes its marks away. Blocks. Raises StoreError."""
        counted = self._directory.devices_of(run.site)
        extras = self._directory.extras_of(run.site)
        told = {tags.device: self._history.columns(tags.device, run.start, run.end) for tags in [*counted, *extras]}
        rows = {tags.device: self._around(tags, told[tags.device], run) for tags in [*counted, *extras]}
        devices: list[DeviceQuarter] = []
        sites: list[SiteQuarter] = []
        for mark in run.marks:
            energies = {
                tags.device: energy_of(tags.role, rows[tags.device], mark.start, mark.start + QUARTER_MS)
                for tags in [*counted, *extras]
                if tags.role is not None
            }
            devices.extend(
                _device_quarter(tags, mark.start, energies, told[tags.device])
                for tags in [*counted, *extras]
                if tags.role
            )
            sites.append(self._site_quarter(run.site, mark.start, counted, energies))
        if run.start - LONGEST_GAP_MS < self._history.kept_since(self._clock.now_ms()):
            devices, sites = self._no_worse(devices, sites, run)
        self._history.write_quarters(devices, sites)
        if timezone := self._directory.timezone_of(run.site):
            self._dirty.days.mark({(run.site, local_day(mark.start, timezone)[0]) for mark in run.marks})
        late = [mark for mark in run.marks if mark.late]
        for found in rows.values():
            self._dirty.mark((run.site, start) for start in _neighbours(found, late, run))
        self._dirty.clear(run.marks)
        return sites

    async def _round(self) -> bool:
        """Works on what is due for a few seconds; True when there is more."""
        runs = await self._worker.run(self.due)
        until = self._clock.monotonic() + _ROUND_S * self._clock.speed
        for done, run in enumerate(runs, start=1):
            written = await self._worker.run(self.compute, run)
            self._metrics.quarters.inc(len(written))
            self._metrics.dirty.set(len(self._dirty))
            self._on_written(written)
            if self._clock.monotonic() > until:
                return done < len(runs)
        return False

    def _around(self, tags: DeviceTags, inside: Columns, run: _Run) -> Rows:
        """Readings of the run and those next to it, as far as a quarter-hour may lean on them."""
        device, names, start, end = tags.device, _needed(tags.role), run.start, run.end
        before: list[Row] = []
        while len(before) < REACH and not _tells(before, names):
            row = self._history.before(device, before[-1].t if before else start)
            if row is None or row.t < start - LONGEST_GAP_MS:
                break
            before.append(row)
        after: list[Row] = []
        while len(after) < REACH and not _tells(after, names):
            row = self._history.after(device, after[-1].t + 1 if after else end)
            if row is None or row.t > end + LONGEST_GAP_MS:
                break
            after.append(row)
        return Rows.around([*reversed(before)], inside, after)

    def _no_worse(
        self, devices: Sequence[DeviceQuarter], sites: Sequence[SiteQuarter], run: _Run
    ) -> tuple[list[DeviceQuarter], list[SiteQuarter]]:
        """Those that are known as well as what stands there: readings they were computed from may be gone by now."""
        names = {quarter.tags.device for quarter in devices}
        standing = {
            (quarter.tags.device, quarter.start): quarter.quality
            for name in names
            for quarter in self._history.device_quarters(name, run.start, run.end)
        }
        of_site = {q.start: q.quality for q in self._history.site_quarters([run.site], run.start, run.end)}
        return (
            [q for q in devices if rank(q.quality) <= rank(standing.get((q.tags.device, q.start), Quality.MISSING))],
            [q for q in sites if rank(q.quality) <= rank(of_site.get(q.start, Quality.MISSING))],
        )

    def _site_quarter(
        self, site: str, start: int, counted: Sequence[DeviceTags], energies: dict[str, tuple[Energy, Energy]]
    ) -> SiteQuarter:
        energy = site_energy([(tags.role, *energies[tags.device]) for tags in counted if tags.role is not None])
        return SiteQuarter(
            community=self._directory.community_of(site) or "",
            site=site,
            start=start,
            pv_wh=energy.pv_wh,
            import_wh=energy.import_wh,
            export_wh=energy.export_wh,
            charge_wh=energy.charge_wh,
            discharge_wh=energy.discharge_wh,
            consumption_wh=energy.consumption_wh,
            quality=energy.quality,
        )


def _device_quarter(
    tags: DeviceTags, start: int, energies: dict[str, tuple[Energy, Energy]], told: Columns
) -> DeviceQuarter:
    imported, exported = energies[tags.device]
    quality = worst(imported.quality, exported.quality)
    return DeviceQuarter(tags, start, imported.wh, exported.wh, quality, values_of(told, start, start + QUARTER_MS))


def _tells(rows: Sequence[Row], names: Sequence[str]) -> bool:
    return all(any(name in row.values for row in rows) for name in names)


def _consecutive(marks: Sequence[Mark]) -> Iterable[list[Mark]]:
    """Splits marks, newest first, where they do not follow each other and after `_RUN` of them."""
    run: list[Mark] = []
    for mark in marks:
        if run and (run[-1].start - QUARTER_MS != mark.start or len(run) == _RUN):
            yield run
            run = []
        run.append(mark)
    if run:
        yield run


def _neighbours(rows: Rows, late: Sequence[Mark], run: _Run) -> Iterable[int]:
    """Quarter-hours outside the run that lean on this device's late readings: those up to the readings around them.

    Only a device that has readings in a late quarter-hour can have got late ones.
    """
    inside = [index for mark in late for index in _indices(rows, mark.start, mark.start + QUARTER_MS)]
    if not inside:
        return
    before = rows.t[max(0, min(inside) - REACH)]
    after = rows.t[min(len(rows.t) - 1, max(inside) + REACH)]
    for start in quarter_starts(before, after + 1):
        if not run.start <= start < run.end:
            yield start


def _indices(rows: Rows, start: int, end: int) -> range:
    return range(bisect_left(rows.t, start), bisect_left(rows.t, end))
