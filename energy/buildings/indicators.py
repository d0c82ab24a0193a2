"""A building's year in figures: kWh/m², primary energy, CO2, class, normal year, last year; unknown stays unknown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final

from energy.buildings.annual import Annual, Climate, annual
from energy.buildings.days import ENERGY, Carrier, Days, Stretch
from energy.buildings.factors import Factor, Scale, What
from energy.hours import OpeningHours

__all__ = [
    "Building",
    "BuildingYear",
    "CarrierYear",
    "Metered",
    "Unknown",
    "building_year",
    "closed_days",
    "per_m2",
]

_FRIDAY: Final = 4


class Unknown(StrEnum):
    """Why a figure is not there."""

    AREA = "area"  # nobody gave the floor area
    SUPPLIES = "supplies"  # nobody said what the building is supplied with
    USE = "use"  # too few days are known
    FACTOR = "factor"  # no factor is known for a carrier
    SCALE = "scale"  # no class bounds are verified for this kind of building
    WEATHER = "weather"  # temperatures or the normal year are not known
    PATTERN = "pattern"  # how the use follows the weather is not known


@dataclass(frozen=True, slots=True)
class Building:
    """What a building is. `supplies` None: nobody said what it is supplied with, so a sum over carriers may lack one."""

    id: str
    name: str
    kind: str
    community: str
    municipality: str
    region: str = "brussels"
    area_m2: float | None = None
    opening_hours: str = ""
    supplies: tuple[Carrier, ...] | None = None


@dataclass(frozen=True, slots=True)
class Metered:
    """What was used, by carrier, in kWh or m³ of water; `delivered`: of electricity what came from the grid, where that differs."""

    used: Mapping[Carrier, Sequence[Stretch]] = field(default_factory=dict)
    delivered: Sequence[Stretch] | None = None

    def bought(self, carrier: Carrier) -> Sequence[Stretch]:
        """What came over the meter."""
        if carrier is Carrier.ELECTRICITY and self.delivered is not None:
            return self.delivered
        return self.used.get(carrier, ())


@dataclass(frozen=True, slots=True)
class CarrierYear:
    """A carrier's year. Primary energy, CO2 and cost are of what was `bought`, kWh or m³: a roof's own power has none."""

    carrier: Carrier
    year: Annual
    bought: float | None
    primary_kwh: float | None
    co2_kg: float | None
    cost_eur: float | None


@dataclass(frozen=True, slots=True)
class BuildingYear:
    """A building's year. Sums are over energy carriers (not water), None when one of them is unknown; `unknown` says why.

    `class_` is of measured use: an indication, not the certificate, which is of theoretical use. `factors`: what it rests on.
    """

    building: Building
    days: Days
    carriers: Mapping[Carrier, CarrierYear]
    energy_kwh: float | None
    normalised_kwh: float | None
    primary_kwh: float | None
    co2_kg: float | None
    cost_eur: float | None
    class_: str | None
    scale: Scale | None
    coverage: float
    estimated_share: float
    factors: tuple[Factor, ...]
    unknown: tuple[Unknown, ...]

    @property
    def energy_kwh_m2(self) -> float | None:
        """kWh/m² and year."""
        return per_m2(self.energy_kwh, self.building.area_m2)

    @property
    def normalised_kwh_m2(self) -> float | None:
        """kWh/m² in a normal year."""
        return per_m2(self.normalised_kwh, self.building.area_m2)

    @property
    def primary_kwh_m2(self) -> float | None:
        """kWh/m² of primary energy."""
        return per_m2(self.primary_kwh, self.building.area_m2)

    @property
    def co2_kg_m2(self) -> float | None:
        """kg/m²."""
        return per_m2(self.co2_kg, self.building.area_m2)


def per_m2(amount: float | None, area_m2: float | None) -> float | None:
    """None when either is unknown."""
    return None if amount is None or not area_m2 else amount / area_m2


def closed_days(opening_hours: str) -> Callable[[date], bool]:
    """Whether a building stays closed on a day, by its opening hours; without any: Saturdays and Sundays."""
    if not opening_hours:
        return lambda day: day.weekday() > _FRIDAY
    try:
        spans = OpeningHours.parse(opening_hours).spans
    except ValueError:
        return lambda day: day.weekday() > _FRIDAY
    return lambda day: not spans[day.weekday()]


def building_year(building: Building, metered: Metered, days: Days, climate: Climate) -> BuildingYear:
    """The indicators of `days`, which are a year."""
    book, on, closed = climate.book, days.end, closed_days(building.opening_hours)
    rested: list[Factor] = []
    there = building.supplies if building.supplies is not None else tuple(metered.used)
    carriers = {
        carrier: _carrier_year(building, carrier, metered, days, climate, closed, rested)
        for carrier in Carrier
        if carrier in there or carrier in metered.used
    }
    energies = [carriers[carrier] for carrier in ENERGY if carrier in carriers]
    whole = building.supplies is not None and bool(energies)
    primary = _sum([one.primary_kwh for one in energies]) if whole else None
    scale = book.scale(building.kind, building.region, on)
    primary_m2 = per_m2(primary, building.area_m2)
    return BuildingYear(
        building=building,
        days=days,
        carriers=carriers,
        energy_kwh=_sum([one.year.amount for one in energies]) if whole else None,
        normalised_kwh=_sum([one.year.normalised for one in energies]) if whole else None,
        primary_kwh=primary,
        co2_kg=_sum([one.co2_kg for one in energies]) if whole else None,
        cost_eur=_sum([one.cost_eur for one in energies]) if whole else None,
        class_=scale.class_of(primary_m2) if scale is not None and primary_m2 is not None else None,
        scale=scale,
        coverage=min((one.year.use.coverage for one in energies), default=0.0),
        estimated_share=max((one.year.estimated_share for one in energies), default=0.0),
        factors=tuple(dict.fromkeys(rested)),
        unknown=_unknown(building, energies, scale, climate, days),
    )


def _carrier_year(
    building: Building,
    carrier: Carrier,
    metered: Metered,
    days: Days,
    climate: Climate,
    closed: Callable[[date], bool],
    rested: list[Factor],
) -> CarrierYear:
    weather = carrier is not Carrier.WATER
    year = annual(metered.used.get(carrier, ()), days, climate, closed, follows_weather=weather)
    bought = year.amount
    if carrier is Carrier.ELECTRICITY and metered.delivered is not None:
        bought = annual(metered.delivered, days, climate, closed).amount

    def of(what: What) -> float | None:
        found = climate.book.per_gross_kwh(what, carrier, building.region, days.end)
        if found is None:
            return None
        rested.extend(found[1])
        return None if bought is None else bought * found[0]

    return CarrierYear(
        carrier=carrier,
        year=year,
        bought=bought,
        primary_kwh=of("primary") if weather else None,
        co2_kg=of("co2") if weather else None,
        cost_eur=of("price"),
    )


def _sum(values: Sequence[float | None]) -> float | None:
    return None if not values or None in values else sum(value for value in values if value is not None)


def _unknown(
    building: Building, energies: Sequence[CarrierYear], scale: Scale | None, climate: Climate, days: Days
) -> tuple[Unknown, ...]:
    found = []
    if building.area_m2 is None:
        found.append(Unknown.AREA)
    if building.supplies is None:
        found.append(Unknown.SUPPLIES)
    if not energies or any(one.year.amount is None for one in energies):
        found.append(Unknown.USE)
    if any(one.bought is not None and None in {one.primary_kwh, one.co2_kg} for one in energies):
        found.append(Unknown.FACTOR)
    if scale is None:
        found.append(Unknown.SCALE)
    if climate.observed(days) is None or climate.normal(days.end) is None:
        found.append(Unknown.WEATHER)
    elif any(one.year.amount is not None and one.year.normalised is None for one in energies):
        found.append(Unknown.PATTERN)
    return tuple(found)
