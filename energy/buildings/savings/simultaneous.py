"""Heating and cooling at once: the heating goes on in weather in which the cooling already runs.

Both carriers are fitted by the weather. Where the heating's balance temperature lies above the cooling's, the days
between know both; the smaller of the two is energy against energy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from energy.buildings.days import Days
from energy.buildings.savings.saving import Pattern
from energy.buildings.signature import Signature

__all__ = ["ASSUMED_COP", "Simultaneous", "simultaneous"]

ASSUMED_COP: Final = 3.0  # heat that a chiller takes away per kWh of electricity; an assumption, told with the result
_LEAST_OVERLAP_C: Final = 1.5
_LEAST_SHARE: Final = 0.02
_SURE_R2: Final = 0.5
_LEAST_DAYS: Final = 10


@dataclass(frozen=True, slots=True)
class Simultaneous:
    """`days` of a year heat and cool; `heat_kwh` and `cold_kwh` (electricity) of the carriers are against each other."""

    days: int
    heat_kwh: float
    cold_kwh: float
    cooling_c: float
    heating_c: float
    pattern: Pattern


def simultaneous(
    heating: Signature, cooling: Signature, year: Days, temperatures: Mapping[date, float]
) -> Simultaneous | None:
    """What heats (of one carrier) while electricity cools; None when they do not meet, or the fits are not sure."""
    sure = heating.r2 >= _SURE_R2 and cooling.r2 >= _SURE_R2 and heating.heating > 0 and cooling.cooling > 0
    if not sure or heating.heating_c - cooling.cooling_c < _LEAST_OVERLAP_C:
        return None
    days, heat, cold, all_heat = 0, 0.0, 0.0, 0.0
    for day in year:
        outside = temperatures.get(day)
        if outside is None:
            continue
        warm, chilled = heating.heat_of(outside), cooling.cold_of(outside) * ASSUMED_COP
        all_heat += warm
        against = min(warm, chilled)
        if against > 0:
            days += 1
            heat += against
            cold += against / ASSUMED_COP
    if days < _LEAST_DAYS or heat < _LEAST_SHARE * all_heat:
        return None
    pattern = _pattern(heating, cooling)
    return Simultaneous(days, heat, cold, cooling.cooling_c, heating.heating_c, pattern)


def _pattern(heating: Signature, cooling: Signature) -> Pattern:
    span = range(-5, 33)
    return Pattern(
        axis="temperature",
        unit="kWh",
        x=tuple(str(each) for each in span),
        lines={
            "heating": tuple(round(heating.heat_of(each), 2) for each in span),
            "cooling": tuple(round(cooling.cold_of(each), 2) for each in span),
        },
        marked=tuple(cooling.cooling_c < each < heating.heating_c for each in span),
    )
