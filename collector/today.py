"""Energy of sites and communities since local midnight: stored quarter-hours, then what has been read since.

The quarter-hour that runs, and one that just ended and is not stored yet, are computed from readings in memory with
the same function that computes the stored ones.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from collector.marks import METERED
from collector.quarters import REACH, Rows, energy_of
from energy.balance import self_sufficiency
from energy.metering import SiteEnergy, site_energy
from energy.quantities import Quality, Role, total, worst
from energy.quarters import QUARTER_MS, quarter_start
from storage.history import Row, SiteQuarter, number_of

__all__ = [
    "LONGEST_DAY_MS",
    "CommunityToday",
    "Parts",
    "Recent",
    "RunningQuarter",
    "SiteToday",
    "Today",
    "community_today",
    "site_today",
]

Parts = Mapping[int, SiteEnergy | None]
"""Energy of a site by start of quarter-hour; None: unknown."""

THIN_MS: Final = 10_000
LONGEST_DAY_MS: Final = 26 * 3_600_000  # the longest local day, 25 h, and a little


@dataclass(frozen=True, slots=True)
class RunningQuarter:
    """What a site took from the grid and gave to it in the quarter-hour that runs from `start`, as far as `until`.

    Instants in ms UTC, energies in Wh, None: unknown. `until` may lie before `start`: nothing of it has been read yet.
    """

    start: int
    until: int
    import_wh: float | None
    export_wh: float | None
    quality: Quality


@dataclass(frozen=True, slots=True)
class SiteToday:
    """Energy of a site since local midnight, Wh; None: some of it is unknown."""

    pv_wh: float | None
    import_wh: float | None
    export_wh: float | None
    charge_wh: float | None
    discharge_wh: float | None
    consumption_wh: float | None
    self_sufficiency: float | None
    quality: Quality


@dataclass(frozen=True, slots=True)
class CommunityToday:
    """Energy of a community since local midnight, Wh; import and export are the sums of its sites', before sharing."""

    pv_wh: float | None
    import_wh: float | None
    export_wh: float | None
    shared_wh: float | None
    consumption_wh: float | None
    self_sufficiency: float | None
    quality: Quality


class _Kept:
    """Readings of one device: kept ones `THIN_MS` apart or more, the newest of all, and from when on one is kept again."""

    __slots__ = ("columns", "due", "newest", "quarter", "t")

    def __init__(self) -> None:
        self.t = array("q")
        self.columns = {name: array("d") for name in METERED}
        self.newest: Row | None = None
        self.due = 0
        self.quarter = 0


class Recent:
    """The readings of each device since the quarter-hour before the running one, by time however they came.

    Of readings that follow each other faster than every `THIN_MS` some are left out: what they tell is replaced by the
    stored quarter-hour soon, and a thousand devices that are read every second fit into memory.
    """

    def __init__(self) -> None:
        self._devices: dict[str, _Kept] = {}

    def add(self, row: Row) -> None:
        """Takes a reading in; one that is known changes nothing."""
        kept = self._devices.get(row.tags.device)
        if kept is None:
            kept = self._devices[row.tags.device] = _Kept()
        newest = kept.newest
        if newest is not None and row.t <= newest.t:
            _insert(kept, row, bisect_left(kept.t, row.t))
            return
        kept.newest = row
        if row.t >= kept.due:
            _insert(kept, row, len(kept.t))
            kept.due = row.t + THIN_MS
            _drop_old(kept, quarter_start(row.t))

    def newest(self, device: str) -> int | None:
        """Time of the newest reading of `device`, ms UTC."""
        kept = self._devices.get(device)
        return kept.newest.t if kept is not None and kept.newest is not None else None

    def rows(self, device: str) -> Rows:
        """The readings of `device`, by time."""
        kept = self._devices.get(device)
        if kept is None or kept.newest is None:
            return Rows.of(())
        if kept.t[-1] == kept.newest.t:
            return Rows(kept.t, kept.columns)
        last = Rows.of((kept.newest,))
        return Rows(
            kept.t + array("q", last.t),
            {name: column + array("d", last.columns[name]) for name, column in kept.columns.items()},
        )


def _insert(kept: _Kept, row: Row, place: int) -> None:
    if place < len(kept.t) and (kept.t[place] == row.t or (place > 0 and row.t - kept.t[place - 1] < THIN_MS)):
        return
    kept.t.insert(place, row.t)
    for name, column in kept.columns.items():
        column.insert(place, number_of(row, name))


def _drop_old(kept: _Kept, quarter: int) -> None:
    """Once a quarter-hour: the readings before the last one, but for the nearest."""
    if quarter <= kept.quarter:
        return
    kept.quarter = quarter
    old = bisect_left(kept.t, quarter - QUARTER_MS) - REACH
    if old > 0:
        del kept.t[:old]
        for column in kept.columns.values():
            del column[:old]


