"""Asks every rule about a building, and puts kWh and euros on what is found."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from energy.buildings.annual import Climate
from energy.buildings.days import ENERGY, Carrier, Days, Stretch
from energy.buildings.indicators import Building, Metered, closed_days
from energy.buildings.savings.drift import RECENT_DAYS, Drift, drift
from energy.buildings.savings.hours import LEAST_DAYS, out_of_hours, peaks
from energy.buildings.savings.load import Load, daily_base_w
from energy.buildings.savings.saving import Kind, Looked, NotLooked, Pattern, Saving, Why
from energy.buildings.savings.simultaneous import simultaneous
from energy.buildings.signature import fit
from energy.hours import OpeningHours

__all__ = ["HISTORY_DAYS", "base_load_w", "find_savings"]

HISTORY_DAYS: Final = 393  # of power that the rules make use of: a year, and the weeks they judge
_HOURS_DAYS: Final = 91  # of these, what the rules on hours look at: a season
_LEAST_BASE_DAYS: Final = 14
_HIGH_BASE: Final = 1.5  # times that of like buildings
_BASE_RISE: Final = 0.3
_HOURS: Final = 8760
_DRAWN: Final = 120


@dataclass(slots=True)
class _Search:
    """What is known, and what was found so far."""

    building: Building
    metered: Metered
    load: Load | None
    climate: Climate
    end: date
    like_base_w_m2: float | None
    found: list[Saving] = field(default_factory=list)
    not_looked: list[NotLooked] = field(default_factory=list)

    def add(
        self,
        kind: Kind,
        carrier: Carrier,
        kwh: float,
        pattern: Pattern,
        facts: Mapping[str, float | str],
        *,
        since: date | None = None,
        eur: float | None = None,
    ) -> None:
        """Adds a saving; without `eur` it costs what the carrier's kWh cost."""
        if eur is None and kind is not Kind.PEAKS:
            eur = self.price(carrier, kwh)
        self.found.append(Saving(kind, carrier, kwh, eur, since, facts, pattern))

    def price(self, carrier: Carrier, kwh: float) -> float | None:
        """What they cost, if anybody knows."""
        price = self.climate.book.factor("price", carrier, self.building.region, self.end)
        return None if price is None else kwh * price.value

    def could_not(self, kind: Kind, carrier: Carrier, why: Why) -> None:
        """Notes that a rule could not look."""
        self.not_looked.append(NotLooked(kind, carrier, why))


def find_savings(
    building: Building,
    metered: Metered,
    load: Load | None,
    climate: Climate,
    end: date,
    *,
    like_base_w_m2: float | None = None,
) -> Looked:
    """Everything the rules find in what was used before `end`.

    `load`: the electric power of the last HISTORY_DAYS; `like_base_w_m2`: the median base load of like buildings.
    """
    search = _Search(building, metered, load, climate, end, like_base_w_m2)
    base = daily_base_w(load) if load is not None else {}
    base_w = _base_now(base, end)
    _look_at_base(search, base, base_w)
    _look_at_hours(search, base_w)
    _look_at_both(search)
    _look_at_drift(search)
    recent = load.since(end - timedelta(days=_HOURS_DAYS)) if load is not None else None
    mean_w = float(recent.power_w[recent.known].mean()) if recent is not None and recent.known.any() else None
    return Looked(
        savings=tuple(sorted(search.found, key=lambda one: (one.kind is Kind.PEAKS, -(one.eur or 0.0), -one.kwh))),
        not_looked=tuple(search.not_looked),
        base_load_w=base_w,
        base_load_share=base_w / mean_w if base_w is not None and mean_w else None,
    )


def base_load_w(load: Load, end: date) -> float | None:
    """The base load of the last weeks, W."""
    return _base_now(daily_base_w(load), end)


def _base_now(base: Mapping[date, float], end: date) -> float | None:
    recent = [value for day, value in base.items() if end - timedelta(days=RECENT_DAYS) <= day < end]
    return statistics.median(recent) if len(recent) >= _LEAST_BASE_DAYS else None


def _look_at_base(search: _Search, base: Mapping[date, float], base_w: float | None) -> None:
    """Higher than it was in the same weather, or than like buildings have it."""
    if base_w is None:
        search.could_not(Kind.BASE_LOAD, Carrier.ELECTRICITY, Why.LOAD)
        return
    kwh_a_day = [Stretch(Days(day, day + timedelta(days=1)), value * 24 / 1000) for day, value in base.items()]
    closed = closed_days(search.building.opening_hours)
    risen = drift(kwh_a_day, search.climate.temperatures, closed, search.end, least_ratio=_BASE_RISE)
    area, like = search.building.area_m2, search.like_base_w_m2
    above_w = base_w - like * area if like is not None and area else 0.0
    if isinstance(risen, Drift):
        facts: dict[str, float | str] = {"base_w": base_w, "rise": risen.ratio, "reference": "earlier"}
        search.add(Kind.BASE_LOAD, Carrier.ELECTRICITY, risen.kwh, risen.pattern, facts, since=risen.since)
    elif like is not None and area and base_w > _HIGH_BASE * like * area:
        facts = {"base_w": base_w, "like_w": like * area, "rise": base_w / (like * area) - 1, "reference": "like"}
        kwh = above_w * _HOURS / 1000
        search.add(Kind.BASE_LOAD, Carrier.ELECTRICITY, kwh, _base_pattern(base, like * area), facts)
    elif isinstance(risen, Why) and like is None:
        search.could_not(Kind.BASE_LOAD, Carrier.ELECTRICITY, risen)


