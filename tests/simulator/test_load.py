"""Building loads add up to their year and follow the habits of their kind."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

from simulator.load import BuildingLoad, Profile, shape
from simulator.local_time import LocalTime, local_time

ZONE = ZoneInfo("Europe/Brussels")


def at(*when: int) -> LocalTime:
    return local_time(round(dt.datetime(*when, tzinfo=ZONE).timestamp() * 1000), ZONE)


@pytest.mark.parametrize("profile", get_args(Profile))
def test_profile_adds_up_to_the_annual_energy(profile: Profile) -> None:
    load = BuildingLoad(1, "site", profile, annual_kwh=100_000)
    start_ms = round(dt.datetime(2026, 1, 1, tzinfo=ZONE).timestamp() * 1000)
    hours = [start_ms + hour * 3_600_000 for hour in range(8760)]
    energy_kwh = sum(load.power_w(t, local_time(t, ZONE)) for t in hours) / 1000
    assert energy_kwh == pytest.approx(100_000, rel=0.10)


def test_town_hall_works_on_a_working_day_and_rests_on_sunday() -> None:
    town_hall = shape("town_hall")
    assert town_hall(at(2026, 10, 7, 11, 0)) > 1.4 * town_hall(at(2026, 10, 4, 11, 0))
    assert town_hall(at(2026, 10, 7, 11, 0)) > 2 * town_hall(at(2026, 10, 7, 3, 0))


def test_school_is_quiet_in_the_holidays() -> None:
    school = shape("school")
    assert school(at(2026, 7, 15, 10, 0)) < 0.5 * school(at(2026, 6, 17, 10, 0))


def test_homes_use_more_in_the_evening_than_in_the_night() -> None:
    homes = shape("social_housing")
    days = range(1, 29)
    evening = sum(homes(at(2026, 11, day, 19, 0)) for day in days)
    assert evening > 1.5 * sum(homes(at(2026, 11, day, 4, 0)) for day in days)


def test_homes_every_day_of_a_leap_year_has_a_profile() -> None:
    first = dt.datetime(2028, 1, 1, 12, tzinfo=ZONE)
    homes = shape("social_housing")
    values = [homes(local_time(round((first + dt.timedelta(days=n)).timestamp() * 1000), ZONE)) for n in range(366)]
    assert min(values) > 0


def test_power_never_jumps_between_two_seconds() -> None:
    load = BuildingLoad(1, "site", "town_hall", annual_kwh=200_000)
    start_ms = round(dt.datetime(2026, 10, 7, 6, tzinfo=ZONE).timestamp() * 1000)
    times = [start_ms + second * 1000 for second in range(3600)]
    powers = [load.power_w(t, local_time(t, ZONE)) for t in times]
    assert max(abs(a - b) for a, b in itertools.pairwise(powers)) < 0.03 * load.mean_w
