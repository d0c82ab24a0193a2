"""Energy of sites and communities since local midnight: stored quarter-hours, then what has been read since.

The quarter-hour that runs, and one that just ended and is not stored yet, are computed from readings in memory with
the same function that computes the stored ones.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from collector.quarters import REACH, Rows, energy_of
from energy.balance import self_sufficiency
from energy.metering import SiteEnergy, site_energy
from energy.quantities import Quality, Role, total, worst
from energy.quarters import QUARTER_MS, quarter_start
from storage.history import Row, SiteQuarter

__all__ = ["LONGEST_DAY_MS", "CommunityToday", "Parts", "Recent", "SiteToday", "Today", "community_today", "site_today"]

Parts = Mapping[int, SiteEnergy | None]
"""Energy of a site by start of quarter-hour; None: unknown."""

LONGEST_DAY_MS: Final = 26 * 3_600_000  # the longest local day, 25 h, and a little


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


class Recent:
    """The readings of each device since the quarter-hour before the running one, by time however they came."""

    def __init__(self) -> None:
        self._rows: dict[str, deque[Row]] = {}

    def add(self, row: Row) -> None:
        """Takes a reading in; one that is known changes nothing."""
        rows = self._rows.setdefault(row.tags.device, deque())
        if rows and row.t <= rows[-1].t:
            place = bisect_left(rows, row.t, key=lambda known: known.t)
            if rows[place].t != row.t:
                rows.insert(place, row)
            return
        rows.append(row)
        oldest = quarter_start(row.t) - QUARTER_MS
        while len(rows) > REACH and rows[REACH].t < oldest:
            rows.popleft()

    def newest(self, device: str) -> int | None:
        """Time of the newest reading of `device`, ms UTC."""
        rows = self._rows.get(device)
        return rows[-1].t if rows else None

    def rows(self, device: str) -> Rows:
        """The readings of `device`, by time."""
        return Rows.of(self._rows.get(device, ()))


class Today:
    """Stored quarter-hours of the last day by site, and the sums over them."""

    def __init__(self, recent: Recent) -> None:
        self._recent = recent
        self._stored: dict[str, dict[int, SiteQuarter]] = {}

    def written(self, quarters: Iterable[SiteQuarter]) -> None:
        """Takes quarter-hours that were stored in, replacing restated ones."""
        for quarter in quarters:
            self._stored.setdefault(quarter.site, {})[quarter.start] = quarter

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
                parts[start] = _energy(quarter)
                continue
            if start < quarter_start(now_ms) - QUARTER_MS:
                parts[start] = None  # never computed: nobody was there to read
                continue
            if rows is None:
                rows = {device: self._recent.rows(device) for device, _ in devices}
            parts[start] = self._unstored(devices, rows, start)
        return parts

    def _unstored(self, devices: Sequence[tuple[str, Role]], rows: Mapping[str, Rows], start: int) -> SiteEnergy | None:
        read_to = [found.t[-1] for found in rows.values() if found.t]
        if len(read_to) < len(devices) or not read_to:
            return None
        end = min([*read_to, start + QUARTER_MS])
        if end <= start:
            return _NOTHING  # not read yet: what there is to come is part of the next sum
        return site_energy([(role, *energy_of(role, rows[device], start, end)) for device, role in devices])


_NOTHING: Final = SiteEnergy(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, Quality.MEASURED)


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
    energies = list(parts.values())
    consumption = total(None if part is None else part.consumption_wh for part in energies)
    imported = total(None if part is None else part.import_wh for part in energies)
    return SiteToday(
        pv_wh=total(None if part is None else part.pv_wh for part in energies),
        import_wh=imported,
        export_wh=total(None if part is None else part.export_wh for part in energies),
        charge_wh=total(None if part is None else part.charge_wh for part in energies),
        discharge_wh=total(None if part is None else part.discharge_wh for part in energies),
        consumption_wh=consumption,
        self_sufficiency=self_sufficiency(consumption, imported),
        quality=_quality(energies),
    )


def community_today(sites: Sequence[Parts]) -> CommunityToday:
    """A community's energy over the quarter-hours of its sites; what is shared is told per quarter-hour."""
    starts = sorted({start for parts in sites for start in parts})
    shared: list[float | None] = []
    for start in starts:
        injected = total(_export(parts.get(start)) for parts in sites)
        withdrawn = total(_import(parts.get(start)) for parts in sites)
        shared.append(None if injected is None or withdrawn is None else min(injected, withdrawn))
    energies = [part for parts in sites for part in parts.values()]
    consumption = total(None if part is None else part.consumption_wh for part in energies)
    imported = total(_import(part) for part in energies)
    shared_wh = total(shared)
    outside = None if imported is None or shared_wh is None else imported - shared_wh
    return CommunityToday(
        pv_wh=total(None if part is None else part.pv_wh for part in energies),
        import_wh=imported,
        export_wh=total(_export(part) for part in energies),
        shared_wh=shared_wh,
        consumption_wh=consumption,
        self_sufficiency=self_sufficiency(consumption, outside),
        quality=_quality(energies),
    )


def _import(part: SiteEnergy | None) -> float | None:
    return None if part is None else part.import_wh


def _export(part: SiteEnergy | None) -> float | None:
    return None if part is None else part.export_wh


def _quality(parts: Sequence[SiteEnergy | None]) -> Quality:
    return worst(*(Quality.MISSING if part is None else part.quality for part in parts))
