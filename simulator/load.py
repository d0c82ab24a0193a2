"""Consumption of buildings over time: measured profiles where there are some, written schedules where there are none.

The shapes and where they come from stand in data/ORIGIN.md.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Literal

from simulator.local_time import LocalTime
from simulator.noise import seed_of, smooth

__all__ = ["BuildingLoad", "Profile", "read_table", "shape"]

Profile = Literal["town_hall", "school", "depot", "social_housing", "pool"]

SATURDAY, SUNDAY = 5, 6
SCHOOL_HOLIDAY_LEVEL = 0.4  # of a school day; cleaning, servers and ventilation go on


def read_table(name: str) -> list[dict[str, str]]:
    """The rows of a CSV file of this package's data."""
    text = (files("simulator") / "data" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


class BuildingLoad:
    """The power of one building without its EV chargers, heat pump and lighting meters."""

    def __init__(self, seed: int, name: str, profile: Profile, annual_kwh: float) -> None:
        self.mean_w = annual_kwh * 1000 / 8760
        self._shape = shape(profile)
        self._fast = seed_of(seed, f"{name}/fast")
        self._slow = seed_of(seed, f"{name}/slow")

    def power_w(self, t_ms: int, local: LocalTime) -> int:
        """Whole watts, as a meter shows them."""
        jitter = 0.12 * (smooth(self._fast, t_ms / 40_000) - 0.5) + 0.24 * (smooth(self._slow, t_ms / 1_500_000) - 0.5)
        return round(self.mean_w * self._shape(local) * (1.0 + jitter))


def shape(profile: Profile) -> Callable[[LocalTime], float]:
    """The profile as a function of local time; its mean over a year is about 1."""
    return _SHAPES[profile]


def _between(values: Sequence[float], position: float) -> float:
    index = int(position)
    left = values[index]
    right = values[(index + 1) % len(values)]
    return left + (right - left) * (position - index)


def _season(local: LocalTime, swing: float) -> float:
    return 1.0 + swing * math.cos(2 * math.pi * (local.day_of_year - 15) / 365)


@lru_cache(maxsize=1)
def _business_days() -> dict[str, list[float]]:
    rows = read_table("business_days.csv")
    return {column: [float(row[column]) for row in rows] for column in rows[0] if column != "quarter"}


def _business(column: str, local: LocalTime) -> float:
    kind = "sunday" if local.weekday == SUNDAY else "saturday" if local.weekday == SATURDAY else "workday"
    return _between(_business_days()[f"{column}_{kind}"], local.minute / 15)


def _town_hall(local: LocalTime) -> float:
    return _business("e3a", local) * _season(local, 0.12)


def _pool(local: LocalTime) -> float:
    return (0.45 + 0.55 * _business("e2a", local)) * _season(local, 0.10)  # pumps and heat never stop


@lru_cache(maxsize=1)
def _modelled_days() -> dict[str, list[float]]:
    rows = read_table("modelled_days.csv")
    return {column: [float(row[column]) for row in rows] for column in rows[0] if column != "hour"}


def _modelled(kind: str, local: LocalTime) -> float:
    day = "weekend" if local.weekday >= SATURDAY else "workday"
    return _between(_modelled_days()[f"{kind}_{day}"], local.minute / 60)


def _school(local: LocalTime) -> float:
    holiday = local.month in {7, 8} or (local.month, local.day) >= (12, 22) or (local.month, local.day) <= (1, 5)
    return _modelled("school", local) * (SCHOOL_HOLIDAY_LEVEL if holiday else 1.0) * _season(local, 0.15) * 1.1


def _depot(local: LocalTime) -> float:
    return _modelled("depot", local) * _season(local, 0.08)


@lru_cache(maxsize=1)
def _homes() -> dict[tuple[int, int], tuple[int, list[float]]]:
    """(month, day) -> ISO weekday and 24 hourly means, relative to the year's mean."""
    rows = read_table("homes_year.csv")
    hours = [column for column in rows[0] if column.startswith("h")]
    mean = sum(float(row[hour]) for row in rows for hour in hours) / (len(rows) * len(hours))
    return {
        (int(row["month_day"][:2]), int(row["month_day"][3:])): (
            int(row["weekday"]),
            [float(row[hour]) / mean for hour in hours],
        )
        for row in rows
    }


@lru_cache(maxsize=16)
def _homes_day(month: int, day: int, weekday: int) -> list[float]:
    """The measured day nearest to a date that falls on the same day of the week: weekends stay weekends."""
    days = _homes()
    keys = sorted(days)
    index = keys.index((month, min(day, 28) if month == 2 else day))
    for shift in (0, 1, -1, 2, -2, 3, -3):
        measured, values = days[keys[(index + shift) % len(keys)]]
        if measured == weekday + 1:
            return values
    return days[keys[index]][1]  # the year's seam, where seven days in a row do not hold every weekday


def _social_housing(local: LocalTime) -> float:
    return _between(_homes_day(local.month, local.day, local.weekday), local.minute / 60)


_SHAPES: dict[Profile, Callable[[LocalTime], float]] = {
    "town_hall": _town_hall,
    "school": _school,
    "depot": _depot,
    "social_housing": _social_housing,
    "pool": _pool,
}
