"""What a building usually uses at night: the median of whole earlier nights, over midnight and the change of the clocks."""

from datetime import UTC, datetime, time

import pytest

from energy.alerts.nights import usual_w
from energy.quarters import QUARTER_MS

ZONE = "Europe/Brussels"
DAY = 86_400_000
NOW = round(datetime(2025, 11, 20, 2, 0, tzinfo=UTC).timestamp() * 1000)  # 03:00 there, in the night
ONE, FIVE = time(1), time(5)


def quarters(nights, watts, *, until=NOW):
    """Every quarter-hour of the last days; `watts` of the night so many days back, 9 kW by day."""
    for start in range(until - nights * DAY, until, QUARTER_MS):
        local_h = datetime.fromtimestamp(start / 1000, UTC).hour + 1
        back = (until - start + 4 * 3_600_000) // DAY
        yield start, (watts(back) if 1 <= local_h < 5 else 9_000.0) / 4


def test_it_is_the_median_of_the_nights_and_not_of_the_days_nor_of_tonight():
    assert usual_w(quarters(14, lambda back: 7_000 if back == 0 else 1_000), ONE, FIVE, ZONE, NOW) == 1_000
    odd = quarters(14, lambda back: 50_000 if back in {3, 8} else 1_000 + back)
    assert 1_000 < usual_w(odd, ONE, FIVE, ZONE, NOW) < 1_020


@pytest.mark.parametrize("nights", [0, 1, 4])
def test_few_nights_are_no_custom(nights):
    assert usual_w(quarters(nights, lambda _: 1_000), ONE, FIVE, ZONE, NOW) is None


def test_nights_of_which_much_is_unknown_do_not_count():
    rows = [(start, None if start % (2 * QUARTER_MS) else used) for start, used in quarters(14, lambda _: 1_000)]
    assert usual_w(rows, ONE, FIVE, ZONE, NOW) is None


def test_night_over_midnight_is_one_night():
    rows = [(start, 250.0) for start in range(NOW - 10 * DAY, NOW, QUARTER_MS)]
    assert usual_w(rows, time(22), time(4), ZONE, NOW) == 1_000
