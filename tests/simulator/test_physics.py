"""Each device on its own: limits, timers, conservation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.physics import Battery, Charger, Counters, HeatPump, Inverter, quantum_w
from simulator.sessions import Session

CAR = Session("1/0", 0, 1440, 40_000, 16.0, 3)


def battery(soc: float = 0.5, *, self_consumption: bool = False) -> Battery:
    return Battery("s/b", 30_000, capacity_wh=60_000, stored_wh=60_000 * soc, self_consumption=self_consumption)


def command(target: Battery, power_w: int, revert_s: int = 0) -> None:
    target.setpoint_w, target.revert_s = power_w, revert_s
    target.arm(0, on=True)


@given(
    soc=st.floats(0, 1),
    steps=st.lists(st.tuples(st.floats(0.5, 300), st.integers(-40_000, 40_000)), min_size=1, max_size=40),
)
def test_battery_any_commands_stay_within_power_and_energy(soc: float, steps: list[tuple[float, int]]) -> None:
    target = battery(soc)
    for dt_s, wanted in steps:
        command(target, wanted)
        before = target.stored_wh
        target.step(0, dt_s, 0.0)
        assert abs(target.power_w) <= min(abs(wanted), target.rated_w)
        assert 0 <= target.stored_wh <= target.capacity_wh
        if target.power_w > 0:
            assert target.stored_wh >= target.LOWEST * target.capacity_wh - 1e-6
        moved = target.power_w * dt_s / 3600
        lost = before - target.stored_wh - moved
        assert lost >= -1e-6, "a battery never gives more than it took"
        assert lost <= 0.06 * abs(moved) + 1e-6


def test_battery_round_trip_loses_a_tenth() -> None:
    target = battery(0.5)
    command(target, -6000)
    for _ in range(3600):
        target.step(0, 1.0, 0.0)
    command(target, 6000)
    while target.stored_wh > 30_000:
        target.step(0, 1.0, 0.0)
    assert target.counters.export_wh / target.counters.import_wh == pytest.approx(0.9, abs=0.002)


def test_battery_charge_tapers_near_full_and_ends_there() -> None:
    target = battery(0.5)
    command(target, -30_000)
    powers = []
    for _ in range(6 * 12):
        target.step(0, 300.0, 0.0)
        powers.append(target.power_w)
    assert powers[0] == -30_000
    assert any(-30_000 < power < -3000 for power in powers)
    assert powers[-1] == 0
    assert target.soc_pct == pytest.approx(100, abs=0.1)


def test_battery_without_command_is_idle_or_covers_the_deficit() -> None:
    idle, helpful = battery(), battery(self_consumption=True)
    idle.step(0, 1.0, 5000)
    helpful.step(0, 1.0, 5000)
    assert (idle.power_w, helpful.power_w) == (0, 5000)
    helpful.step(0, 1.0, -7000)
    assert helpful.power_w == -7000


def test_battery_command_ends_with_its_timer_not_before() -> None:
    target = battery()
    command(target, 10_000, revert_s=30)
    target.step(29_999, 1.0, 0.0)
    assert target.power_w == 10_000
    target.step(30_000, 1.0, 0.0)
    assert target.power_w == 0
    assert not target.setpoint_on


def inverter() -> Inverter:
    return Inverter("s/pv", 30_000, peak_w=33_000)


def test_inverter_limit_cuts_production_and_reverts() -> None:
    target = inverter()
    target.limit_revert_s = 60
    target.limit(0, pct=40.0, on=True)
    target.step(1000, 1.0, 1000.0, 20.0)
    assert target.power_w == 12_000
    assert target.throttled
    target.step(60_000, 1.0, 1000.0, 20.0)
    assert target.power_w > 25_000
    assert not target.limit_on


def test_inverter_zero_revert_time_never_reverts() -> None:
    target = inverter()
    target.limit(0, pct=10.0, on=True)
    target.step(10**9, 1.0, 1000.0, 20.0)
    assert target.power_w == 3000


@given(st.floats(0, 1400), st.floats(-20, 40), st.floats(0, 100), st.booleans())
def test_inverter_power_stays_between_zero_and_its_limit(light: float, outside: float, pct: float, on: bool) -> None:
    target = inverter()
    target.limit(0, pct=pct, on=on)
    target.step(1000, 1.0, light, outside)
    assert 0 <= target.power_w <= (target.rated_w * pct / 100 if on else target.rated_w)


def test_inverter_sleeps_without_light_and_when_disconnected_gives_nothing() -> None:
    target = inverter()
    target.step(1000, 1.0, 0.0, 10.0)
    assert (target.power_w, target.sleeping) == (0, True)
    target.connect(1000, on=False)
    target.step(2000, 1.0, 800.0, 10.0)
    assert (target.power_w, target.sleeping) == (0, False)


def charger() -> Charger:
    return Charger("s/ev", 22_080)


def test_charger_without_setpoint_applies_the_safe_current() -> None:
    target = charger()
    target.step(0, 1.0, CAR)
    assert (target.applied_a, target.power_w) == (16.0, 11_040)


@pytest.mark.parametrize(("amps", "power_w"), [(10.0, 6900), (6.0, 4140), (5.9, 0), (0.0, 0), (32.0, 11_040)])
def test_charger_draws_at_most_the_applied_current(amps: float, power_w: int) -> None:
    target = charger()
    target.set_current(0, amps)
    target.step(1000, 1.0, CAR)
    assert target.power_w == power_w


def test_charger_setpoint_holds_for_its_validity() -> None:
    target = charger()
    target.set_current(0, 8.0)
    target.step(59_999, 1.0, CAR)
    assert target.applied_a == 8.0
    target.step(60_000, 1.0, CAR)
    assert target.applied_a == 16.0


def test_charger_fills_the_car_exactly_and_stops() -> None:
    target = charger()
    for second in range(0, 5 * 3600, 300):
        target.step(second * 1000, 300.0, CAR)
    assert target.power_w == 0
    assert target.counters.import_wh == pytest.approx(CAR.energy_wh, abs=1.0)
    target.step(0, 1.0, None)
    assert target.car is None


def heat_pump() -> HeatPump:
    target = HeatPump("s/hp", 12_000)
    target.stored_wh = target.capacity_wh / 2
    return target


def run(target: HeatPump, a: bool, b: bool, steps: int = 1) -> int:
    target.contact_a, target.contact_b = a, b
    for _ in range(steps):
        target.step(60.0, 5.0, 600)
    return target.power_w


def test_heat_pump_contacts_order_its_power() -> None:
    blocked, normal = run(heat_pump(), True, False), run(heat_pump(), False, False)
    boost, forced = run(heat_pump(), False, True), run(heat_pump(), True, True)
    assert blocked == 0 < normal < boost <= forced == 12_000


def test_heat_pump_blocked_then_released_makes_up_for_it() -> None:
    usual, shifted = heat_pump(), heat_pump()
    run(usual, False, False, 24 * 60)
    run(shifted, True, False, 120)
    run(shifted, False, False, 22 * 60)
    assert shifted.counters.import_wh == pytest.approx(usual.counters.import_wh, rel=0.01)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(1, 300), st.floats(-15, 35)), max_size=50))
def test_heat_pump_heat_is_conserved(steps: list[tuple[bool, bool, float, float]]) -> None:
    target = heat_pump()
    for a, b, dt_s, outside in steps:
        target.contact_a, target.contact_b = a, b
        before = target.stored_wh
        target.step(dt_s, outside, 600)
        made = target.power_w * target.performance * dt_s / 3600
        assert target.stored_wh - before == pytest.approx(made - target.demand_w * dt_s / 3600, abs=1e-6)
        assert target.stored_wh <= target.capacity_wh + 1e-6
        assert 0 <= target.power_w <= target.rated_w


@pytest.mark.parametrize(("rated_w", "quantum"), [(5000, 1), (30_000, 1), (30_001, 10), (300_000, 10), (700_000, 100)])
def test_quantum_keeps_the_rating_within_sixteen_bits(rated_w: float, quantum: int) -> None:
    assert quantum_w(rated_w) == quantum
    assert rated_w / 0.975 / quantum <= 32_767


def test_counters_reversed_display_counts_the_other_way_and_the_truth_stays() -> None:
    counters = Counters()
    counters.add(3600, 1.0, reversed_sign=True)
    counters.add(-7200, 1.0, reversed_sign=True)
    assert (counters.import_wh, counters.export_wh) == (1.0, 2.0)
    assert (counters.shown_import_wh, counters.shown_export_wh) == (2.0, 1.0)
