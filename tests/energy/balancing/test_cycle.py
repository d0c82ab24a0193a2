"""What the step decides in the situations it is made for, and what it says about them."""

import pytest

from energy.balancing.cycle import decide
from energy.balancing.limits import bounds_of
from energy.balancing.now import (
    BLOCKED,
    BOOST,
    Battery,
    Charger,
    CommunityNow,
    HeatPump,
    Inverter,
    Lamps,
    Limits,
    Rates,
    SiteNow,
    Standing,
)

NOW_S = 1e6


def battery(site="depot", **changes):
    return Battery(
        **{"id": f"{site}/battery", "power_w": 0.0, "soc_pct": 50.0, "low_w": -30e3, "high_w": 30e3} | changes
    )


def charger(name="ev-1", **changes):
    return Charger(**{"id": f"depot/{name}", "power_w": 0.0, "amps": (0.0, 0.0, 0.0), "high_w": 22_080.0} | changes)


def pump(**changes):
    return HeatPump(**{"id": "depot/heat_pump", "power_w": 2000.0, "rated_w": 8000.0} | changes)


def step(*sites, **changes):
    answer = decide(CommunityNow(**{"now_s": NOW_S, "left_s": 600.0, "sites": sites} | changes))
    return {decision.device: decision for decision in answer.decisions}


def test_surplus_of_one_roof_charges_the_battery_of_another():
    roof, depot = SiteNow("roof", grid_w=-20_000), SiteNow("depot", grid_w=5_000, batteries=(battery(),))
    decision = step(roof, depot)["depot/battery"]
    assert decision.value == -15_000
    assert decision.reason == "Stores 15.0 kW that other roofs have left in this quarter-hour."


def test_battery_gives_to_its_own_building_first_and_to_others_then():
    homes, depot = SiteNow("homes", grid_w=8_000), SiteNow("depot", grid_w=5_000, batteries=(battery(),))
    decision = step(homes, depot)["depot/battery"]
    assert decision.value == 13_000
    assert decision.reason == "Gives 5.0 kW to its own building and gives 8.0 kW to other members in this quarter-hour."


def test_what_the_quarter_hour_has_unshared_is_made_good_in_the_rest_of_it():
    depot = SiteNow("depot", grid_w=2_000, batteries=(battery(),))
    assert step(depot, unshared_wh=0.0)["depot/battery"].value == 2_000
    assert step(depot, unshared_wh=2_000.0)["depot/battery"].value == -10_000
    rests = step(depot, unshared_wh=1_000 / 3)["depot/battery"]
    assert rests.value == 0
    assert rests.reason == "Rests: what roofs fed in earlier in this quarter-hour covers what is needed now."


def test_while_a_site_is_unknown_each_looks_after_itself():
    lost = SiteNow("roof", unknown="The grid meter is silent.")
    depot = SiteNow("depot", grid_w=5_000, batteries=(battery(),))
    assert step(lost, depot)["depot/battery"].value == 5_000
    assert step(lost, SiteNow("depot", grid_w=-4_000, batteries=(battery(),)))["depot/battery"].value == -4_000


def test_value_of_stored_energy_decides_whether_it_pays():
    rates = Rates(0.30, 0.05, 0.06)

    def power(grid_w, value, **more):
        depot = SiteNow("depot", grid_w=grid_w, batteries=(battery(value=value, efficiency=1.0),))
        return step(depot, rates=rates, **more)["depot/battery"].value

    assert power(5_000, 0.29) == 5_000, "worth less than the grid's: given"
    assert power(5_000, 0.30) == 5_000, "as much: given at once"
    assert power(5_000, 0.32, grid_target_w=12_000) == -7_000, "worth more: bought for later, to the plan's grid target"
    assert power(-5_000, 0.05) == -5_000
    assert power(-5_000, 0.04) == 30_000, "worth less than feed-in: sold"
    other = SiteNow("homes", grid_w=5_000)
    depot = SiteNow("depot", batteries=(battery(value=0.28, efficiency=1.0),))
    assert step(other, depot, rates=rates)["depot/battery"].value == 0, "for others it would have to earn the fee"


def test_cars_share_what_is_left_and_the_one_that_must_leave_comes_first():
    limits = Limits(import_w=20_000)
    cars = (charger("ev-1"), charger("ev-2", surplus_only=True, need_w=9_000.0), charger("ev-3", car=False))
    said = step(SiteNow("depot", grid_w=2_000, limits=limits, chargers=cars))
    assert said["depot/ev-2"].value == 9_000
    assert said["depot/ev-1"].value == 9_000
    assert said["depot/ev-3"].value == 0
    assert said["depot/ev-2"].reason == "May take 9.0 kW: its car needs that to be ready in time."
    assert said["depot/ev-1"].reason.endswith("beside 1 other cars so that the connection stays below 20.0 kW.")


