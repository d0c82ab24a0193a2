"""Degree days, and use brought to a normal year: only what depends on the weather is scaled."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from energy.buildings.days import Days

__all__ = ["BASE_C", "degree_days", "mean_c", "normalised_kwh", "of_day"]

BASE_C = 15.0  # 18 °C of comfort less 3 °C of free gains: industry and public buildings (energieplus)


def mean_c(low_c: float, high_c: float) -> float:
    """A day's mean temperature as the gas sector takes it (energieplus)."""
    return (low_c + high_c) / 2


def of_day(temperature_c: float, base_c: float = BASE_C) -> float:
    """max(0, base - mean); the gas sector's 16.5/16.5 is `base_c=16.5` (Synergrid)."""
    return max(0.0, base_c - temperature_c)


def degree_days(temperatures: Mapping[date, float], days: Days, base_c: float = BASE_C) -> float | None:
    """Their sum; None as soon as the temperature of one day is unknown."""
    total = 0.0
    for day in days:
        temperature = temperatures.get(day)
        if temperature is None:
            return None
        total += of_day(temperature, base_c)
    return total


def normalised_kwh(base_kwh: float, heat_kwh: float, observed: float, normal: float) -> float | None:
    """E_base + E_heat * normal / observed; None when there was nothing to heat for. Hot water belongs to the base."""
    return base_kwh + heat_kwh * normal / observed if observed > 0 else None
