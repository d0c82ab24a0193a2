"""What a car wants and what it needs now: by deadline, by the plan's price, and when no time is left for prices."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.balancing.cars import Wish, need_w, wish_of
from energy.balancing.now import Charger, Limits, SiteNow
from energy.balancing.settings import Steer

from .test_cycle import step

NOW = 1_764_319_440_000  # 28 November 2025, 09:44 in Brussels
HOUR = 3_600_000
BY_SEVEN = Steer.model_validate({"charge": "by_price", "ready_by": "07:00", "energy_wh": 12_000})


def test_configured_wish_is_for_the_next_time_it_is_that_hour():
    wish = wish_of(BY_SEVEN, NOW, "Europe/Brussels")
    assert wish == Wish(1_764_396_000_000, 12_000)  # 29 November, 07:00


def test_told_wish_counts_until_its_time_is_over():
    told = Wish(NOW + HOUR, 5_000)
    assert wish_of(BY_SEVEN, NOW, "Europe/Brussels", told) == told
    assert wish_of(BY_SEVEN, NOW + HOUR, "Europe/Brussels", told).energy_wh == 12_000
    assert wish_of(Steer(), NOW, "Europe/Brussels") is None
    assert wish_of(Steer(), NOW, "Europe/Brussels", told) == told


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.integers(-(10**9), 10**9))
def test_need_is_never_negative_and_nothing_when_all_is_delivered(energy_wh, delivered_wh, left_ms):
    needed = need_w(Wish(NOW + left_ms, energy_wh), delivered_wh, NOW)
    assert needed >= 0
    assert (needed == 0) == (delivered_wh >= energy_wh)


def charger(**changes) -> Charger:
    return Charger("depot/ev-1", 0.0, (0.0, 0.0, 0.0), 11_040.0, surplus_only=True, planned=True, **changes)


@pytest.mark.parametrize(
    ("planned_w", "power_w", "reason"),
    [
        (0.0, 0, "Waits for a cheaper hour: it can still be ready in time."),
        (9_000.0, 9_000, "May take 9.0 kW: the plan has it charge now, for prices."),
    ],
)
def test_planned_car_takes_what_the_plan_has_for_it_now_and_says_why(planned_w, power_w, reason):
    site = SiteNow("depot", grid_w=2_000, limits=Limits(import_w=40_000), chargers=(charger(need_w=planned_w),))
    decision = step(site)["depot/ev-1"]
    assert (decision.value, decision.reason) == (power_w, reason)


def test_planned_car_takes_the_surplus_all_the_same():
    site = SiteNow("depot", grid_w=-6_000, chargers=(charger(need_w=0.0),))
    assert step(site)["depot/ev-1"].value >= 5_900