def test_less_than_six_ampere_is_one_phase_or_nothing():
    limits = Limits(import_w=5_000)
    said = step(SiteNow("depot", grid_w=2_000, limits=limits, chargers=(charger(), charger("ev-2", one_phase=True))))
    assert said["depot/ev-1"].value == 0
    assert said["depot/ev-1"].reason.startswith("Waits so that the connection stays below 5.0 kW")
    assert (said["depot/ev-2"].value, said["depot/ev-2"].mode) == (3_000, "one phase")


def test_fuse_is_kept_on_the_phase_that_is_fullest():
    site = SiteNow("depot", grid_w=9_000, amps=(5.0, 30.0, 5.0), limits=Limits(fuse_a=40.0), chargers=(charger(),))
    assert step(site)["depot/ev-1"].value == 6_900  # 10 A on each phase
    on_first = SiteNow(
        "depot", 9_000, (5.0, 30.0, 5.0), limits=Limits(fuse_a=40.0), chargers=(charger(wired=(0,), high_w=7360.0),)
    )
    assert step(on_first)["depot/ev-1"].value == 7_360


def test_fuse_that_is_exceeded_is_relieved_by_the_battery_evenly():
    """10 A too much on the fullest phase: 10 A on each of three, though what is stored is worth more than that."""
    stored = battery(value=9.0)
    site = SiteNow("depot", grid_w=20_000, amps=(20.0, 50.0, 17.0), limits=Limits(fuse_a=40.0), batteries=(stored,))
    decision = step(site, rates=Rates(0.30, 0.05, 0.06), grid_target_w=0.0)["depot/battery"]
    assert decision.value == 6_900
    assert decision.reason == "Gives 6.9 kW so that the main fuse of 40 A is kept on every phase."


def test_sun_may_make_what_the_fuse_lets_out_once_the_battery_has_stored_its_part():
    """50 A are fed in on each phase: 10 A go into the battery, 25 A out, 15 A must not be made."""
    site = SiteNow(
        "depot",
        grid_w=-34_500,
        amps=(-50.0, -50.0, -50.0),
        limits=Limits(fuse_a=25.0),
        batteries=(battery(low_w=-6_900),),
        inverters=(Inverter("depot/pv", power_w=40_000, high_w=50_000),),
    )
    said = step(site)
    assert said["depot/battery"].value == -6_900
    assert said["depot/pv"].value == 40_000 - 15 * 690
    assert said["depot/pv"].reason == "May make 29.6 kW so that the main fuse is not exceeded."


def test_limits_are_told_the_tightest_first():
    limits = Limits(fuse_a=40.0, import_w=30_000, export_w=10_000)
    site = SiteNow("depot", grid_w=6_000, amps=(5.0, -30.0, 12.0), limits=limits)
    assert decide(CommunityNow(now_s=NOW_S, left_s=600.0, sites=(site,))).limits["depot"] == (
        "Main fuse 40 A: the fullest phase carries 30 A.",
        "Connection 30.0 kW: 6.0 kW are taken.",
        "Feed-in 10.0 kW: 0 W are given.",
    )


@pytest.mark.parametrize(
    ("soc_pct", "told_w", "low_w", "high_w"),
    [
        (92.9, None, -30e3, 30e3),
        (93.0, None, 0.0, 30e3),
        (93.0, -5e3, -30e3, 30e3),  # it is charging: on to 95
        (95.0, -5e3, 0.0, 30e3),
        (12.0, None, -30e3, 0.0),
        (12.1, None, -30e3, 30e3),
        (12.0, 5e3, -30e3, 30e3),  # it is discharging: down to 10
        (10.0, 5e3, -30e3, 0.0),
    ],
)
def test_charge_at_a_bound_is_left_two_points_later(soc_pct, told_w, low_w, high_w):
    standing = None if told_w is None else Standing(told_w, NOW_S - 60)
    one = battery(soc_pct=soc_pct, soc_min_pct=10.0, soc_max_pct=95.0, standing=standing)
    assert bounds_of(one) == (low_w, high_w)


def test_margin_stays_free_of_cars_but_blocks_nothing():
    limits = Limits(import_w=20_000)
    site = SiteNow("depot", grid_w=19_000, limits=limits, chargers=(charger(),), heat_pumps=(pump(),))
    said = step(site, margin=0.1)
    assert said["depot/ev-1"].value == 0
    assert said["depot/heat_pump"].value is None


def test_peak_of_the_quarter_hour_lets_the_battery_give_and_cars_wait():
    limits = Limits(peak_w=10_000)
    site = SiteNow(
        "depot",
        grid_w=15_000,
        quarter_w=5_000,
        limits=limits,
        batteries=(battery(high_w=2_000),),
        chargers=(charger(),),
    )
    said = step(site, left_s=450.0)
    assert said["depot/battery"].value == 2_000
    assert "the quarter-hour stays at 10.0 kW on average" in said["depot/battery"].reason
    assert said["depot/ev-1"].value == 0


