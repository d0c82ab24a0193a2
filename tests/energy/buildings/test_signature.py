"""The change-point regression finds what was put in, and nothing where nothing is."""

import math
import random
from datetime import date, timedelta

import pytest

from energy.buildings.days import Days, Stretch
from energy.buildings.signature import fit

FIRST = date(2025, 1, 1)


def temperature(day):
    number = (day - FIRST).days
    return 10.5 - 8 * math.cos(2 * math.pi * (number - 20) / 365) + 3 * math.sin(number * 1.7)


TEMPERATURES = {FIRST + timedelta(days=n): temperature(FIRST + timedelta(days=n)) for n in range(730)}


def weekend(day):
    return day.weekday() > 4


def days(use, count=365):
    return [
        Stretch(Days(day, day + timedelta(days=1)), use(day, TEMPERATURES[day]))
        for day in (FIRST + timedelta(days=n) for n in range(count))
    ]


def test_heating_and_closed_days_are_found():
    rng = random.Random(1)

    def use(day, outside):
        return 200 + 12 * max(0, 15 - outside) - 60 * weekend(day) + rng.gauss(0, 8)

    found = fit(days(use), TEMPERATURES, weekend)
    assert found.base == pytest.approx(200, rel=0.05)
    assert found.heating == pytest.approx(12, rel=0.08)
    assert found.heating_c == pytest.approx(15, abs=1)
    assert found.closed == pytest.approx(-60, rel=0.15)
    assert found.cooling == 0
    assert found.deviation == pytest.approx(8, rel=0.2)
    assert found.r2 > 0.95


def test_cooling_is_found_beside_heating():
    rng = random.Random(2)
    found = fit(
        days(lambda _, c: 100 + 6 * max(0, 13 - c) + 9 * max(0, c - 18) + rng.gauss(0, 4)), TEMPERATURES, weekend
    )
    assert found.heating == pytest.approx(6, rel=0.15)
    assert found.cooling == pytest.approx(9, rel=0.2)


def test_use_that_knows_no_weather_has_no_slope():
    rng = random.Random(3)
    found = fit(days(lambda *_: rng.gauss(100, 10)), TEMPERATURES, weekend)
    assert (found.heating, found.cooling, found.closed) == (0, 0, 0)
    assert found.base == pytest.approx(100, rel=0.02)


def test_monthly_readings_are_enough_for_heating():
    stretches = []
    for month in range(1, 13):
        span = Days.of_month(2025, month)
        stretches.append(Stretch(span, sum(50 + 10 * max(0, 15 - TEMPERATURES[day]) for day in span)))
    found = fit(stretches, TEMPERATURES, weekend)
    assert found.heating == pytest.approx(10, rel=0.1)
    span = Days.of_year(2025)
    assert found.of(span, TEMPERATURES, weekend) == pytest.approx(sum(one.amount for one in stretches), rel=0.01)


def test_too_few_or_days_without_weather_say_nothing():
    assert fit(days(lambda *_: 1.0, 9), TEMPERATURES, weekend) is None
    assert fit(days(lambda *_: 1.0, 300), {}, weekend) is None


def test_unknown_temperature_makes_the_expectation_unknown():
    found = fit(days(lambda _, c: 5 + max(0, 15 - c)), TEMPERATURES, weekend)
    assert found.of(Days(date(2030, 1, 1), date(2030, 1, 2)), TEMPERATURES, weekend) is None


def test_constant_use_is_fitted_without_a_division_by_nothing():
    found = fit(days(lambda *_: 0.0), TEMPERATURES, weekend)
    assert (found.base, found.r2, found.deviation) == (pytest.approx(0), 0, pytest.approx(0))
