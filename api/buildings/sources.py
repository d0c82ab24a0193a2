"""What a building used, from the store's days and quarter-hours and from readings by hand."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from energy.buildings.days import Carrier, Days, Stretch, joined
from energy.buildings.factors import Book
from energy.buildings.index import IndexMeter, IndexReading, stretches
from energy.buildings.indicators import Metered
from energy.buildings.savings.find import HISTORY_DAYS
from energy.buildings.savings.load import Load
from energy.community import Community, Site
from energy.names import device_id
from energy.quantities import Quality, Role
from energy.quarters import QUARTER_MS, local_midnight
from storage.history import History, Period, Total
from storage.register.readings_by_hand import Entry

__all__ = ["Place", "Sources"]

_KNOWN_DAY: Final = 0.9  # part of a day's quarter-hours from which the rest is estimated
_COUNTERS: Final = {"gas_m3": Carrier.GAS, "heat_wh": Carrier.HEAT, "water_m3": Carrier.WATER}


@dataclass(frozen=True, slots=True)
class Place:
    """A site with its community."""

    community: Community
    site: Site

    @property
    def municipality(self) -> str:
        """Whose building it is."""
        return self.site.municipality or self.community.municipality or self.community.name


@dataclass(frozen=True, slots=True)
class Sources:
    """Reads the store. Every method may raise StoreError."""

    history: History
    book: Book

    def metered(self, place: Place, days: Days, entries: Sequence[Entry]) -> Metered:
        """What was used in `days`; a logger comes before readings by hand (`entries`, of that site)."""
        used, bought = self._electricity(place, days)
        by_hand = self._by_hand(place, entries, days.end)
        read, bought_by_hand = self._electricity_by_hand(place, entries)
        found: dict[Carrier, list[Stretch]] = {}
        electricity = joined(used, read)
        if electricity:
            found[Carrier.ELECTRICITY] = electricity
        found |= self._counted(place, days)
        for carrier, readings in by_hand.items():
            found[carrier] = joined(found.get(carrier, []), readings)
        return Metered(found, delivered=joined(bought, bought_by_hand) or None)

    def load(self, place: Place, end: date, days: int = HISTORY_DAYS) -> Load | None:
        """The site's consumption by quarter-hour in the `days` before `end`; None when nothing is known."""
        zone = place.community.timezone
        first = local_midnight(end - timedelta(days=days), zone)
        found = self.history.site_quarters([place.site.id], first, local_midnight(end, zone))
        known = [one for one in found if one.consumption_wh is not None]
        if not known:
            return None
        return Load.of_energy(
            [one.start for one in known], [one.consumption_wh for one in known], zone, QUARTER_MS // 1000
        )

    def _electricity(self, place: Place, days: Days) -> tuple[list[Stretch], list[Stretch]]:
        """(what was used, what came from the grid), kWh a day."""
        start, end = _instants(days, place.community.timezone)
        totals = self.history.site_totals(Period.DAY, [place.site.id], start, end)
        zone = ZoneInfo(place.community.timezone)
        used = [_day(total, "consumption_wh", zone) for total in totals]
        bought = [_day(total, "import_wh", zone) for total in totals]
        return [one for one in used if one is not None], [one for one in bought if one is not None]

    def _counted(self, place: Place, days: Days) -> dict[Carrier, list[Stretch]]:
        """Gas, heat and water of the site's devices, by the last counter of each day."""
        found: dict[Carrier, list[Stretch]] = {}
        start, end = _instants(Days(days.first - timedelta(days=1), days.end), place.community.timezone)
        for device in place.site.devices:
            name = device_id(place.site.id, device.id)
            told = [quantity for quantity in self.history.quantities(name) if quantity in _COUNTERS]
            totals = self.history.device_totals(Period.DAY, name, start, end) if told else []
            for quantity in told:
                unit = self._unit(quantity, place, days.end)
                if unit is not None:
                    found.setdefault(_COUNTERS[quantity], []).extend(_steps(totals, quantity, unit, place))
        return {carrier: sorted(several, key=lambda one: one.days) for carrier, several in found.items()}

    def _unit(self, quantity: str, place: Place, on: date) -> float | None:
        if quantity == "gas_m3":
            return self._kwh_per_m3(place, on)
        return 0.001 if quantity == "heat_wh" else 1.0

    def _kwh_per_m3(self, place: Place, on: date) -> float | None:
        found = self.book.factor("calorific", Carrier.GAS, place.community.region, on)
        return None if found is None else found.value

    def _by_hand(self, place: Place, entries: Sequence[Entry], on: date) -> dict[Carrier, list[Stretch]]:
        found: dict[Carrier, list[Stretch]] = {}
        kwh_per_m3 = self._kwh_per_m3(place, on)
        for carrier in (Carrier.GAS, Carrier.HEAT, Carrier.WATER):
            meters = [meter for meter in place.site.meters if meter.carrier is carrier]
            read = [stretches(meter, _of(meter, entries), kwh_per_m3) for meter in meters]
            if any(read):
                found[carrier] = _combined([(1, each) for each in read])
        return found

    @staticmethod
    def _electricity_by_hand(place: Place, entries: Sequence[Entry]) -> tuple[list[Stretch], list[Stretch]]:
        """(what was used, what was bought). Behind a roof what was used is known with its own meters only."""
        of: dict[str, list[list[Stretch]]] = {"import": [], "export": [], "production": []}
        for meter in place.site.meters:
            if meter.carrier is Carrier.ELECTRICITY:
                of[meter.counts].append(stretches(meter, _of(meter, entries)))
        bought = _combined([(1, each) for each in of["import"]])
        roofs = sum(device.role is Role.PV for device in place.site.devices)
        if len(of["production"]) < roofs or (roofs and not of["export"]):
            return [], bought
        parts = [(sign, each) for what, sign in (("import", 1), ("production", 1), ("export", -1)) for each in of[what]]
        return [one for one in _combined(parts) if one.amount >= 0], bought