def test_battery_that_did_not_follow_is_not_believed_a_second_time():
    limits = Limits(import_w=10_000)
    lazy = battery(power_w=1_000, standing=Standing(8_000.0, NOW_S - 60))
    site = SiteNow("depot", grid_w=17_000, limits=limits, batteries=(lazy,), heat_pumps=(pump(),))
    assert step(site)["depot/heat_pump"].value == BLOCKED
    good = battery(power_w=0)
    site = SiteNow("depot", grid_w=17_000, limits=limits, batteries=(good,), heat_pumps=(pump(),))
    assert step(site)["depot/heat_pump"].value is None


def test_heat_pump_is_boosted_into_surplus_and_blocked_no_longer_than_its_label_allows():
    assert step(SiteNow("depot", grid_w=-9_000, heat_pumps=(pump(),)))["depot/heat_pump"].value == BOOST
    tight = Limits(import_w=1_000)
    blocked = pump(power_w=0, standing=Standing(BLOCKED, NOW_S - 7_300, BLOCKED))
    site = SiteNow("depot", grid_w=5_000, limits=tight, heat_pumps=(blocked,))
    assert step(site)["depot/heat_pump"].reason == "Let go: it has been blocked for as long as its label allows."
    short = pump(power_w=0, standing=Standing(BLOCKED, NOW_S - 60, BLOCKED))
    assert step(SiteNow("depot", heat_pumps=(short,)))["depot/heat_pump"].value == BLOCKED
    resting = pump(rest_until_s=NOW_S + 60)
    assert step(SiteNow("depot", grid_w=5_000, limits=tight, heat_pumps=(resting,)))["depot/heat_pump"].value is None


def test_feed_in_limit_is_kept_by_storing_first_and_limiting_then():
    sun = Inverter("depot/pv", power_w=20_000, high_w=50_000)
    limits = Limits(export_w=5_000)
    stored = SiteNow("depot", grid_w=-20_000, limits=limits, batteries=(battery(),), inverters=(sun,))
    said = step(stored)
    assert said["depot/battery"].value == -20_000
    assert said["depot/pv"].value == 25_000
    full = SiteNow("depot", grid_w=-20_000, limits=limits, batteries=(battery(soc_pct=100.0),), inverters=(sun,))
    assert step(full)["depot/pv"].value == 5_000


def test_declared_order_says_who_gets_what_is_left():
    limits = Limits(import_w=12_000)
    car = charger(high_w=11_040.0)
    site = SiteNow("depot", grid_w=0.0, limits=limits, batteries=(battery(value=0.5),), chargers=(car,))
    cars_first = step(site, priority=("heat_pump", "ev", "battery"))
    assert (cars_first["depot/ev-1"].value, cars_first["depot/battery"].value) == (11_040, -960)
    battery_first = step(site, priority=("battery", "heat_pump", "ev"))
    assert (battery_first["depot/ev-1"].value, battery_first["depot/battery"].value) == (0, -12_000)


def test_small_corrections_are_left_undone():
    standing = Standing(5_000.0, NOW_S - 10)
    site = SiteNow("depot", grid_w=100.0, batteries=(battery(power_w=5_000, standing=standing),))
    assert step(site)["depot/battery"].value == 5_000
    site = SiteNow("depot", grid_w=1_000.0, batteries=(battery(power_w=5_000, standing=standing),))
    assert step(site)["depot/battery"].value == 6_000


def test_what_is_not_settled_goes_on():
    site = SiteNow(
        "depot", grid_w=9e9, batteries=(battery(standing=Standing(1_000.0, 0.0)),), chargers=(charger(),), settled=False
    )
    said = step(site)
    assert said["depot/battery"].value == 1_000
    assert said["depot/ev-1"].value is None


def test_what_goes_on_at_a_site_that_is_not_settled_counts_in_the_pool():
    """Its car draws 5 kW, its battery goes on giving 1 kW, its building takes 2 kW: 6 kW for the other battery."""
    going_on = SiteNow(
        "homes",
        grid_w=6_000,
        batteries=(battery("homes", power_w=1_000.0, standing=Standing(1_000.0, 0.0)),),
        chargers=(charger(power_w=5_000.0),),
        settled=False,
    )
    decision = step(going_on, SiteNow("depot", batteries=(battery(),)))["depot/battery"]
    assert decision.value == 6_000


def test_lamps_follow_their_level_even_where_the_site_is_unknown():
    lamps = (
        Lamps("depot/lighting", 5_000.0, 0.6, "Dimmed."),
        Lamps("depot/lighting-2", 5_000.0, 1.0, "On.", switch=True),
    )
    said = step(SiteNow("depot", unknown="Silent.", lamps=lamps))
    assert said["depot/lighting"].value == 3_000
    assert said["depot/lighting-2"].value == "on"
