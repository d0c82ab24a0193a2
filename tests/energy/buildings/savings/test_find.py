"""Faults that were put in are found with their size; a building without any is left in peace."""

import random
from datetime import date, timedelta

import pytest

from energy.buildings.days import Carrier, Days, Stretch
from energy.buildings.savings.saving import Kind, Why
from tests.energy.buildings.savings.places import (
    END,
    SPAN,
    daily,
    kinds,
    load,
    look,
    office_w,
    quarters,
    temperatures,
)

RECENT = Days(END - timedelta(days=28), END)


def gas(excess=0.0, seed=5):
    rng, known = random.Random(seed), temperatures()

    def use(day):
        normal = (60 + 25 * max(0, 15 - known[day])) * rng.gauss(1, 0.08)
        return normal * (1 + (excess if day in RECENT else 0))

    return {Carrier.GAS: daily(use)}


def test_quiet_building_is_left_in_peace():
    found = look(gas(), load(quarters()))
    assert found.savings == ()
    assert {one.kind for one in found.not_looked} == {Kind.SIMULTANEOUS, Kind.BASE_LOAD}
    assert found.base_load_w == pytest.approx(3750, rel=0.05)


@pytest.mark.parametrize("seed", range(20))
def test_building_whose_use_only_scatters_does_not_drift(seed):
    assert kinds(look(gas(seed=seed))) == set()


@pytest.mark.parametrize("excess", [0.12, 0.3])
def test_drift_is_found_with_its_size_and_begin(excess):
    (saving,) = look(gas(excess)).savings
    assert saving.kind is Kind.DRIFT
    assert saving.facts["ratio"] == pytest.approx(excess, abs=0.05)
    assert abs((saving.since - RECENT.first).days) <= 14
    year = sum(one.amount for one in gas()[Carrier.GAS] if one.days.first >= date(2025, 11, 1))
    assert saving.kwh == pytest.approx(excess * year, rel=0.35)
    assert saving.eur is None  # nobody gave a price of gas
    assert [day for day, marked in zip(saving.pattern.x, saving.pattern.marked, strict=True) if marked] == [
        day.isoformat() for day in RECENT
    ]
    assert len(saving.pattern.lines["measured"]) == len(saving.pattern.lines["expected"]) == len(saving.pattern.x)


def test_less_than_before_is_no_saving():
    assert kinds(look(gas(-0.3))) == set()


def test_drift_is_found_in_readings_by_hand():
    known, rng = temperatures(), random.Random(1)

    def month(year, number):
        span = Days.of_month(year, number)
        use = sum(60 + 25 * max(0, 15 - known[day]) for day in span) * rng.gauss(1, 0.02)
        return Stretch(span, use * (1.25 if span.first >= date(2026, 9, 1) else 1))

    months = [month(2025, n) for n in range(6, 13)] + [month(2026, n) for n in range(1, 11)]
    (saving,) = look({Carrier.GAS: months}).savings
    assert saving.facts["ratio"] == pytest.approx(0.25, abs=0.06)
    assert saving.since == date(2026, 9, 1)


def test_weather_never_seen_before_is_no_drift_and_said():
    known = temperatures()
    for day in RECENT:
        known[day] = -15.0
    found = look({Carrier.GAS: daily(lambda day: 60 + 30 * max(0, 15 - known[day]) ** 1.3)}, known=known)
    assert found.savings == ()
    assert any(one.kind is Kind.DRIFT and one.why is Why.WEATHER for one in found.not_looked)


def test_short_history_is_said_not_searched():
    found = look({Carrier.GAS: daily(lambda _: 5.0, Days(END - timedelta(days=40), END))})
    assert any(one.kind is Kind.DRIFT and one.why is Why.HISTORY for one in found.not_looked)


def test_left_on_while_closed_is_found_with_its_energy():
    def lit(local, rng):
        working = local.weekday() < 5 and 8 <= local.hour < 18
        evening = not working and 6 <= local.hour < 22
        return office_w(local, rng) + (10_000 if evening else 0)

    found = look(power=load(quarters(power_w=lit)))
    (saving,) = [one for one in found.savings if one.kind is Kind.OUT_OF_HOURS]
    # less the hour before opening and after closing of 62 evening hours a week, in all 112 - 50 - 10
    assert saving.kwh == pytest.approx(10 * 52 * 365 / 7, rel=0.15)
    assert saving.eur == pytest.approx(saving.kwh * 0.3904)
    assert len(saving.pattern.x) == 168
    assert saving.pattern.marked[2]
    assert not saving.pattern.marked[10]


