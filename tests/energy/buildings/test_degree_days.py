"""Degree days and normal years, by the figures that are published."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.buildings.days import Days
from energy.buildings.degree_days import degree_days, mean_c, normalised_kwh, of_day


@pytest.mark.parametrize(("temperature", "expected"), [(10, 6.5), (-2, 18.5), (20, 0)])
def test_gas_sector_degree_day_has_the_published_values(temperature, expected):
    assert of_day(temperature, 16.5) == expected


def test_mean_is_that_of_lowest_and_highest():
    assert of_day(mean_c(4.0, 10.0), 15.0) == 8.0


def test_all_heating_is_brought_to_the_normal_year():
    assert normalised_kwh(0, 100_000, 1739, 1902) == pytest.approx(109_373, abs=0.5)


def test_base_load_is_left_as_it_is():
    assert normalised_kwh(20_000, 80_000, 1739, 1902) == pytest.approx(107_499, abs=0.5)


def test_year_without_cold_cannot_be_normalised():
    assert normalised_kwh(0, 100, 0, 1902) is None


def test_one_unknown_day_makes_the_sum_unknown():
    days = Days(date(2026, 1, 1), date(2026, 1, 4))
    known = {date(2026, 1, 1): 5.0, date(2026, 1, 2): 20.0}
    assert degree_days(known, days) is None
    assert degree_days(known | {date(2026, 1, 3): 14.0}, days) == 11.0


@given(st.lists(st.floats(-30, 40), min_size=1, max_size=60), st.floats(5, 20))
def test_degree_days_are_the_sum_of_the_days_and_never_negative(temperatures, base):
    first = date(2026, 1, 1)
    known = {first + timedelta(days=place): value for place, value in enumerate(temperatures)}
    total = degree_days(known, Days(first, first + timedelta(days=len(temperatures))), base)
    assert total == pytest.approx(sum(max(0.0, base - value) for value in temperatures))
    assert total >= 0
