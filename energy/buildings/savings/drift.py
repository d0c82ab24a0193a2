"""Drift: a building uses more than it did in the same weather, for weeks.

The year before is fitted by the weather, the last weeks are compared with what the fit expects. They must lie above it
by more than three standard errors, by a twentieth, and in most weeks. The error is that of the fit's own weeks: days
after each other are alike, so a day's deviation would promise too much.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from energy.buildings.days import Days, Stretch
from energy.buildings.savings.saving import Pattern, Why
from energy.buildings.signature import Signature, fit

__all__ = ["RECENT_DAYS", "Drift", "drift"]

RECENT_DAYS: Final = 28
_BEFORE_DAYS: Final = 365
_LEAST_BEFORE_DAYS: Final = 56
_LEAST_READINGS: Final = 10
_RECENT_READINGS: Final = 2  # of readings by hand, which lie weeks apart
_ERRORS: Final = 3.0
_LEAST_RATIO: Final = 0.05
_MOST_WEEKS: Final = 0.7
_RARE: Final = 5  # percentile of the fitted weather outside of which the recent one may not lie
_LEAST_KNOWN: Final = 0.7  # part of the recent days
_DRAWN: Final = 120
_WEEK: Final = 7


@dataclass(frozen=True, slots=True)
class Drift:
    """`ratio` above what was expected since `since`; `kwh` a year if it stays so; `errors` in standard errors."""

    ratio: float
    kwh: float
    errors: float
    since: date
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class _Expectation:
    """What the fit expects of a stretch."""

    signature: Signature
    temperatures: Mapping[date, float]
    closed: Callable[[date], bool]

    def of(self, stretch: Stretch) -> float:
        """Its kWh; all its temperatures are known."""
        found = self.signature.of(stretch.days, self.temperatures, self.closed)
        assert found is not None
        return found

    def excess(self, stretch: Stretch) -> float:
        """What it has above that, kWh."""
        return stretch.amount - self.of(stretch)


def drift(
    stretches: Sequence[Stretch],
    temperatures: Mapping[date, float],
    closed: Callable[[date], bool],
    end: date,
    *,
    least_ratio: float = _LEAST_RATIO,
) -> Drift | Why | None:
    """A drift in what was used before `end`; None: there is none; a Why: nobody can tell."""
    usable = [one for one in stretches if one.days.end <= end and all(day in temperatures for day in one.days)]
    recent, before = _parts(usable, end)
    if not _enough(recent, before):
        return Why.WEATHER if len(usable) < len(stretches) // 2 else Why.HISTORY
    if _outside(recent, before, temperatures):
        return Why.WEATHER
    signature = fit(before, temperatures, closed)
    if signature is None:
        return Why.HISTORY
    expect = _Expectation(signature, temperatures, closed)
    expected = sum(expect.of(one) for one in recent)
    excess = sum(expect.excess(one) for one in recent)
    if expected <= 0 or excess <= 0:
        return None
    ratio = excess / expected
    error = _error(expect, before, recent)
    errors = excess / error if error > 0 else float("inf")
    if ratio < least_ratio or errors < _ERRORS or not _lasting(expect, recent):
        return None
    year = signature.of(Days.year_until(end), temperatures, closed)
    days = sum(one.days.count for one in recent)
    shown = sorted([*before, *recent], key=lambda one: one.days)
    return Drift(
        ratio=ratio,
        kwh=excess / days * 365 if year is None else ratio * year,
        errors=errors,
        since=_since(expect, shown, recent[0].days.first),
        pattern=_pattern(expect, shown, recent[0].days.first),
    )


def _parts(usable: Sequence[Stretch], end: date) -> tuple[list[Stretch], list[Stretch]]:
    ordered = sorted(usable, key=lambda one: one.days)
    first = end - timedelta(days=RECENT_DAYS)
    by_hand = bool(ordered) and sum(one.days.count for one in ordered) / len(ordered) > _WEEK
    if by_hand and len(ordered) > _RECENT_READINGS:
        first = ordered[-_RECENT_READINGS].days.first
    recent = [one for one in ordered if one.days.first >= first]
    oldest = first - timedelta(days=_BEFORE_DAYS + 31 * by_hand)
    return recent, [one for one in ordered if one.days.end <= first and one.days.first >= oldest]


def _enough(recent: Sequence[Stretch], before: Sequence[Stretch]) -> bool:
    if len(before) < _LEAST_READINGS or sum(one.days.count for one in before) < _LEAST_BEFORE_DAYS:
        return False
    return sum(one.days.count for one in recent) >= _LEAST_KNOWN * RECENT_DAYS


def _outside(recent: Sequence[Stretch], before: Sequence[Stretch], temperatures: Mapping[date, float]) -> bool:
    """Whether most of the recent weather was hardly ever seen before: the fit's line must not be drawn on.

    Real homes fitted on summer and autumn were all "drifting" in their first December.
    """
    low, high = np.percentile(_mean_temperatures(before, temperatures), (_RARE, 100 - _RARE))
    return not low <= float(np.median(_mean_temperatures(recent, temperatures))) <= high


def _mean_temperatures(stretches: Sequence[Stretch], temperatures: Mapping[date, float]) -> list[float]:
    return [sum(temperatures[day] for day in one.days) / one.days.count for one in stretches]


def _error(expect: _Expectation, before: Sequence[Stretch], recent: Sequence[Stretch]) -> float:
    """The standard error of the recent sum: from the scatter of whole weeks, or of spans as long as the recent one.

    The larger of the two: where whole months differ from each other, weeks promise too much.
    """
    residuals = np.array([expect.excess(one) for one in before])
    size = _block(before)
    weeks = residuals[: len(residuals) // size * size].reshape(-1, size).sum(axis=1)
    if len(weeks) < 2:
        return float("inf")
    number = max(1, round(len(recent) / size))
    of_weeks = float(np.std(weeks, ddof=1)) * math.sqrt(number)
    spans = np.convolve(residuals, np.ones(min(len(recent), len(residuals))), mode="valid")
    of_spans = float(np.sqrt(np.mean(spans**2)))
    return max(of_weeks, of_spans) * math.sqrt(1 + number / len(weeks))


def _block(stretches: Sequence[Stretch]) -> int:
    """How many stretches make a week, or a reading by hand."""
    return _WEEK if all(one.days.count == 1 for one in stretches) else 1


def _lasting(expect: _Expectation, recent: Sequence[Stretch]) -> bool:
    size = _block(recent)
    weeks = [
        sum(expect.excess(one) for one in recent[place : place + size]) > 0 for place in range(0, len(recent), size)
    ]
    return sum(weeks) >= _MOST_WEEKS * len(weeks)


def _since(expect: _Expectation, shown: Sequence[Stretch], first_recent: date) -> date:
    """Where the sum of what lies above the expectation, less half of it as it is now, was lowest: a CUSUM's turn."""
    days = np.array([one.days.count for one in shown])
    over = np.array([expect.excess(one) for one in shown]) / days
    level = float(over[[one.days.first >= first_recent for one in shown]].mean())
    turn = int(np.argmin(np.cumsum((over - level / 2) * days)))
    return shown[min(turn + 1, len(shown) - 1)].days.first


def _pattern(expect: _Expectation, shown: Sequence[Stretch], first_recent: date) -> Pattern:
    last = shown[-_DRAWN:]
    return Pattern(
        axis="day",
        unit="kWh",
        x=tuple(one.days.first.isoformat() for one in last),
        lines={
            "measured": tuple(round(one.per_day, 3) for one in last),
            "expected": tuple(round(expect.of(one) / one.days.count, 3) for one in last),
        },
        marked=tuple(one.days.first >= first_recent for one in last),
    )
