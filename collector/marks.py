"""Which quarter-hours depend on a reading, and so must be computed when it is stored.

A reading newer than all before it ends every quarter-hour since the last one that told the same quantity: the next
sample is what a counter is interpolated to. One that comes between others is marked `late`: what else leans on it is
found when its quarter-hour is computed, from the readings around it (collector/quarters.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from energy.quarters import quarter_start, quarter_starts
from storage.dirty import DirtyQuarters
from storage.history import Row

__all__ = ["LONGEST_GAP_MS", "METERED", "Marker", "Plan"]

METERED: Final = ("power_w", "energy_import_wh", "energy_export_wh")  # what quarter-hours are computed from
LONGEST_GAP_MS: Final = 35 * 86_400_000  # what an outbox holds; a longer silence is not bridged


class Plan(NamedTuple):
    """(site, start) of the quarter-hours to mark; of `late` ones the neighbours may change too."""

    in_order: set[tuple[str, int]]
    late: set[tuple[str, int]]


class Marker:
    """Knows the newest stored reading of each device and quantity; used by the one thread that stores.

    `last`: the newest reading of each device when the collector started.
    """

    def __init__(self, dirty: DirtyQuarters, last: Mapping[str, Row]) -> None:
        self._dirty = dirty
        self._newest: dict[str, dict[str, int]] = {
            device: {name: row.t for name in METERED if name in row.values} for device, row in last.items()
        }
        self._newest_of_site: dict[str, int] = {}
        for row in last.values():
            self._note_site(row)

    def newest_of_site(self, site: str) -> int | None:
        """Time of the newest stored reading of a site, ms UTC."""
        return self._newest_of_site.get(site)

    def plan(self, rows: Iterable[Row]) -> Plan:
        """What must be marked for `rows`."""
        plan = Plan(set(), set())
        seen: dict[str, dict[str, int]] = {}
        for row in rows:
            names = [name for name in METERED if name in row.values]
            if not names:
                if row.values:  # no energy, and yet what the quarter-hour keeps of its readings
                    plan.in_order.add((row.tags.site, quarter_start(row.t)))
                continue
            device = row.tags.device
            if device not in seen:
                seen[device] = dict(self._newest.get(device, {}))
            self._plan_row(row, names, seen[device], plan, new=device not in self._newest and not seen[device])
        return plan

    def mark(self, plan: Plan) -> None:
        """Marks durably what depends on rows that are being stored. Raises StoreError.

        Called before they are stored, so that a crash in between leaves nothing stored and unmarked, and again after,
        so that a computation that ran in between is repeated.
        """
        self._dirty.mark(plan.in_order)
        self._dirty.mark(plan.late, late=True)

    def stored(self, rows: Sequence[Row]) -> None:
        """Takes note that `rows` are in the store."""
        for row in rows:
            newest = self._newest.setdefault(row.tags.device, {})
            for name in METERED:
                if name in row.values and row.t > newest.get(name, 0):
                    newest[name] = row.t
            self._note_site(row)

    def _note_site(self, row: Row) -> None:
        if row.t > self._newest_of_site.get(row.tags.site, 0):
            self._newest_of_site[row.tags.site] = row.t

    @staticmethod
    def _plan_row(row: Row, names: Sequence[str], newest: dict[str, int], plan: Plan, *, new: bool) -> None:
        site = row.tags.site
        own = (site, quarter_start(row.t))
        told = [newest[name] for name in names if name in newest]
        if any(t >= row.t for t in told) or (len(told) < len(names) and not new):
            plan.late.add(own)
        plan.in_order.add(own)
        before = [t for t in told if t < row.t]
        if before:
            since = max(min(before), row.t - LONGEST_GAP_MS)
            plan.in_order.update((site, start) for start in quarter_starts(since, row.t))
        for name in names:
            newest[name] = max(newest.get(name, 0), row.t)
