"""Late readings of closed months: what sites' meters tell now is compared with what was settled, and the month reopened."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from energy.community import Community
from energy.errors import CommonwattError, StoreError
from energy.quantities import Quality
from energy.quarters import QUARTER_MS
from runtime.clock import Clock
from runtime.outage import Outage
from storage.history import History, Period, SiteQuarter
from storage.register import Register

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from energy.sharing.settlement import QuarterReadings
    from storage.register.participants import MeteringPoint
    from storage.register.settled_readings import Seen

__all__ = ["METERS", "LateJob"]

log = logging.getLogger(__name__)

METERS: Final = "meters"
"""By whom a month is reopened that nobody compared by command."""
_EVERY_S: Final = 600.0
_MONTHS: Final = 24  # a grid operator may put readings right for two years


class LateJob:
    """`run` is a task of the collector; `on_reopened` is told how many months of each community are reopened."""

    def __init__(
        self,
        communities: Iterable[Community],
        history: History,
        register: Register,
        clock: Clock,
        on_reopened: Callable[[Mapping[str, int]], None],
    ) -> None:
        self._communities = tuple(communities)
        self._history = history
        self._database = register.database
        self._clock = clock
        self._on_reopened = on_reopened
        self._outage = Outage(log, "late readings of closed months are not looked for: %s")

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            with self._outage:
                self._on_reopened(await asyncio.to_thread(self.look))
            await self._clock.sleep(_EVERY_S * self._clock.speed)

    def look(self) -> dict[str, int]:
        """How many months are reopened, by community. Blocks. Raises StoreError."""
        from storage.register.reopened import reopened  # noqa: PLC0415 - numpy waits for the first look

        for community in self._communities:
            self._look_at(community)
        with self._database.read() as connection:
            return {each.id: len(reopened(connection, each.id)) for each in self._communities}

    def _look_at(self, community: Community) -> None:
        from storage.register.settled_readings import seen  # noqa: PLC0415

        with self._database.read() as connection:
            months = seen(connection, community.id, _MONTHS)
            points = _measured(connection, community) if months else {}
        for month in months if points else ():
            try:
                self._compare(community, month, points)
            except StoreError:
                raise
            except CommonwattError as error:
                log.warning("late readings of %s %s cannot be compared: %s", community.id, month.month, error)

    def _compare(self, community: Community, month: Seen, points: Mapping[str, MeteringPoint]) -> None:
        """One row for each site is read, and the month's quarter-hours only where that row is another than at the last look."""
        from energy.settlement.late import brought_up, late_points  # noqa: PLC0415
        from energy.settlement.month import month_window, settle_month  # noqa: PLC0415
        from energy.settlement.terms import Month  # noqa: PLC0415
        from storage.register.month_runs import closed, reopen  # noqa: PLC0415
        from storage.register.reopened import reopened  # noqa: PLC0415
        from storage.register.settled_readings import looked, meters_of, readings_of  # noqa: PLC0415

        window = month_window(Month.parse(month.month), community.timezone)
        mark = self._mark(points, window)
        with self._database.read() as connection:
            told = reopened(connection, community.id, month.month)
            if mark == month.mark or (told and told[0].by != METERS):
                return
            settled = readings_of(connection, community.id, month.month)
            first = meters_of(connection, community.id, month.month)
            _, run = closed(connection, community.id, month.month)
        now = self._meters(points, window)
        late = None if settled is None else brought_up(settled, first or now, now)
        made = None
        if late is not None and settled is not None and (told or late_points(settled, late, window)[0]):
            made = settle_month(run.inputs, late)
        with self._database.write() as connection:
            if made is not None and late is not None:
                reopen(connection, made, late, by=METERS, now_ms=self._clock.now_ms())
            looked(connection, community.id, month, mark, None if first else now)

    def _mark(self, points: Mapping[str, MeteringPoint], window: tuple[int, int]) -> str:
        totals = self._history.site_totals(Period.MONTH, _sites(points), window[0], window[0] + 1)
        told = [(each.site, each.known.get("import_wh"), each.known.get("export_wh")) for each in totals]
        whose = [(point.id, point.site, point.direction) for point in points.values()]
        return hashlib.sha256(repr((sorted(told), sorted(whose))).encode()).hexdigest()

    def _meters(self, points: Mapping[str, MeteringPoint], window: tuple[int, int]) -> QuarterReadings:
        """What the meters of the points' sites measured in the month."""
        import numpy as np  # noqa: PLC0415

        from energy.sharing.settlement import QuarterReadings  # noqa: PLC0415

        order = sorted(points.values(), key=lambda point: point.id)
        columns = {point.site: column for column, point in enumerate(order)}
        starts = np.arange(*window, QUARTER_MS, dtype=np.int64)
        energies = np.zeros((2, len(starts), len(order)), dtype=np.int64)
        known = np.zeros(energies.shape, dtype=bool)
        for quarter in self._history.site_quarters(_sites(points), *window):
            row, column = (quarter.start - window[0]) // QUARTER_MS, columns[quarter.site]
            for side, energy_wh in enumerate(_sides(order[column], quarter)):
                if energy_wh is not None:
                    energies[side, row, column], known[side, row, column] = round(energy_wh), True
        return QuarterReadings(tuple(point.id for point in order), starts, energies[0], known[0], energies[1], known[1])


def _measured(connection: Connection, community: Community) -> dict[str, MeteringPoint]:
    """Metering points that are their site's only one: the site's meters are the point's then."""
    from storage.register.participants import METERING_POINTS  # noqa: PLC0415

    sites = {site.id for site in community.sites}
    points = METERING_POINTS.all(connection)
    alone = {site: {point.id for point in points if point.site == site} for site in sites}
    return {point.id: point for point in points if point.site in sites and len(alone[point.site]) == 1}


def _sites(points: Mapping[str, MeteringPoint]) -> list[str]:
    return sorted(point.site for point in points.values() if point.site is not None)


def _sides(point: MeteringPoint, quarter: SiteQuarter) -> tuple[float | None, float | None]:
    """(withdrawal, injection), Wh; None: unknown, estimated, or not of this point."""
    if quarter.quality is not Quality.MEASURED:
        return None, None
    withdrawn = None if point.direction == "injection" else quarter.import_wh
    return withdrawn, None if point.direction == "withdrawal" else quarter.export_wh