def _base_pattern(base: Mapping[date, float], like_w: float) -> Pattern:
    last = sorted(base.items())[-_DRAWN:]
    return Pattern(
        axis="day",
        unit="kW",
        x=tuple(day.isoformat() for day, _ in last),
        lines={
            "measured": tuple(round(value / 1000, 3) for _, value in last),
            "like": (round(like_w / 1000, 3),) * len(last),
        },
        marked=tuple(value > like_w for _, value in last),
    )


def _look_at_hours(search: _Search, base_w: float | None) -> None:
    hours = _hours(search.building.opening_hours)
    load = search.load.since(search.end - timedelta(days=_HOURS_DAYS)) if search.load is not None else None
    enough = load is not None and load.days >= LEAST_DAYS
    if load is None or not enough:
        search.could_not(Kind.OUT_OF_HOURS, Carrier.ELECTRICITY, Why.LOAD)
        search.could_not(Kind.PEAKS, Carrier.ELECTRICITY, Why.LOAD)
        return
    if hours is None or base_w is None:
        search.could_not(Kind.OUT_OF_HOURS, Carrier.ELECTRICITY, Why.HOURS if hours is None else Why.LOAD)
    elif (left_on := out_of_hours(load, hours, base_w)) is not None:
        facts: dict[str, float | str] = {
            "closed_w": left_on.closed_w,
            "open_w": left_on.open_w,
            "base_w": left_on.base_w,
            "share": left_on.share,
        }
        search.add(Kind.OUT_OF_HOURS, Carrier.ELECTRICITY, left_on.kwh, left_on.pattern, facts)
    if (high := peaks(load)) is not None:
        price = search.climate.book.factor("peak_price", Carrier.ELECTRICITY, search.building.region, search.end)
        eur = None if price is None else price.value * (high.peak_w - high.busy_w) / 1000
        facts = {
            "peak_w": high.peak_w,
            "busy_w": high.busy_w,
            "time": f"{high.minute // 60:02}:{high.minute % 60:02}",
            "share": high.share,
        }
        search.add(Kind.PEAKS, Carrier.ELECTRICITY, high.kwh, high.pattern, facts, eur=eur)


def _hours(text: str) -> OpeningHours | None:
    try:
        hours = OpeningHours.parse(text)
    except ValueError:
        return None
    return hours if any(hours.spans.values()) else None


def _look_at_both(search: _Search) -> None:
    year = Days.year_until(search.end)
    temperatures = search.climate.temperatures
    closed = closed_days(search.building.opening_hours)
    fitted = {
        carrier: fit(_within(search.metered.used.get(carrier, ()), year), temperatures, closed)
        for carrier in ENERGY
        if carrier in search.metered.used
    }
    cooling = fitted.get(Carrier.ELECTRICITY)
    sources = [(carrier, fitted.get(carrier)) for carrier in (Carrier.GAS, Carrier.HEAT)]
    if cooling is None or not any(one is not None for _, one in sources):
        search.could_not(Kind.SIMULTANEOUS, Carrier.GAS, Why.CARRIERS)
        return
    for carrier, heating in sources:
        both = simultaneous(heating, cooling, year, temperatures) if heating is not None else None
        if both is None:
            continue
        heat_eur = search.price(carrier, both.heat_kwh)
        cold_eur = search.price(Carrier.ELECTRICITY, both.cold_kwh)
        facts = {
            "days": both.days,
            "cooling_c": both.cooling_c,
            "heating_c": both.heating_c,
            "cold_kwh": both.cold_kwh,
            "heat_kwh": both.heat_kwh,
        }
        eur = None if heat_eur is None or cold_eur is None else heat_eur + cold_eur
        search.found.append(
            Saving(Kind.SIMULTANEOUS, carrier, both.heat_kwh + both.cold_kwh, eur, None, facts, both.pattern)
        )


def _within(stretches: Sequence[Stretch], days: Days) -> list[Stretch]:
    return [one for one in stretches if one.days.common(days).count == one.days.count]


def _look_at_drift(search: _Search) -> None:
    closed = closed_days(search.building.opening_hours)
    for carrier in ENERGY:
        stretches = search.metered.used.get(carrier)
        if not stretches:
            continue
        found = drift(stretches, search.climate.temperatures, closed, search.end)
        if isinstance(found, Why):
            search.could_not(Kind.DRIFT, carrier, found)
        elif found is not None:
            facts = {"ratio": found.ratio, "errors": min(found.errors, 99.0)}
            search.add(Kind.DRIFT, carrier, found.kwh, found.pattern, facts, since=found.since)
