"""Which quarter-hours depend on a reading, and so must be computed when it is stored.

A reading newer than all before it ends every quarter-hour since the last one that told the same quantity: the next
sample is what a counter is interpolated to. One that comes between others is marked `late`: what else leans on it is
found when its quarter-hour is computed, from the readings around it (collector/quarters.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from energy.quarters import QUARTER_MS, quarter_start, quarter_starts
from storage.dirty import DirtyQuarters
from storage.history import Row, SiteQuarter

__all__ = ["LONGEST_GAP_MS", "METERED", "Marker", "Plan"]

METERED: Final = ("power_w", "energy_import_wh", "energy_export_wh")  # what quarter-hours are computed from
LONGEST_GAP_MS: Final = 35 * 86_400_000  # what an outbox holds; a longer silence is not bridged


class _Told(msgspec.Struct, frozen=True, gc=False):
    """What a device told last: `names` at `t` in the quarter-hour `quarter`, or each name at its own time in `each`."""

    names: tuple[str, ...]
    t: int
    quarter: int
    each: dict[str, int] | None = None

    def by_name(self) -> dict[str, int]:
        """The newest time of each name."""
        return dict.fromkeys(self.names, self.t) if self.each is None else dict(self.each)


_NAMES: Final = tuple(
    tuple(name for bit, name in enumerate(METERED) if combination >> bit & 1)
    for combination in range(2 ** len(METERED))
)
_POWER, _IMPORT, _EXPORT = METERED


class Plan(NamedTuple):
    """(site, start) of the quarter-hours to mark; of `late` ones the neighbours may change too.

    `told`, `sites`: what is newest of devices and sites once the rows are stored.
    """

    in_order: set[tuple[str, int]]
    late: set[tuple[str, int]]
    told: dict[str, _Told]
    sites: dict[str, int]


class Marker:
    """Knows the newest stored reading of each device and quantity; used by who stores, one write at a time.

    `last`: the newest reading of each device when the collector started.
    """

    def __init__(self, dirty: DirtyQuarters, last: Mapping[str, Row]) -> None:
        self._dirty = dirty
        self._told = {device: _Told(_names(row.values), row.t, quarter_start(row.t)) for device, row in last.items()}
        self._newest_of_site: dict[str, int] = {}
        for row in last.values():
            if row.t > self._newest_of_site.get(row.tags.site, 0):
                self._newest_of_site[row.tags.site] = row.t

    def newest_of_site(self, site: str) -> int | None:
        """Time of the newest stored reading of a site, ms UTC."""
        return self._newest_of_site.get(site)

    def plan(self, rows: Iterable[Row]) -> Plan:
        """What must be marked for `rows`."""
        in_order, _, told, sites = plan = Plan(set(), set(), {}, {})
        known = self._told.get
        here, newest, quarter = "", 0, 0  # site, time and quarter-hour of the row before: most often the same
        for row in rows:
            tags, t = row.tags, row.t
            site, device = tags.site, tags.device
            if site != here or t > newest:
                here, newest, quarter = site, t, 0
                if t > sites.get(site, 0):
                    sites[site] = t
            names = _names(row.values)
            if not names:
                if row.values:  # no energy, and yet what the quarter-hour keeps of its readings
                    in_order.add((site, quarter_start(t)))
                continue
            before = told.get(device) or known(device)
            if before is not None and before.names is names and before.t < t < before.quarter + QUARTER_MS:
                told[device] = _Told(names, t, before.quarter)  # the usual case: it follows in the same quarter-hour
                if before.quarter != quarter:
                    quarter = before.quarter
                    in_order.add((site, quarter))
            else:
                told[device] = _plan_row(row, names, before, plan)
        return plan

    def mark(self, plan: Plan) -> None:
        """Marks durably what depends on rows that are being stored. Raises StoreError.

        Called before they are stored, so that a crash in between leaves nothing stored and unmarked, and again after,
        so that a computation that ran in between is repeated.
        """
        self._dirty.mark(plan.in_order)
        self._dirty.mark(plan.late, late=True)

    def take_over(self, sites: Collection[str], computed: Iterable[SiteQuarter]) -> None:
        """Marks what another collector may have left uncomputed of `sites`: from its last quarter-hour on.

        `computed`: what it stored lately. Raises StoreError.
        """
        last: dict[str, int] = {}
        for quarter in computed:
            last[quarter.site] = max(quarter.start, last.get(quarter.site, 0))
        newest = {site: t for site, t in self._newest_of_site.items() if site in sites}
        self._dirty.mark(
            (site, start) for site, t in newest.items() for start in quarter_starts(min(last.get(site, t), t), t + 1)
        )

    def stored(self, plan: Plan) -> None:
        """Takes note that the rows of `plan` are in the store."""
        self._told.update(plan.told)
        for site, t in plan.sites.items():
            if t > self._newest_of_site.get(site, 0):
                self._newest_of_site[site] = t


def _names(values: Mapping[str, object]) -> tuple[str, ...]:
    """Which of METERED are told; always the same object for the same names."""
    return _NAMES[(_POWER in values) | (_IMPORT in values) << 1 | (_EXPORT in values) << 2]


def _plan_row(row: Row, names: tuple[str, ...], before: _Told | None, plan: Plan) -> _Told:
    """Plans for a row that is the first, comes between others or ends a silence; what its device told last then."""
    site, t = row.tags.site, row.t
    newest = {} if before is None else before.by_name()
    own = (site, quarter_start(t))
    told = [newest[name] for name in names if name in newest]
    if any(known >= t for known in told) or (len(told) < len(names) and before is not None):
        plan.late.add(own)
    plan.in_order.add(own)
    older = [known for known in told if known < t]
    if older:
        since = max(min(older), t - LONGEST_GAP_MS)
        plan.in_order.update((site, start) for start in quarter_starts(since, t))
    for name in names:
        newest[name] = max(newest.get(name, 0), t)
    if len(newest) == len(names) and set(newest.values()) == {t}:
        return _Told(names, t, own[1])
    return _Told((), 0, 0, newest)
