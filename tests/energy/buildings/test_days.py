"""What is known of spans of days, and what is not."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.buildings.days import Days, Stretch, daily, joined, used


def day(number):
    return date(2026, 1, 1) + timedelta(days=number)


def stretch(first, end, amount, **more):
    return Stretch(Days(day(first), day(end)), amount, **more)


def test_year_before_keeps_the_length_of_the_same_days():
    assert Days.of_year(2026).year_before() == Days.of_year(2025)
    assert Days(date(2024, 2, 29), date(2024, 3, 1)).year_before() == Days(date(2023, 2, 28), date(2023, 3, 1))
    assert Days.year_until(date(2026, 11, 28)).count == 365
    assert Days.of_month(2026, 12) == Days(date(2026, 12, 1), date(2027, 1, 1))


def test_sum_is_known_when_every_day_is():
    days = Days(day(0), day(10))
    assert used([stretch(0, 4, 40), stretch(4, 10, 30)], days).total == 70
    partly = used([stretch(0, 4, 40)], days)
    assert partly.total is None
    assert (partly.amount, partly.coverage) == (40, 0.4)


def test_stretch_that_reaches_beyond_counts_by_its_mean_as_an_estimate():
    found = used([stretch(-5, 5, 100)], Days(day(0), day(5)))
    assert (found.total, found.estimated_days) == (50, 5)


def test_logger_comes_before_readings_by_hand_and_these_fill_its_gaps():
    logger = [stretch(2, 3, 7), stretch(3, 4, 9)]
    found = joined(logger, [stretch(0, 6, 60), stretch(6, 8, 12)])
    assert used(found, Days(day(0), day(8))).amount == 20 + 7 + 9 + 20 + 12
    assert used(found, Days(day(0), day(8))).estimated_days == 4
    assert daily(found) == {day(2): 7, day(3): 9}


def test_no_days_cover_nothing():
    assert used([stretch(0, 1, 5)], Days(day(3), day(3))).total is None


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10), st.floats(0, 1000)), max_size=8),
    st.integers(0, 30),
    st.integers(0, 20),
)
def test_two_halves_make_the_whole(parts, first, length):
    position, stretches = 0, []
    for gap, count, amount in parts:
        stretches.append(stretch(position + gap, position + gap + count, amount))
        position += gap + count
    whole, middle = Days(day(first), day(first + length)), day(first + length // 2)
    one, other = used(stretches, Days(whole.first, middle)), used(stretches, Days(middle, whole.end))
    both = used(stretches, whole)
    assert both.known_days == one.known_days + other.known_days
    assert both.amount == pytest.approx(one.amount + other.amount)
    assert 0 <= both.coverage <= 1
