"""An alert that acts is measured without its own effect, so it does not clear itself; and letting go raises nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.alerts.effects import Held, own_changes
from energy.alerts.facts import Facts, Seen
from energy.alerts.states import AlertEvent, AlertState

from .conftest import NOON, Scene, site

SITES = [site("hall", devices=("grid", "pv", "battery")), site("school", devices=("grid", "ev"))]
SURPLUS = {"use": "surplus", "raise_above": 2_000, "clear_below": 500, "for_s": 60, "clear_for_s": 60}


def stage_with(surplus_w, rule=SURPLUS, sites=SITES, at=NOON):
    """The hall exports; the battery takes from what it exports, the school's charger from the grid."""
    stage = Scene(rule, sites, at=at)
    stage.surplus_w, stage.battery_w, stage.car_w = surplus_w, 0.0, 0.0
    stage.say("hall/pv", power_w=lambda _: stage.surplus_w)
    stage.say("hall/battery", power_w=lambda _: stage.battery_w, soc_pct=50)
    stage.say("hall/grid", power_w=lambda _: -stage.surplus_w - stage.battery_w)
    stage.say("school/ev", power_w=lambda _: stage.car_w)
    stage.say("school/grid", power_w=lambda _: stage.car_w)
    return stage


def charge(stage, set_w):
    """What a lease does, and what the rule then holds."""
    stage.battery_w = set_w
    stage.held = (Held("hall/battery", 0.0, set_w),)


def let_go(stage):
    stage.battery_w, stage.held = 0.0, ()


def test_a_rule_whose_action_takes_the_whole_surplus_stands_until_the_surplus_is_gone():
    stage = stage_with(3_000)
    assert stage.raises("ixelles", 120)
    charge(stage, -3_000)
    assert stage.run(1_800) == {}
    assert stage.facts().balance.surplus_w == 0
    assert stage.value() == 3_000
    stage.surplus_w = 400
    assert stage.clears("ixelles", 120)
    let_go(stage)
    assert stage.run(1_800) == {}


def test_without_taking_out_its_own_effect_the_same_rule_would_flap():
    stage = stage_with(3_000)
    events = []
    for _ in range(60):
        events += stage.run(60).get("ixelles", [])
        stage.battery_w = -3_000 if stage.watches["ixelles"].raised else 0.0
    assert events.count(AlertEvent.RAISED) > 5


def test_a_car_that_drives_off_or_a_full_battery_counts_for_nothing():
    stage = stage_with(3_000, sites=SITES)
    stage.car_w = 6_900
    stage.run(10)
    stage.car_w = 11_000
    stage.held = (Held("school/ev", 6_900, 11_000),)
    stage.run(10)
    assert own_changes(stage.held, stage.facts()) == {"school/ev": 4_100}
    stage.car_w = 0
    stage.run(10)
    assert own_changes(stage.held, stage.facts()) == {"school/ev": 0}
    charge(stage, -3_000)
    stage.battery_w = 0.0
    stage.run(10)
    assert own_changes(stage.held, stage.facts()) == {"hall/battery": 0}


def test_the_quarter_peak_clears_when_the_quarter_hour_stays_below_even_if_we_let_go():
    stage = Scene("quarter-peak", [site("hall", devices=("grid", "pv", "battery"), peak_limit_w=10_000)])
    stage.battery_w, drawn = 0.0, []

    def demand(t):
        drawn[:] = [*drawn, 12_000 - stage.battery_w] if t % 900_000 > 10_000 else [12_000 - stage.battery_w]
        return sum(drawn) * 10 / 900

    stage.say("hall/pv", power_w=0)
    stage.say("hall/battery", power_w=lambda _: stage.battery_w)
    stage.say("hall/grid", power_w=lambda _: 12_000 - stage.battery_w, quarter_demand_w=demand)
    assert stage.raises("hall", 60)
    stage.battery_w = 8_000.0
    stage.held = (Held("hall/battery", 0.0, 8_000),)
    assert stage.run(240) == {}
    while not stage.clears("hall", 10):
        assert stage.now % 900_000 < 600_000
    let_go(stage)
    left_s = 900 - (stage.now / 1000) % 900
    assert left_s > 300
    assert stage.run(left_s - 10) == {}
    assert 8_000 < sum(drawn) * 10 / 900 < 10_000


PLAIN = stage_with(0)
powers = st.integers(-20_000, 20_000).map(float)


@given(powers, powers, powers)
def test_own_change_is_never_more_than_the_lease_explains(before, wanted, now):
    facts = PLAIN.facts()
    facts = Facts(
        now=facts.now, started=facts.started, connected=True, community=facts.community, balance=facts.balance,
        devices={"hall/battery": Seen(facts.now, {"power_w": now}, live=True)},
    )  # fmt: skip
    change = own_changes([Held("hall/battery", before, wanted)], facts)["hall/battery"]
    assert min(0.0, wanted - before) <= change <= max(0.0, wanted - before)
    assert abs(change) <= abs(now - before)


@given(st.floats(0, 8_000), st.floats(100, 6_000), st.floats(0, 6_000), st.lists(st.floats(0, 8_000), max_size=8))
def test_whatever_the_action_and_the_surplus_do_it_never_flaps_by_itself(raise_above, gap, charge_w, course):
    """With the surplus constant, an acting rule is raised at most once and does not clear."""
    rule = {**SURPLUS, "raise_above": raise_above + gap, "clear_below": raise_above, "for_s": 0, "clear_for_s": 0}
    stage = stage_with(0.0, rule)
    for surplus_w in [*course, 8_000 + gap]:
        stage.surplus_w = surplus_w
        events = []
        for _ in range(6):
            events += stage.run(10).get("ixelles", [])
            if stage.watches["ixelles"].state is AlertState.FIRING:
                charge(stage, -min(charge_w, 6_000.0))
            else:
                let_go(stage)
        assert events in ([], [AlertEvent.CROSSED, AlertEvent.RAISED], [AlertEvent.CLEARED])


def test_the_meter_of_a_battery_that_is_silent_makes_the_measure_unknown():
    stage = stage_with(3_000)
    stage.raises("ixelles", 120)
    charge(stage, -3_000)
    stage.say("hall/battery")
    stage.run(60)
    assert stage.value() is None
    assert not stage.watches["ixelles"].may_act


def test_export_limits_and_fuses_are_measured_without_the_own_effect_too():
    sites = [site("hall", devices=("grid", "pv", "battery"), fuse_a=10, export_limit_w=4_000)]
    for rule, factor in (("connection-near-limit", 100 / 4_000), ("fuse-near-limit", 100 / (3 * 230 * 10))):
        stage = stage_with(3_900, rule, sites)
        amps = {
            f"current_l{phase}_a": (lambda _, now=stage: abs(now.surplus_w + now.battery_w) / 690)
            for phase in (1, 2, 3)
        }
        stage.say("hall/grid", **amps)
        stage.run(10)
        before = stage.value("hall")
        assert before == pytest.approx(3_900 * factor)
        charge(stage, -2_000)
        stage.run(10)
        assert stage.value("hall") == pytest.approx(before)
