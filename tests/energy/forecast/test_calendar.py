"""Slots of the local week: holidays are Sundays, and the clock changes."""

from datetime import UTC, date, datetime

import pytest

from energy.forecast.calendar import belgian_holidays, slots_of_week

QUARTERS = 96


def _ms(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("year", "moving"),
    [
        (2024, {date(2024, 4, 1), date(2024, 5, 9), date(2024, 5, 20)}),
        (2025, {date(2025, 4, 21), date(2025, 5, 29), date(2025, 6, 9)}),
        (2026, {date(2026, 4, 6), date(2026, 5, 14), date(2026, 5, 25)}),
        (2038, {date(2038, 4, 26), date(2038, 6, 3), date(2038, 6, 14)}),  # the latest Easter there is
    ],
)
def test_belgian_holidays_of_published_years(year, moving):
    holidays = belgian_holidays(year)
    assert moving < holidays
    assert len(holidays) == 10
    assert date(year, 7, 21) in holidays


def test_slots_count_a_holiday_as_sunday():
    noon = slots_of_week([_ms("2026-07-21T10:00")], "Europe/Brussels", QUARTERS)[0]  # a Tuesday
    assert noon == 6 * QUARTERS + 48
    assert slots_of_week([_ms("2026-07-21T10:00")], "Europe/Brussels", QUARTERS, ())[0] == 1 * QUARTERS + 48


def test_slots_follow_the_local_clock_when_it_goes_back():
    starts = [_ms("2026-10-25T00:00") + hour * 3_600_000 for hour in range(4)]
    assert list(slots_of_week(starts, "Europe/Brussels", 24) % 24) == [2, 2, 3, 4]
