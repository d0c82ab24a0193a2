"""Cars of a running community by price: the cheap hours, the deadline, the connection, and whatever else is asked."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.dispatch.request import PlanAnswer, PlannedBattery, PlannedCar, PlanRequest
from energy.dispatch.rolling import plan_ahead
from energy.quarters import QUARTER_MS

T = 1_764_316_800_000  # a whole quarter-hour
STEPS = 144


def car(name="hall/ev-1", *, hours=12.0, kwh=20.0, **changes) -> PlannedCar:
    fields = {
        "id": name, "meter": 0, "site": "hall", "missing_kwh": kwh, "least_kw": 4.14, "most_kw": 11.0,
        "ready_ms": round(T + hours * 4 * QUARTER_MS), **changes,
    }  # fmt: skip
    return PlannedCar(**fields)


def planned(*cars: PlannedCar, buy=None, load_kw=1.0, pv_kw=0.0, batteries=(), **changes) -> dict[str, list[float]]:
    past = 192
    request = PlanRequest(
        community="ixelles",
        t=T,
        timezone="Europe/Brussels",
        meters=("ixelles",),
        meter_of_site=(0,),
        load_kw=[[load_kw]] * past,
        pv_kw=[[pv_kw]] * past,
        buy_eur_kwh=buy or [0.30] * STEPS,
        sell_eur_kwh=[0.05] * STEPS,
        batteries=batteries,
        cars=cars,
        **changes,
    )
    # over the wire and back, as the child process gets and gives it
    asked = msgspec.json.decode(msgspec.json.encode(request), type=PlanRequest)
    return msgspec.json.decode(msgspec.json.encode(plan_ahead(asked)), type=PlanAnswer).cars


def kwh(powers) -> float:
    return sum(powers) / 4000


def test_car_is_charged_in_the_cheap_hours_before_it_leaves():
    buy = [0.40] * 20 + [0.10] * 12 + [0.40] * (STEPS - 32)
    powers = planned(car(), buy=buy)["hall/ev-1"]
    assert kwh(powers) == pytest.approx(20.0, abs=0.01)
    assert powers[0] == 0
    assert kwh(powers[20:32]) == pytest.approx(20.0, abs=0.01)


def test_without_a_cheaper_hour_it_is_charged_first():
    powers = planned(car(kwh=5.5))["hall/ev-1"]
    assert powers[:2] == [11_000.0, 11_000.0]
    assert kwh(powers[2:]) == pytest.approx(0, abs=0.01)


def test_price_after_its_time_is_of_no_use():
    buy = [0.40] * 20 + [0.05] * (STEPS - 20)
    powers = planned(car(hours=5, kwh=50.0), buy=buy)["hall/ev-1"]
    assert kwh(powers[:20]) == pytest.approx(50.0, abs=0.01)
    assert kwh(powers[20:]) == 0


def test_late_car_gets_what_it_can_and_nothing_is_infeasible():
    powers = planned(car(hours=-1, kwh=50.0))["hall/ev-1"]
    assert powers[0] > 0
    assert kwh(powers[1:]) == 0


def test_cars_of_a_site_keep_its_connection_together():
    cars = [car("hall/ev-1", kwh=30.0, limit_kw=12.0), car("hall/ev-2", kwh=30.0, limit_kw=12.0)]
    found = planned(*cars)
    assert all(one + other <= 12_001 for one, other in zip(*found.values(), strict=True))
    assert sum(map(kwh, found.values())) == pytest.approx(60.0, abs=0.5)  # the first step may be one car's alone


def test_with_a_capacity_price_two_cars_take_turns():
    cars = [car("hall/ev-1", kwh=20.0), car("hall/ev-2", kwh=20.0)]
    peak = max(map(sum, zip(*planned(*cars, peak_rate_eur_kw=4.0, billed_kw=(2.5,)).values(), strict=True)))
    free = max(map(sum, zip(*planned(*cars).values(), strict=True)))
    assert peak < 9_000 < free


def test_battery_and_car_are_planned_together():
    battery = PlannedBattery("hall/battery", 0, 10.0, 5.0, 5.0, 0.95, 0.0, 5.0)
    assert kwh(planned(car(), batteries=(battery,))["hall/ev-1"]) == pytest.approx(20.0, abs=0.01)


@settings(max_examples=25, deadline=None)
@given(
    wanted=st.lists(st.tuples(st.floats(0, 200), st.floats(-2, 60), st.floats(1.4, 50)), min_size=1, max_size=4),
    prices=st.lists(st.floats(-0.5, 1.0), min_size=STEPS, max_size=STEPS),
    limit_kw=st.none() | st.floats(0, 60),
)
def test_whatever_is_asked_no_car_gets_more_than_it_wants_or_may(wanted, prices, limit_kw):
    cars = [
        car(f"hall/ev-{place}", kwh=missing, hours=hours, most_kw=most, least_kw=min(1.38, most), limit_kw=limit_kw)
        for place, (missing, hours, most) in enumerate(wanted)
    ]
    found = planned(*cars, buy=prices)
    assert list(found) == [each.id for each in cars]
    for each in cars:
        assert kwh(found[each.id]) <= each.missing_kwh + 0.02
        assert max(found[each.id]) <= 1000 * each.most_kw + 1
        assert min(found[each.id]) >= 0


def test_weather_feed_tells_a_plan_of_the_sun_to_come():
    """Ten days of a plant that makes 5 kW of 500 W/m2, bright and dull in turn; tomorrow is told to be bright or dull."""
    past, hour = 960, 4

    def irradiance(step, bright):
        return (500.0 if bright else 100.0) if 8 * hour <= step % 96 < 16 * hour else 0.0

    sun = [irradiance(step, step // 96 % 3) for step in range(past)]

    def made(bright):
        told = [*sun, *(irradiance(step, bright) for step in range(STEPS))]
        request = PlanRequest(
            "ixelles", T - T % 86_400_000, "UTC", ("ixelles",), (0,), [[1.0]] * past, [[value / 100] for value in sun],
            [0.3] * STEPS, [0.05] * STEPS, irradiance_wm2=told, temperature_c=[5.0] * (past + STEPS),
        )  # fmt: skip
        return plan_ahead(request).steps[12 * hour].pv_w

    assert made(bright=True) > 1.5 * made(bright=False)
