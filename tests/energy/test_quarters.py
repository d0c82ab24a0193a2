"""Quarter-hours and local days, daylight saving included."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.quarters import QUARTER_MS, local_day, local_month, quarter_start, quarter_starts


@pytest.mark.parametrize(
    ("noon", "quarters"),
    [("2026-03-29T12:00+02:00", 92), ("2026-10-25T12:00+01:00", 100), ("2026-06-21T12:00+02:00", 96)],
)
def test_local_day_in_brussels_has_92_96_or_100_quarter_hours(noon, quarters):
    t = int(datetime.fromisoformat(noon).timestamp() * 1000)
    start, end = local_day(t, "Europe/Brussels")
    assert start <= t < end
    assert len(quarter_starts(start, end)) == quarters


def test_local_day_begins_at_local_midnight():
    start, _ = local_day(int(datetime(2026, 7, 1, 10, tzinfo=UTC).timestamp() * 1000), "Europe/Brussels")
    assert datetime.fromtimestamp(start / 1000, UTC) == datetime(2026, 6, 30, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("noon", "quarters"),
    [
        ("2026-03-29T12:00+02:00", 31 * 96 - 4),
        ("2026-10-01T00:00+02:00", 31 * 96 + 4),
        ("2024-02-29T23:59+01:00", 29 * 96),
        ("2026-12-31T12:00+01:00", 31 * 96),
    ],
)
def test_local_month_in_brussels_has_the_quarter_hours_of_its_days(noon, quarters):
    t = int(datetime.fromisoformat(noon).timestamp() * 1000)
    start, end = local_month(t, "Europe/Brussels")
    assert start <= t < end
    assert len(quarter_starts(start, end)) == quarters
    assert local_month(end - 1, "Europe/Brussels") == (start, end)
    assert local_day(start, "Europe/Brussels")[0] == start


@given(st.integers(0, 4_000_000_000_000))
def test_quarter_start_is_the_last_multiple_of_fifteen_minutes(t):
    start = quarter_start(t)
    assert start <= t < start + QUARTER_MS
    assert start % QUARTER_MS == 0


def test_quarter_starts_of_a_touched_interval_include_the_partly_covered_ones():
    assert list(quarter_starts(QUARTER_MS - 1, 2 * QUARTER_MS + 1)) == [0, QUARTER_MS, 2 * QUARTER_MS]
