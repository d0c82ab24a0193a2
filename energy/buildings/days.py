"""Spans of local days, and what is known to have been used in them."""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Self

__all__ = ["ENERGY", "Carrier", "Days", "Stretch", "Use", "daily", "joined", "used"]

_DAY = timedelta(days=1)


class Carrier(StrEnum):
    """What a building is supplied with."""

    ELECTRICITY = "electricity"
    GAS = "gas"
    HEAT = "heat"
    WATER = "water"


ENERGY = (Carrier.ELECTRICITY, Carrier.GAS, Carrier.HEAT)


@dataclass(frozen=True, slots=True, order=True)
class Days:
    """The local days [first, end)."""

    first: date
    end: date

    @classmethod
    def of_year(cls, year: int) -> Self:
        """A calendar year."""
        return cls(date(year, 1, 1), date(year + 1, 1, 1))

    @classmethod
    def of_month(cls, year: int, month: int) -> Self:
        """A calendar month."""
        return cls(date(year, month, 1), date(year + month // 12, month % 12 + 1, 1))

    @classmethod
    def year_until(cls, end: date) -> Self:
        """The year before `end`."""
        return cls(_years_later(end, -1), end)

    @property
    def count(self) -> int:
        """How many days."""
        return max(0, (self.end - self.first).days)

    def __iter__(self) -> Iterator[date]:
        return (self.first + place * _DAY for place in range(self.count))

    def __contains__(self, day: date) -> bool:
        return self.first <= day < self.end

    def common(self, other: Days) -> Days:
        """The days that both have."""
        first = max(self.first, other.first)
        return Days(first, max(first, min(self.end, other.end)))

    def year_before(self) -> Days:
        """The same days a year earlier; 29 February becomes the 28th."""
        return Days(_years_later(self.first, -1), _years_later(self.end, -1))


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was used in some days that lie together: one day of a logger, or all days between two readings by hand.

    `measured` False: a part of it was estimated where it was metered.
    """

    days: Days
    amount: float
    measured: bool = True

    @property
    def per_day(self) -> float:
        """The mean of a day."""
        return self.amount / self.days.count


@dataclass(frozen=True, slots=True)
class Use:
    """What was used in `days` days: `known_days` of them are known, of these `estimated_days` by an estimate."""

    days: int
    amount: float = 0.0
    known_days: int = 0
    estimated_days: int = 0

    @property
    def coverage(self) -> float:
        """Part of the days that is known."""
        return self.known_days / self.days if self.days else 0.0

    @property
    def total(self) -> float | None:
        """The amount when every day is known."""
        return self.amount if self.days and self.known_days == self.days else None


def used(stretches: Iterable[Stretch], days: Days) -> Use:
    """What was used in `days`. Of a stretch that reaches beyond them, the days inside count by its mean: an estimate."""
    amount, known, estimated = 0.0, 0, 0
    for stretch in stretches:
        if stretch.days.end <= days.first or stretch.days.first >= days.end:
            continue
        inside, length = stretch.days.common(days).count, stretch.days.count
        amount += stretch.amount * inside / length
        known += inside
        estimated += inside if inside < length or not stretch.measured else 0
    return Use(days.count, amount, known, estimated)


def joined(better: Sequence[Stretch], other: Sequence[Stretch]) -> list[Stretch]:
    """All of `better`, and of `other` the days that `better` does not know, by their mean where only a part is left."""
    known = {day for stretch in better for day in stretch.days}
    result = list(better)
    for stretch in other:
        free = [day for day in stretch.days if day not in known]
        if len(free) == stretch.days.count:
            result.append(stretch)
            continue
        result += [Stretch(run, stretch.per_day * run.count, measured=False) for run in _runs(free)]
    return sorted(result, key=lambda stretch: stretch.days)


def daily(stretches: Iterable[Stretch]) -> dict[date, float]:
    """The days that are known one by one."""
    return {stretch.days.first: stretch.amount for stretch in stretches if stretch.days.count == 1}


def _runs(days: Sequence[date]) -> Iterator[Days]:
    start = 0
    for place in range(1, len(days) + 1):
        if place == len(days) or days[place] - days[place - 1] != _DAY:
            yield Days(days[start], days[place - 1] + _DAY)
            start = place


def _years_later(day: date, years: int) -> date:
    year = day.year + years
    return date(year, day.month, min(day.day, calendar.monthrange(year, day.month)[1]))