def _of(meter: IndexMeter, entries: Sequence[Entry]) -> list[IndexReading]:
    return [entry.reading for entry in entries if entry.meter == meter.id]


def _combined(parts: Sequence[tuple[int, Sequence[Stretch]]]) -> list[Stretch]:
    """Several meters added up, or taken off (-1): stretch by stretch where all were read on the same days, else by the day."""
    if not parts:
        return []
    (_, first), *others = parts
    if all([one.days for one in other] == [one.days for one in first] for _, other in others):
        return [
            Stretch(several[0].days, sum(sign * one.amount for (sign, _), one in zip(parts, several, strict=True)))
            for several in zip(*(each for _, each in parts), strict=True)
        ]
    by_day = [(sign, {day: one.per_day for one in each for day in one.days}) for sign, each in parts]
    common = set.intersection(*(set(known) for _, known in by_day))
    return [
        Stretch(Days(day, day + timedelta(days=1)), sum(sign * known[day] for sign, known in by_day), measured=False)
        for day in sorted(common)
    ]


def _instants(days: Days, timezone: str) -> tuple[int, int]:
    return local_midnight(days.first, timezone), local_midnight(days.end, timezone)


def _day(total: Total, name: str, zone: ZoneInfo) -> Stretch | None:
    """A day's energy, kWh; of one with a few unknown quarter-hours by the mean of the others, as an estimate."""
    known = total.known.get(name)
    quarters = (total.end - total.start) // QUARTER_MS
    if known is None or known.quarters < _KNOWN_DAY * quarters:
        return None
    first = datetime.fromtimestamp(total.start / 1000, zone).date()
    whole = known.quarters == quarters
    amount = known.value / 1000 * quarters / known.quarters
    measured = whole and total.quality is Quality.MEASURED
    return Stretch(Days(first, first + timedelta(days=1)), amount, measured=measured)


def _steps(totals: Sequence[Total], quantity: str, unit: float, place: Place) -> list[Stretch]:
    """From the last counter of a day to that of the next; a counter that fell says nothing."""
    zone = ZoneInfo(place.community.timezone)
    last = [
        (datetime.fromtimestamp(total.start / 1000, zone).date(), float(value))
        for total in totals
        if isinstance(value := total.last.get(quantity), int | float)
    ]
    return [
        Stretch(Days(one + timedelta(days=1), other + timedelta(days=1)), (after - before) * unit)
        for (one, before), (other, after) in itertools.pairwise(last)
        if after >= before
    ]