@pytest.mark.parametrize(("days", "looked"), [(13, False), (14, True)])
def test_two_weeks_of_power_are_enough_to_look_at_hours(days, looked):
    found = look(power=load(quarters(days)))
    assert (Kind.PEAKS not in {one.kind for one in found.not_looked}) is looked


def test_hours_that_nobody_gave_are_asked_for():
    found = look(power=load(quarters()), opening_hours="")
    assert any(one.kind is Kind.OUT_OF_HOURS and one.why is Why.HOURS for one in found.not_looked)


def test_base_load_that_rose_is_found():
    def pump(local, rng):
        return office_w(local, rng) + (2500 if local.date() in RECENT else 0)

    found = look(power=load(quarters(400, power_w=pump)))
    (saving,) = [one for one in found.savings if one.kind is Kind.BASE_LOAD]
    assert saving.kwh == pytest.approx(2.5 * 8760, rel=0.15)
    assert saving.facts["reference"] == "earlier"


def test_base_load_above_like_buildings_is_found():
    found = look(power=load(quarters()), like=1.0)
    (saving,) = found.savings
    assert (saving.kind, saving.facts["reference"]) == (Kind.BASE_LOAD, "like")
    assert saving.kwh == pytest.approx((found.base_load_w - 2000) * 8.76)
    assert kinds(look(power=load(quarters()), like=1.5)) == set()


def test_peak_at_the_same_time_every_morning_is_found():
    def start(local, rng):
        return office_w(local, rng) + (22_000 if local.weekday() < 5 and local.hour == 8 and local.minute < 30 else 0)

    found = look(power=load(quarters(power_w=start)))
    (saving,) = [one for one in found.savings if one.kind is Kind.PEAKS]
    assert saving.facts["time"] in {"08:00", "08:15"}
    assert (saving.pattern.x[0], saving.pattern.x[33], saving.pattern.x[-1]) == ("00:00", "08:15", "23:45")
    assert [name for name, marked in zip(saving.pattern.x, saving.pattern.marked, strict=True) if marked] == [
        "08:00",
        "08:15",
    ]
    assert saving.facts["peak_w"] == pytest.approx(42_000, rel=0.1)
    assert saving.eur is None  # Brussels has no price of a measured peak


def test_heating_while_cooling_is_found():
    known, rng = temperatures(), random.Random(9)
    used = {
        Carrier.GAS: daily(lambda day: (20 + 30 * max(0, 20 - known[day])) * rng.gauss(1, 0.05)),
        Carrier.ELECTRICITY: daily(lambda day: (200 + 20 * max(0, known[day] - 14)) * rng.gauss(1, 0.03)),
    }
    (saving,) = [one for one in look(used).savings if one.kind is Kind.SIMULTANEOUS]
    assert saving.facts["heating_c"] == pytest.approx(20, abs=1)
    assert saving.facts["cooling_c"] == pytest.approx(14, abs=1)
    exact = [
        (30 * max(0, 20 - known[day]), 20 * 3 * max(0, known[day] - 14)) for day in SPAN if day >= date(2025, 11, 1)
    ]
    assert saving.facts["heat_kwh"] == pytest.approx(sum(min(pair) for pair in exact), rel=0.25)


def test_heating_that_ends_before_cooling_begins_is_left_in_peace():
    known, rng = temperatures(), random.Random(9)
    used = {
        Carrier.GAS: daily(lambda day: (20 + 30 * max(0, 14 - known[day])) * rng.gauss(1, 0.05)),
        Carrier.ELECTRICITY: daily(lambda day: (200 + 20 * max(0, known[day] - 18)) * rng.gauss(1, 0.03)),
    }
    assert kinds(look(used)) == set()


def test_nothing_known_finds_nothing_and_says_so_of_every_rule():
    found = look()
    assert found.savings == ()
    assert found.base_load_w is None
    assert {one.kind for one in found.not_looked} == {Kind.BASE_LOAD, Kind.OUT_OF_HOURS, Kind.PEAKS, Kind.SIMULTANEOUS}


def test_gaps_are_unknown_and_not_zero():
    found = quarters()
    holes = [(start, None if place % 3 == 0 else energy) for place, (start, energy) in enumerate(found)]
    whole, holed = look(power=load(found)), look(power=load(holes))
    assert holed.savings == whole.savings == ()
    assert holed.base_load_w is None  # a third of every day is missing
    some = [(start, None if place % 40 == 0 else energy) for place, (start, energy) in enumerate(found)]
    assert look(power=load(some)).base_load_w == pytest.approx(whole.base_load_w, rel=0.02)
