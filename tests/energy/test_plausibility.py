"""Wiring faults found in values, and nothing found in good ones."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.plausibility import (
    Look,
    doubts_of_counters,
    doubts_of_device,
    doubts_of_night,
    doubts_of_site,
    sun_elevation_deg,
)
from energy.quantities import Role


def meter(l1=1000.0, l2=1200.0, l3=800.0, **changes):
    """A three-phase meter in order."""
    powers = {1: l1, 2: l2, 3: l3}
    values = {"power_w": sum(powers.values()), "frequency_hz": 50.0}
    for n, power_w in powers.items():
        values |= {f"power_l{n}_w": power_w, f"voltage_l{n}_v": 230.0, f"current_l{n}_a": abs(power_w) / 230}
    return values | changes


def kinds(doubts):
    return [doubt.severity for doubt in doubts]


def test_meter_in_order_raises_no_doubt():
    assert doubts_of_device(Role.GRID, meter()) == []
    assert doubts_of_device(Role.GRID, meter(-1000, -1200, -800)) == []


@given(st.lists(st.floats(0, 20_000), min_size=3, max_size=3), st.sampled_from([-1, 1]))
def test_any_balanced_meter_at_unity_power_factor_raises_no_doubt(powers, sign):
    assert doubts_of_device(Role.GRID, meter(*(sign * power for power in powers))) == []


def test_total_with_the_opposite_sign_of_its_phases_fails():
    (doubt,) = doubts_of_device(Role.GRID, meter(power_w=-3000.0))
    assert (doubt.severity, "opposite signs" in doubt.what) == ("fail", True)


def test_total_that_is_not_the_sum_of_its_phases_warns():
    (doubt,) = doubts_of_device(Role.GRID, meter(power_w=5000.0))
    assert (doubt.severity, "add up to 3.00 kW" in doubt.what) == ("warn", True)


def test_two_currents_on_each_others_phases_warn_by_name():
    # L1's current at L2's voltage: cos(120) of the power, on both
    values = meter(-600.0, -500.0, 800.0) | {"current_l1_a": 1200 / 230, "current_l2_a": 1000 / 230}
    doubts = doubts_of_device(Role.GRID, values)
    assert [doubt.what.split(":")[0] for doubt in doubts] == ["L1 and L2"]


def test_more_power_than_voltage_times_current_warns():
    (doubt,) = doubts_of_device(Role.GRID, meter(current_l1_a=1.5, power_l1_w=1000.0))
    assert doubt.severity == "warn"


@pytest.mark.parametrize(
    ("volts", "severities", "word"),
    [
        ((230.0, 0.0, 230.0), ["warn"], "no voltage on L2"),
        ((0.0, 0.0, 0.0), ["fail"], "no voltage on any phase"),
        ((230.0, 0.0, 0.0), [], ""),  # a single-phase connection
        ((231.0, 199.0, 231.0), ["warn"], "L2 199 V"),
        ((133.0, 132.0, 134.0), [], ""),  # a 3x230 V network, measured against its virtual neutral
    ],
)
def test_voltages(volts, severities, word):
    values = {f"voltage_l{n}_v": volt for n, volt in enumerate(volts, 1)}
    doubts = doubts_of_device(Role.GRID, values)
    assert kinds(doubts) == severities
    assert all(word in doubt.what for doubt in doubts)


def test_frequency_of_no_mains_warns():
    assert kinds(doubts_of_device(Role.GRID, {"frequency_hz": 0.0})) == ["warn"]


@pytest.mark.parametrize("role", [Role.LOAD, Role.EV, Role.HEAT_PUMP, Role.LIGHTING])
def test_consumer_that_delivers_fails(role):
    assert kinds(doubts_of_device(role, {"power_w": -400.0})) == ["fail"]
    assert doubts_of_device(role, {"power_w": 400.0}) == []


def test_pv_that_takes_power_fails_and_standby_does_not():
    assert kinds(doubts_of_device(Role.PV, {"power_w": -4000.0})) == ["fail"]
    assert doubts_of_device(Role.PV, {"power_w": -20.0}) == []


def test_pv_scale_between_panels_and_grid_warns():
    assert kinds(doubts_of_device(Role.PV, {"power_w": 500.0, "dc_power_w": 5000.0})) == ["warn"]
    assert doubts_of_device(Role.PV, {"power_w": 4800.0, "dc_power_w": 5000.0}) == []


def test_lifetime_counters_against_the_role_warn():
    backward = {"energy_import_wh": 5e6, "energy_export_wh": 2e4}
    assert kinds(doubts_of_device(Role.PV, backward)) == ["warn"]
    assert doubts_of_device(Role.LOAD, backward) == []
    assert doubts_of_device(Role.GRID, backward) == []


def test_device_that_reports_a_fault_fails():
    assert kinds(doubts_of_device(Role.PV, {"state": "fault"})) == ["fail"]


def test_pv_at_night_fails_and_by_day_does_not():
    assert kinds(doubts_of_night(Role.PV, {"power_w": 3000.0}, -20.0)) == ["fail"]
    assert doubts_of_night(Role.PV, {"power_w": 3000.0}, 20.0) == []
    assert doubts_of_night(Role.PV, {"power_w": -20.0}, -20.0) == []
    assert doubts_of_night(Role.LOAD, {"power_w": 3000.0}, -20.0) == []


def site(grid=None, **powers):
    roles = {"pv": Role.PV, "battery": Role.BATTERY, "load": Role.LOAD}
    looks = [Look("s/grid", Role.GRID, grid if isinstance(grid, dict) else {"power_w": grid})]
    return looks + [Look(f"s/{name}", roles[name], {"power_w": power_w}) for name, power_w in powers.items()]


def test_site_in_order_raises_no_doubt():
    assert doubts_of_site(site(-4000.0, pv=6000.0, load=1500.0)) == []
    assert doubts_of_site(site(meter(), pv=0.0)) == []


def test_export_of_more_than_is_produced_fails_and_names_the_grid_meter():
    (doubt,) = doubts_of_site(site(-5000.0, pv=100.0))
    assert (doubt.severity, doubt.about) == ("fail", "s/grid")


def test_export_with_nothing_known_to_produce_warns():
    assert kinds(doubts_of_site(site(-5000.0))) == ["warn"]


def test_one_phase_backwards_while_nothing_produces_fails_by_name():
    (doubt,) = doubts_of_site(site(meter(1000, -1200, 800), pv=0.0))
    assert (doubt.severity, doubt.what.startswith("L2 runs backwards")) == ("fail", True)


def test_one_phase_backwards_while_pv_produces_is_no_doubt():
    assert doubts_of_site(site(meter(1000, -1200, 800), pv=3000.0)) == []


def test_phase_backwards_on_a_network_without_neutral_is_no_doubt():
    values = meter(1500, -200, 900) | {"voltage_l2_v": 0.0, "current_l2_a": 0.0}
    assert doubts_of_site(site(values, pv=0.0)) == []


def test_consumers_that_take_more_than_the_building_warn():
    assert kinds(doubts_of_site(site(2000.0, pv=0.0, load=9000.0))) == ["warn"]


def test_site_with_an_unknown_part_says_nothing():
    looks = [*site(-5000.0), Look("s/pv", Role.PV, {})]
    assert doubts_of_site(looks) == []


@pytest.mark.parametrize(
    ("role", "power_w", "grows", "severities"),
    [
        (Role.GRID, 3000.0, "import", []),
        (Role.GRID, 3000.0, "export", ["fail"]),
        (Role.GRID, -3000.0, "export", []),
        (Role.GRID, -3000.0, "import", ["fail"]),
        (Role.PV, 3000.0, "export", []),
        (Role.PV, 3000.0, "import", ["fail"]),
        (Role.LOAD, 3000.0, "import", []),
        (Role.BATTERY, -3000.0, "export", ["fail"]),
        (Role.GRID, 50.0, "export", []),  # too little to tell
    ],
)
def test_counter_that_grows_against_the_power_fails(role, power_w, grows, severities):
    first = {"power_w": power_w, "energy_import_wh": 100.0, "energy_export_wh": 100.0}
    assert kinds(doubts_of_counters(role, first, first | {f"energy_{grows}_wh": 105.0})) == severities


def test_counters_while_the_power_changes_its_sign_say_nothing():
    first = {"power_w": 3000.0, "energy_import_wh": 1.0, "energy_export_wh": 1.0}
    assert doubts_of_counters(Role.GRID, first, first | {"power_w": -3000.0, "energy_export_wh": 9.0}) == []


@pytest.mark.parametrize("scale", [0.01, 0.001, 10, 100, 1000])
def test_total_in_another_scale_than_its_phases_fails_and_names_the_power_of_ten(scale):
    (doubt,) = doubts_of_device(Role.LOAD, meter(power_w=3000.0 * scale))
    assert doubt.severity == "fail"
    assert f"{max(scale, 1 / scale):.0f} times" in doubt.what


@pytest.mark.parametrize("scale", [0.001, 0.01, 10, 100])
def test_power_in_another_scale_than_voltage_times_current_fails_and_names_it(scale):
    values = meter()
    for name in ("power_w", "power_l1_w", "power_l2_w", "power_l3_w"):
        values[name] *= scale
    (doubt,) = doubts_of_device(Role.LOAD, values)
    assert (doubt.severity, f"about {max(scale, 1 / scale):.0f} times" in doubt.what) == ("fail", True)


def test_inverter_that_only_gives_reactive_power_has_no_wrong_scale():
    values = meter(*(115.0,) * 3) | {f"current_l{n}_a": 5.0 for n in (1, 2, 3)}  # power factor 0.1
    assert "times as much" not in " ".join(doubt.what for doubt in doubts_of_device(Role.PV, values))


@pytest.mark.parametrize(
    ("power_w", "before", "after", "severities"),
    [
        (3000.0, 50.0, 49.0, []),
        (-3000.0, 50.0, 51.0, []),
        (3000.0, 50.0, 51.0, ["fail"]),
        (-3000.0, 50.0, 49.0, ["fail"]),
        (3000.0, 50.0, 50.2, []),  # a rounded percentage may go either way
        (50.0, 50.0, 52.0, []),
    ],
)
def test_charge_that_goes_against_the_batterys_power_fails(power_w, before, after, severities):
    first = {"power_w": power_w, "soc_pct": before}
    assert kinds(doubts_of_counters(Role.BATTERY, first, first | {"soc_pct": after})) == severities


@given(st.floats(-50_000, 50_000), st.floats(1, 600), st.sampled_from([1.0, 10.0, 100.0]))
def test_counter_that_follows_its_power_in_steps_raises_no_doubt(power_w, elapsed_s, step_wh):
    counter = "import" if power_w > 0 else "export"
    grown_wh = abs(power_w) * elapsed_s / 3600
    grown_wh = step_wh * (grown_wh // step_wh + 1)  # one step early
    first = {"power_w": power_w, "energy_import_wh": 1e6, "energy_export_wh": 1e6}
    second = first | {f"energy_{counter}_wh": 1e6 + grown_wh}
    assert doubts_of_counters(Role.GRID, first, second, elapsed_s=elapsed_s) == []


def test_counter_that_runs_a_thousand_times_too_fast_warns():
    first = {"power_w": 3000.0, "energy_import_wh": 1e6}
    second = first | {"energy_import_wh": 1e6 + 4200.0}  # 4.2 Wh in five seconds
    (doubt,) = doubts_of_counters(Role.GRID, first, second, elapsed_s=5.0)
    assert (doubt.severity, "scale" in doubt.next_step) == ("warn", True)
    assert doubts_of_counters(Role.GRID, first, second) == []  # who knows how long it was


def test_3x230_v_without_neutral_is_one_hint_and_no_swapped_transformer():
    values = {"power_w": 3000.0, "power_l1_w": 2200.0, "power_l2_w": 0.0, "power_l3_w": 800.0,
              "voltage_l1_v": 231.0, "voltage_l2_v": 0.0, "voltage_l3_v": 229.0,
              "current_l1_a": 10.0, "current_l2_a": 0.0, "current_l3_a": 8.0}  # fmt: skip
    (doubt,) = doubts_of_device(Role.GRID, values)
    assert "3x230 V network without neutral" in doubt.next_step


@pytest.mark.parametrize("place", [(50.85, 4.35), (-33.9, 18.4), (64.1, -21.9)])
def test_sun_elevation_agrees_with_pvlib(place):
    import pandas as pd
    import pvlib

    times = pd.date_range("2026-01-01", "2027-01-01", freq="37h", tz="UTC")
    expected = pvlib.solarposition.get_solarposition(times, *place)["elevation"].to_list()
    ours = [sun_elevation_deg(round(time.timestamp() * 1000), *place) for time in times]
    assert max(abs(a - b) for a, b in zip(ours, expected, strict=True)) < 0.1


def test_sun_is_high_at_noon_of_midsummer_and_low_at_midnight():
    noon = dt.datetime(2026, 6, 21, 11, 45, tzinfo=dt.UTC).timestamp() * 1000
    assert sun_elevation_deg(round(noon), 50.85, 4.35) == pytest.approx(62.6, abs=0.2)
    assert sun_elevation_deg(round(noon) + 12 * 3_600_000, 50.85, 4.35) < -15
