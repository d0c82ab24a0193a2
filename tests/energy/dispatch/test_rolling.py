"""A running community's plan: from the first minute on, with holes in its past, and as good as what it was made of."""

import math
from dataclasses import replace

import pytest

from energy.dispatch.request import PlannedBattery, PlannedRun, PlanRequest
from energy.dispatch.rolling import filled, plan_ahead
from energy.quarters import QUARTER_MS

T = 1_782_000_000_000 // QUARTER_MS * QUARTER_MS  # a Sunday's 2:00 in Brussels
DAY = 96


def battery(**changes):
    return PlannedBattery(
        **{
            "id": "hall/battery",
            "meter": 0,
            "capacity_kwh": 60.0,
            "charge_kw": 30.0,
            "discharge_kw": 30.0,
            "efficiency": 0.95,
            "wear_eur_kwh": 0.0,
            "energy_kwh": 20.0,
        }
        | changes
    )


def request(days=14, sites=1, **changes):
    """Homes that use 10 kW by day and 4 by night, and roofs that make up to 40 kW."""
    steps = days * DAY
    hour = [(T / 3.6e6 + (step - steps) / 4) % 24 for step in range(steps)]
    return PlanRequest(
        **{
            "community": "hall",
            "t": T,
            "timezone": "Europe/Brussels",
            "meters": ("hall",),
            "meter_of_site": (0,) * sites,
            "load_kw": [[(10.0 if 6 <= h < 20 else 4.0) / sites] * sites for h in hour],
            "pv_kw": [[max(0.0, 40 * math.sin(math.pi * (h - 4) / 15)) / sites * (4 < h < 19)] * sites for h in hour],
            "buy_eur_kwh": [0.3] * 144,
            "sell_eur_kwh": [0.05] * 144,
            "batteries": (battery(),),
        }
        | changes
    )


@pytest.mark.parametrize("days", [0, 1, 14])
@pytest.mark.parametrize("places", [(), ((50.85, 4.35),)])
def test_plan_is_there_from_the_first_day(days, places):
    plan = plan_ahead(request(days, places=places))
    assert len(plan.steps) == 144
    assert plan.days == days
    assert [step.start for step in plan.steps] == [T + n * QUARTER_MS for n in range(144)]
    assert len(plan.values["hall/battery"]) == 100
    assert all(math.isfinite(value) for value in plan.values["hall/battery"])


def test_plan_stores_the_sun_and_gives_it_in_the_evening():
    plan = plan_ahead(request())
    noon = [step for step in plan.steps[:DAY] if step.surplus_w > 10_000]
    assert noon
    assert sum(step.battery_w for step in noon) < 0
    for step in plan.steps:
        assert step.grid_w == pytest.approx(
            step.consumption_w - step.pv_w - step.battery_w, abs=3_500
        )  # mean of scenarios
        assert step.why.endswith(".")
    curve = plan.values["hall/battery"]
    assert curve == sorted(curve, reverse=True)
    assert 0.05 / 0.95 - 1e-5 <= curve[-1] <= curve[0] <= 0.3 * 0.95 + 1e-5


def test_cheap_night_is_bought_when_the_evening_is_dear():
    buy = [0.10 if step < 12 else 0.60 for step in range(144)]
    plan = plan_ahead(request(pv_kw=[[0.0]] * 14 * DAY, buy_eur_kwh=buy))
    assert min(step.battery_w for step in plan.steps[:12]) < -5_000
    assert any("Buys for later" in step.why for step in plan.steps[:12])
    late = plan_ahead(request(pv_kw=[[0.0]] * 14 * DAY, buy_eur_kwh=buy[9:] + [0.6] * 9))
    assert max(late.values["hall/battery"]) > 0.10 / 0.95 + 0.01, (
        "what cannot be bought any more is worth what it saves"
    )


def test_sites_that_are_unknown_are_filled_in_and_counted():
    whole = request(sites=2)
    holes = [row[:] for row in whole.load_kw]
    for row in holes[-200:]:
        row[1] = None
    plan = plan_ahead(request(sites=2, load_kw=holes))
    assert plan.estimated == pytest.approx(200 / (14 * DAY * 2 * 2), abs=1e-4)
    before = plan_ahead(whole)
    assert plan.steps[40].consumption_w == pytest.approx(before.steps[40].consumption_w, rel=0.3)


