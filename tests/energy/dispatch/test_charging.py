"""Charging of cars: what waiting risks, the level learned from what is missed, powers that cars can draw."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.dispatch.charging import Cars, ChargingPlanner, PeakLevel, charge_at_once, realisable_kw
from energy.dispatch.program import MeterOutlook
from energy.dispatch.storage import Battery, Storage

NO_LIMIT = np.array([np.inf])
NO_BATTERY = Storage.behind([])


def _cars(missing, declared_h=8.0, least=1.38, most=6.6, asked=None, stayed_h=0.0):
    missing = np.array(missing, dtype=float)
    count = len(missing)
    whole = missing if asked is None else np.full(count, float(asked))
    each = np.ones(count)
    hub = np.zeros(count, dtype=int)
    return Cars(hub, whole, missing, least * each, most * each, 9.0 * each, stayed_h * each, declared_h * each)


def _outlook(buy, net=0.0, billed=0.0, stored=()):
    steps = len(buy)
    return MeterOutlook(np.full(steps, net), np.array(buy), np.zeros(steps), billed, np.array(stored))


def _learned(planner, stays_h, declared_h=8.0):
    for stay in stays_h:
        planner.left(9.0, declared_h, stay, 10.0, 0.0)
    return planner


def test_car_that_surely_stays_waits_for_the_cheap_hour():
    planner = _learned(ChargingPlanner(NO_BATTERY, NO_LIMIT, 6, 1.0), [8.0] * 200)
    plan = planner.plan(_cars([6.6]), _outlook([0.3, 0.3, 0.3, 0.1, 0.3, 0.3]))
    assert plan.car_kw == pytest.approx(0.0)
    assert plan.expected_kw[3] == pytest.approx(6.6, rel=0.05)


def test_car_that_declares_long_but_leaves_early_like_those_before_it_is_charged_at_once():
    planner = _learned(ChargingPlanner(NO_BATTERY, NO_LIMIT, 6, 1.0), [1.5, 2.5] * 100)
    plan = planner.plan(_cars([6.6]), _outlook([0.3, 0.3, 0.3, 0.1, 0.3, 0.3]))
    assert plan.car_kw == pytest.approx(6.6)


def test_full_cars_and_no_cars_draw_nothing():
    planner = ChargingPlanner(NO_BATTERY, NO_LIMIT, 4, 1.0, 5.0)
    assert planner.plan(_cars([0.0, 0.0], asked=5.0), _outlook([0.2] * 4)).car_kw == pytest.approx(0.0)
    assert len(planner.plan(_cars([]), _outlook([0.2] * 4)).car_kw) == 0


def test_capacity_price_keeps_cars_under_the_level_and_uses_what_is_billed_anyway():
    planner = _learned(ChargingPlanner(NO_BATTERY, NO_LIMIT, 8, 1.0, 5.0), [8.0] * 200)
    cars = _cars([6.6] * 4)
    assert planner.plan(cars, _outlook([0.2] * 8)).car_kw.sum() <= 0.5 * 26.4 + 1e-6
    assert planner.plan(cars, _outlook([0.2] * 8, billed=30.0)).car_kw.sum() == pytest.approx(26.4)


def test_battery_behind_the_same_meter_lets_cars_charge_more():
    battery = Storage.behind([[Battery(40.0, 20.0, 20.0)]])
    planner = _learned(ChargingPlanner(battery, NO_LIMIT, 4, 1.0, 5.0), [1.5] * 200)
    alone = _learned(ChargingPlanner(NO_BATTERY, NO_LIMIT, 4, 1.0, 5.0), [1.5] * 200)
    cars = _cars([6.6] * 4)
    helped = planner.plan(cars, _outlook([0.2] * 4, stored=[40.0])).car_kw.sum()
    assert helped > alone.plan(cars, _outlook([0.2] * 4)).car_kw.sum() + 5


def test_level_starts_at_half_of_charging_at_once_rises_with_what_is_missed_and_falls_without():
    level = PeakLevel(24)
    level.saw(10.0, 40.0)
    assert level.kw() == pytest.approx(10 + 20)
    level.left(20.0, 5.0)
    risen = level.kw()
    assert risen > 30
    for _ in range(20):
        level.left(20.0, 0.0)
    assert level.kw() < risen
    for _ in range(200):
        level.left(20.0, 20.0)
    assert level.kw() == pytest.approx(50)


def test_charging_at_once_respects_the_hub_and_serves_who_came_first():
    assert charge_at_once(_cars([9.0, 9.0, 0.0]), NO_LIMIT) == pytest.approx([6.6, 6.6, 0.0])
    assert charge_at_once(_cars([9.0, 9.0, 9.0]), np.array([10.0])) == pytest.approx([6.6, 3.4, 0.0])
    assert charge_at_once(_cars([9.0, 9.0]), np.array([7.0])) == pytest.approx([6.6, 0.0])


def test_powers_below_the_least_are_gathered_into_fewer_cars():
    power = realisable_kw(_cars([9.0] * 4), np.array([0.8, 0.7, 0.6, 0.9]), 0.25, NO_LIMIT)
    assert power.sum() == pytest.approx(3.0)
    assert ((power == 0) | (power >= 1.38)).all()
    assert power[3] > 0


@given(
    st.lists(st.tuples(st.floats(0, 50), st.floats(0, 9)), max_size=12),
    st.floats(0.05, 1.0),
    st.one_of(st.just(np.inf), st.floats(0, 60)),
)
def test_any_plan_becomes_powers_within_every_limit(cars, hours, limit):
    table = _cars([missing for missing, _ in cars])
    planned = np.array([power for _, power in cars])
    power = realisable_kw(table, planned, hours, np.array([limit]))
    full = table.missing_kwh / hours
    assert power.sum() <= min(limit, np.minimum(planned, 6.6).sum()) + 1e-9
    assert (power <= np.minimum(6.6, full) + 1e-9).all()
    assert ((power == 0) | (power >= np.minimum(1.38, full) - 1e-9)).all()