class Today:
    """Stored quarter-hours of the last day by site, and the sums over them."""

    def __init__(self, recent: Recent) -> None:
        self._recent = recent
        self._stored: dict[str, dict[int, SiteEnergy]] = {}

    def written(self, quarters: Iterable[SiteQuarter]) -> None:
        """Takes quarter-hours that were stored in, replacing restated ones."""
        for quarter in quarters:
            self._stored.setdefault(quarter.site, {})[quarter.start] = _energy(quarter)

    def forget(self, now_ms: int) -> None:
        """Drops what no local day of now can need."""
        for quarters in self._stored.values():
            for start in [start for start in quarters if start < now_ms - LONGEST_DAY_MS]:
                del quarters[start]

    def parts(
        self, site: str, devices: Sequence[tuple[str, Role]], midnight: int, now_ms: int
    ) -> dict[int, SiteEnergy | None]:
        """Energy of a site by quarter-hour since `midnight`; the last one as far as it has been read."""
        stored = self._stored.get(site, {})
        parts: dict[int, SiteEnergy | None] = {}
        rows: dict[str, Rows] | None = None
        for start in range(midnight, now_ms, QUARTER_MS):
            quarter = stored.get(start)
            if quarter is not None:
                parts[start] = quarter
                continue
            if start < quarter_start(now_ms) - QUARTER_MS:
                parts[start] = None  # never computed: nobody was there to read
                continue
            if rows is None:
                rows = {device: self._recent.rows(device) for device, _ in devices}
            parts[start] = self._unstored(devices, rows, start)
        return parts

    def running(self, devices: Sequence[tuple[str, Role]], start: int) -> RunningQuarter | None:
        """The quarter-hour from `start` by the site's grid meters alone; None: it has none, or they told nothing yet."""
        rows = [self._recent.rows(device) for device, role in devices if role is Role.GRID]
        if not rows or not all(found.t for found in rows):
            return None
        until = min([start + QUARTER_MS, *(found.t[-1] for found in rows)])
        if until <= start:
            return RunningQuarter(start, until, 0.0, 0.0, Quality.MEASURED)
        energy = site_energy([(Role.GRID, *energy_of(Role.GRID, found, start, until)) for found in rows])
        return RunningQuarter(start, until, energy.import_wh, energy.export_wh, energy.quality)

    def _unstored(self, devices: Sequence[tuple[str, Role]], rows: Mapping[str, Rows], start: int) -> SiteEnergy | None:
        read_to = [found.t[-1] for found in rows.values() if found.t]
        if len(read_to) < len(devices) or not read_to:
            return None
        end = min([*read_to, start + QUARTER_MS])
        if end <= start:
            return _NOTHING  # not read yet: what there is to come is part of the next sum
        return site_energy([(role, *energy_of(role, rows[device], start, end)) for device, role in devices])


_NOTHING: Final = SiteEnergy(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, Quality.MEASURED)
_UNKNOWN: Final = SiteEnergy(None, None, None, None, None, None, Quality.MISSING)


def _energy(quarter: SiteQuarter) -> SiteEnergy:
    return SiteEnergy(
        quarter.pv_wh,
        quarter.import_wh,
        quarter.export_wh,
        quarter.charge_wh,
        quarter.discharge_wh,
        quarter.consumption_wh,
        quarter.quality,
    )


def site_today(parts: Parts) -> SiteToday:
    """A site's energy over its quarter-hours."""
    added = _added(parts.values())
    return SiteToday(
        pv_wh=added.pv_wh,
        import_wh=added.import_wh,
        export_wh=added.export_wh,
        charge_wh=added.charge_wh,
        discharge_wh=added.discharge_wh,
        consumption_wh=added.consumption_wh,
        self_sufficiency=self_sufficiency(added.consumption_wh, added.import_wh),
        quality=added.quality,
    )


def _added(parts: Iterable[SiteEnergy | None]) -> SiteEnergy:
    """The sum of quarter-hours, unknown where one of them is."""
    known = [part or _UNKNOWN for part in parts]
    return SiteEnergy(
        total([part.pv_wh for part in known]),
        total([part.import_wh for part in known]),
        total([part.export_wh for part in known]),
        total([part.charge_wh for part in known]),
        total([part.discharge_wh for part in known]),
        total([part.consumption_wh for part in known]),
        worst(*{part.quality for part in known}),
    )


def community_today(sites: Sequence[Parts]) -> CommunityToday:
    """A community's energy over the quarter-hours of its sites; what is shared is told per quarter-hour."""
    starts = sorted({start for parts in sites for start in parts})
    shared: list[float | None] = []
    for start in starts:
        injected = total(_export(parts.get(start)) for parts in sites)
        withdrawn = total(_import(parts.get(start)) for parts in sites)
        shared.append(None if injected is None or withdrawn is None else min(injected, withdrawn))
    added = _added(part for parts in sites for part in parts.values())
    shared_wh = total(shared)
    outside = None if added.import_wh is None or shared_wh is None else added.import_wh - shared_wh
    return CommunityToday(
        pv_wh=added.pv_wh,
        import_wh=added.import_wh,
        export_wh=added.export_wh,
        shared_wh=shared_wh,
        consumption_wh=added.consumption_wh,
        self_sufficiency=self_sufficiency(added.consumption_wh, outside),
        quality=added.quality,
    )


def _import(part: SiteEnergy | None) -> float | None:
    return None if part is None else part.import_wh


def _export(part: SiteEnergy | None) -> float | None:
    return None if part is None else part.export_wh