def test_peaks_that_cost_give_each_meter_a_target():
    plan = plan_ahead(
        request(
            pv_kw=[[0.0, 0.0]] * 14 * DAY,
            load_kw=[[8.0, 8.0]] * 14 * DAY,
            meters=("hall", "school"),
            meter_of_site=(0, 1),
            peak_rate_eur_kw=4.0,
            billed_kw=(2.5, 9.0),
        )
    )
    assert set(plan.peak_target_w) == {"hall"}, "only where a battery can do something about it"
    assert 2_500 <= plan.peak_target_w["hall"] <= 8_100


def test_peak_that_later_days_make_anyway_is_not_held():
    """The evening's 8 kW cost a peak; on a site that has drawn 12 kW every day since, they cost nothing more."""
    facts = {
        "load_kw": [[8.0 if 72 <= step % DAY < 80 else 1.0] for step in range(14 * DAY)],
        "pv_kw": [[0.0]] * 14 * DAY,
    }
    asked = request(**facts, peak_rate_eur_kw=4.0, billed_kw=(1.0,), month_kw=(1.0,), daily_kw=[[1.0]] * 14)
    held = plan_ahead(asked)
    usual = plan_ahead(replace(asked, daily_kw=[[12.0]] * 14))
    assert max(held.values["hall/battery"]) > max(usual.values["hall/battery"]) + 0.05


def test_no_battery_is_a_forecast_and_no_error():
    plan = plan_ahead(request(batteries=()))
    assert plan.value_eur_kwh is None
    assert plan.steps[0].stored_pct is None


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        ([[None], [2.0]], [0.0, 2.0]),
        ([[1.0], [None], [None], [3.0]], [1.0, 1.0, 1.0, 3.0]),
        ([[float(n)] for n in range(96)] + [[None]] * 5, [*range(96), 95, 95, 2, 3, 4]),
    ],
)
def test_unknown_quarter_hours_are_filled_with_what_is_nearest(series, expected):
    values, count = filled(series, 1)
    assert values[:, 0].tolist() == expected
    assert count == sum(row[0] is None for row in series)


def test_sites_that_pay_to_share_are_planned_apart_and_say_what_they_share():
    plan = plan_ahead(request(sites=2, meters=("a", "b"), meter_of_site=(0, 1), fee_eur_kwh=[0.08] * 144))
    assert all(step.fee_eur_kwh == 0.08 for step in plan.steps)
    assert all(step.shared_w is not None and step.shared_w >= 0 for step in plan.steps)
    free = plan_ahead(request(sites=2))
    assert all(step.shared_w is None and step.fee_eur_kwh is None for step in free.steps)
    shared = sum(step.shared_w for step in plan.steps)
    dear = plan_ahead(request(sites=2, meters=("a", "b"), meter_of_site=(0, 1), fee_eur_kwh=[0.249] * 144))
    assert shared > sum(step.shared_w for step in dear.steps)
    assert plan.steps[40].consumption_w == pytest.approx(free.steps[40].consumption_w, rel=0.05)


def test_run_is_planned_where_it_is_cheapest_within_its_time():
    dear = [0.1 if 40 <= step < 60 else 0.4 for step in range(144)]
    run = PlannedRun("hall/boiler", 0, ((60.0, 4000.0),), T, T + 80 * QUARTER_MS, said_ms=7)
    plan = plan_ahead(request(buy_eur_kwh=dear, pv_kw=[[0.0]] * (14 * DAY), batteries=(), runs=(run,)))
    start = plan.starts["hall/boiler"]
    assert T + 40 * QUARTER_MS <= start.start <= T + 56 * QUARTER_MS
    assert start.said == 7
    soon = PlannedRun("hall/boiler", 0, ((60.0, 4000.0),), T, T + 4 * QUARTER_MS)
    assert plan_ahead(request(buy_eur_kwh=dear, batteries=(), runs=(soon,))).starts["hall/boiler"].start == T


def test_run_that_has_begun_is_expected_to_its_end_and_not_planned_anew():
    begun = PlannedRun("hall/boiler", 0, ((60.0, 40_000.0),), T - 900_000, T + 9_000_000, 0, T - 900_000)
    plain, with_it = (plan_ahead(request(batteries=(), runs=runs)) for runs in ((), (begun,)))
    more = [b.grid_w - a.grid_w for a, b in zip(plain.steps, with_it.steps, strict=True)]
    assert more[:3] == pytest.approx([40_000] * 3, abs=2)
    assert max(map(abs, more[3:])) <= 2
    assert with_it.starts == {}
