"""Cars come and go the same way every time, and never two at one socket."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from simulator.local_time import LocalTime, local_time
from simulator.sessions import Sessions

ZONE = ZoneInfo("Europe/Brussels")


def minutes_of(day: dt.date) -> list[LocalTime]:
    midnight = round(dt.datetime.combine(day, dt.time(), ZONE).timestamp() * 1000)
    return [local_time(midnight + minute * 60_000, ZONE) for minute in range(0, 1440, 15)]


def test_sessions_same_seed_same_cars() -> None:
    first, second = Sessions(1, "depot/ev"), Sessions(1, "depot/ev")
    day = minutes_of(dt.date(2026, 10, 7))
    assert [first.at(local) for local in day] == [second.at(local) for local in reversed(day)][::-1]


def test_sessions_working_days_are_busier_than_weekends() -> None:
    sessions = Sessions(1, "depot/ev")
    monday = dt.date(2026, 9, 7)
    cars: dict[bool, set[str]] = {True: set(), False: set()}
    for offset in range(70):
        day = monday + dt.timedelta(days=offset)
        cars[day.weekday() >= 5] |= {car.key for local in minutes_of(day) if (car := sessions.at(local))}
    assert len(cars[False]) / 50 > 1.3 * len(cars[True]) / 20


def test_session_asks_for_what_its_stay_can_give() -> None:
    sessions = Sessions(3, "depot/ev")
    found = {sessions.at(local) for n in range(60) for local in minutes_of(dt.date(2026, 3, 2) + dt.timedelta(n))}
    for car in found - {None}:
        assert car is not None
        assert 0 <= car.arrives_min < car.leaves_min <= 1440
        assert 3_000 <= car.energy_wh <= 45_000
        assert (car.current_a, car.phases) in {(16.0, 3), (32.0, 1)}
