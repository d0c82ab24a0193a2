"""Power over time in the calendar of the place."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.buildings.savings.load import Load, open_slots
from energy.hours import OpeningHours

ZONE = ZoneInfo("Europe/Brussels")


def test_energy_becomes_power_at_its_local_hour():
    start = int(datetime(2026, 7, 6, 9, 15, tzinfo=ZONE).timestamp() * 1000)
    load = Load.of_energy([start, start + 900_000], [250.0, None], "Europe/Brussels", 900)
    assert load.power_w[0] == 1000
    assert np.isnan(load.power_w[1])
    assert (load.slot[0], load.weekday[0], date.fromordinal(int(load.day[0]))) == (37, 0, date(2026, 7, 6))
    assert load.kwh(load.known) == pytest.approx(0.25)


@pytest.mark.parametrize(("day", "quarters"), [("2026-03-29", 92), ("2026-10-25", 100), ("2026-11-28", 96)])
def test_table_of_a_day_holds_every_summer_time(day, quarters):
    first = int(datetime.fromisoformat(day).replace(tzinfo=ZONE).timestamp() * 1000)
    load = Load.of_energy([first + 900_000 * n for n in range(quarters)], [1.0] * quarters, "Europe/Brussels", 900)
    days, table = load.table()
    assert days == [date.fromisoformat(day)]
    assert int((~np.isnan(table)).sum()) == min(quarters, 96)


@given(
    st.integers(0, 6),
    st.integers(0, 95),
    st.sampled_from(["Mo-Fr 08:00-18:00", "Sa 22:00-02:00", "24/7", "Su 00:00-24:00"]),
)
def test_open_slots_agree_with_the_opening_hours(weekday, slot, text):
    hours = OpeningHours.parse(text)
    at = datetime(2026, 11, 2 + weekday, slot // 4, slot % 4 * 15, 7, tzinfo=ZONE)
    expected = hours.open_at(int(at.timestamp() * 1000), "Europe/Brussels", margin_s=0)
    assert bool(open_slots(hours, 900, 0)[weekday, slot]) == expected
