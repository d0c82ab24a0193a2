"""Every ready rule raises when it should, clears when it is over, and is never raised from what is not known."""

import datetime as dt
from dataclasses import replace

import pytest

from energy.alerts.facts import GatewayNow, HostNow, Setpoint
from energy.alerts.library import ready_rules

from .conftest import NIGHT, site

THREE = [site("hall"), site("school"), site("depot")]


def roofs(scene, rule, *, sites=THREE, **more):
    """A scene where every device of every site speaks: 6 kW of sun, 1 kW to the grid."""
    stage = scene(rule, sites, **more)
    for each in stage.community.sites:
        for device in each.devices:
            power = {"pv": 6_000, "grid": -1_000}.get(device.role, 0)
            stage.say(f"{each.id}/{device.id}", power_w=power)
    return stage


def test_device_silent_raises_clears_and_leaves_an_offline_gateway_to_its_own_alert(scene):
    stage = roofs(scene, "device-silent")
    assert stage.run(1200) == {}
    stage.say("hall/pv")
    assert stage.raises("hall/pv", 700)
    stage.say("hall/pv", power_w=1)
    assert stage.clears("hall/pv", 200)
    stage.say("hall/pv")
    stage.gateways["gw-hall"] = GatewayNow(online=False, since=stage.now)
    assert stage.run(3600) == {}
    assert stage.value("hall/pv") is None


def test_device_silent_since_before_the_start_is_told_only_after_the_rules_time(scene):
    stage = scene("device-silent", [site("hall", devices=("grid",))])
    stage.live = False
    stage.latest["hall/grid"] = (stage.now - 86_400_000, {"power_w": 5})
    assert stage.run(600) == {}
    assert stage.raises("hall/grid", 60)


def test_device_silent_without_a_broker_is_unknown(scene):
    stage = roofs(scene, "device-silent")
    stage.connected = False
    stage.said.clear()
    assert stage.run(3600) == {}


def test_gateway_offline_raises_and_clears(scene):
    stage = roofs(scene, "gateway-offline")
    assert stage.run(600) == {}
    stage.gateways["gw-hall"] = GatewayNow(online=False, since=stage.now)
    assert stage.raises("gw-hall", 320)
    stage.gateways["gw-hall"] = GatewayNow(online=True, since=stage.now)
    assert stage.clears("gw-hall", 80)


def test_gateway_that_never_says_how_it_is_counts_as_there_while_its_devices_speak(scene):
    stage = roofs(scene, "gateway-offline")
    stage.gateways.clear()
    assert stage.run(1800) == {}
    for device in ("hall/pv", "hall/grid"):
        stage.say(device)
    assert stage.raises("gw-hall", 400)


def test_outbox_growing_raises_clears_and_is_unknown_while_offline(scene):
    stage = roofs(scene, "outbox-growing")
    stage.gateways["gw-hall"] = GatewayNow(online=True, since=stage.now, waiting_since=stage.now)
    assert stage.raises("gw-hall", 1300)
    stage.gateways["gw-hall"] = GatewayNow(online=True, since=stage.now)
    assert stage.clears("gw-hall", 70)
    stage.gateways["gw-hall"] = GatewayNow(online=False, since=stage.now, waiting_since=stage.now)
    assert stage.run(3600) == {}


def test_night_that_is_not_like_earlier_ones_raises_and_clears(scene):
    stage = roofs(scene, "night-load-rising", at="2026-06-17T01:10")
    begin, end = dt.time(1), dt.time(5)

    def uses(power_w):
        stage.say("hall/grid", power_w=power_w)

    for each in ("hall", "school", "depot"):
        stage.say(f"{each}/pv", power_w=0)
    uses(3_000)
    assert stage.run(5_400) == {}, "what is usual is not known"
    stage.nights["hall", begin, end] = 1_500.0
    assert stage.raises("hall", 4_000)
    uses(1_600)
    assert stage.clears("hall", 4_000)


def test_gateway_certificate_ending_raises_and_clears_also_while_the_gateway_is_away(scene):
    stage = roofs(scene, "gateway-certificate-ending")
    stage.run(60)

    def there(days, *, online=True):
        until = stage.now + round(days * 86_400_000)
        stage.gateways["gw-hall"] = GatewayNow(online=online, since=stage.now, certificate_until=until)

    there(40)
    assert stage.run(60) == {}
    there(20, online=False)
    assert stage.raises("gw-hall", 10)
    there(365)
    assert stage.clears("gw-hall", 10)
    stage.gateways["gw-hall"] = GatewayNow(online=True, since=stage.now)  # it has none
    assert stage.run(60) == {}


def test_month_reopened_raises_once_known_and_clears_when_it_is_corrected(scene):
    stage = roofs(scene, "month-reopened")
    assert stage.run(60) == {}
    stage.reopened = 1
    assert stage.raises("ixelles", 10)
    stage.reopened = 0
    assert stage.clears("ixelles", 10)


@pytest.mark.parametrize(("rule", "makes_w", "back_w", "seconds"), [
    ("inverter-below-expectation", 3_000, 5_500, 3_000),
    ("string-missing", 4_500, 5_900, 9_000),
])  # fmt: skip
def test_inverter_below_its_neighbours_raises_and_clears(scene, rule, makes_w, back_w, seconds):
    stage = roofs(scene, rule, at="2026-06-17T10:00")
    stage.run(900)
    stage.say("hall/pv", power_w=makes_w)
    assert stage.raises("hall/pv", seconds)
    stage.say("hall/pv", power_w=back_w)
    assert stage.clears("hall/pv", 4_000)


def test_inverter_is_compared_with_nobody_when_it_cannot_be(scene):
    for change in ("alone", "night", "silent", "curtailed", "clouds"):
        stage = roofs(scene, "inverter-below-expectation", at=NIGHT if change == "night" else "2026-06-17T10:00")
        stage.say("hall/pv", power_w=0)
        if change == "alone":
            stage.say("school/pv")
        if change == "silent":
            stage.say("hall/pv")
        if change == "curtailed":
            stage.leased = frozenset({"hall/pv"})
        if change == "clouds":
            stage.say("school/pv", power_w=100)
            stage.say("depot/pv", power_w=100)
        assert stage.run(4_000) == {}, change
        assert stage.value("hall/pv") is None, change


def test_inverter_without_neighbours_is_measured_against_the_irradiance(scene):
    sites = [site("hall", devices=("grid", "pv", "load"))]
    stage = roofs(scene, "inverter-below-expectation", sites=sites)
    stage.say("hall/load", irradiance_wm2=800)
    stage.say("hall/pv", power_w=3_000)
    assert stage.raises("hall/pv", 3_000)
    assert stage.value("hall/pv") == pytest.approx(100 * (1 - 0.3 / 0.64))
    stage.say("hall/load", irradiance_wm2=350)
    assert stage.clears("hall/pv", 2_000)


VOLTS = {"voltage_l1_v": 231.0, "voltage_l2_v": 232.0, "voltage_l3_v": 230.0}


def test_phase_missing_raises_clears_and_a_single_phase_meter_misses_nothing(scene):
    stage = roofs(scene, "phase-missing")
    stage.say("hall/grid", **VOLTS)
    stage.say("school/grid", voltage_l1_v=230.0, voltage_l2_v=0.0, voltage_l3_v=0.0)
    assert stage.run(300) == {}
    stage.say("hall/grid", voltage_l2_v=3.0)
    assert stage.raises("hall/grid", 120)
    stage.say("hall/grid", voltage_l2_v=231.0)
    assert stage.clears("hall/grid", 120)
    stage.say("hall/grid", voltage_l2_v=None)
    assert stage.run(600) == {}
    assert stage.value("hall/grid") is None


def test_phase_missing_sees_an_inverter_without_current_on_a_phase(scene):
    stage = roofs(scene, "phase-missing")
    stage.say("hall/pv", **VOLTS, current_l1_a=9.0, current_l2_a=0.1, current_l3_a=9.0)
    assert stage.raises("hall/pv", 120)
    stage.say("hall/pv", power_w=100)
    assert stage.clears("hall/pv", 120)


@pytest.mark.parametrize(("rule", "bad_v"), [("voltage-high", 250.5), ("voltage-limit", 253.5), ("voltage-low", 206.0)])
def test_voltage_over_ten_minutes_raises_and_clears(scene, rule, bad_v):
    stage = roofs(scene, rule)
    stage.say("hall/grid", **VOLTS)
    assert stage.run(900) == {}
    stage.say("hall/grid", voltage_l2_v=bad_v)
    assert not stage.raises("hall/grid", 120)  # a moment is no ten-minute mean
    assert stage.raises("hall/grid", 600)
    stage.say("hall/grid", voltage_l2_v=231.0)
    assert stage.clears("hall/grid", 1200)


def test_voltage_is_unknown_until_ten_minutes_were_heard_and_with_a_gap_in_them(scene):
    stage = roofs(scene, "voltage-limit")
    stage.say("hall/grid", voltage_l1_v=260.0)
    assert stage.run(450) == {}
    assert stage.value("hall/grid") is None
    stage.say("hall/grid")
    stage.run(200)
    stage.say("hall/grid", voltage_l1_v=260.0)
    assert stage.run(400) == {}
    assert stage.value("hall/grid") is None
    assert stage.raises("hall/grid", 400)


def test_voltage_is_the_rms_of_the_ten_minutes(scene):
    stage = roofs(scene, "voltage-high")
    stage.say("hall/grid", voltage_l1_v=lambda t: 200.0 if (t // 10_000) % 2 else 240.0)
    stage.run(700)
    assert stage.value("hall/grid") == pytest.approx(((200**2 + 240**2) / 2) ** 0.5, abs=0.5)


def test_fuse_near_its_limit_raises_clears_and_is_unknown_with_a_phase_missing(scene):
    stage = roofs(scene, "fuse-near-limit", sites=[site("hall", fuse_a=63), site("school")])
    assert list(stage.watches) == ["hall"]
    stage.say("hall/grid", power_w=30_000, current_l1_a=20.0, current_l2_a=60.0, current_l3_a=30.0)
    assert stage.raises("hall", 120)
    stage.say("hall/grid", current_l2_a=40.0)
    assert stage.clears("hall", 180)
    stage.say("hall/grid", current_l1_a=62.0, current_l2_a=None)
    assert stage.run(300) == {}
    assert stage.value("hall") is None


def test_connection_near_its_limit_raises_in_both_directions_and_clears(scene):
    stage = roofs(scene, "connection-near-limit", sites=[site("hall", import_limit_w=20_000, export_limit_w=10_000)])
    stage.say("hall/grid", power_w=19_500)
    assert stage.raises("hall", 120)
    stage.say("hall/grid", power_w=10_000)
    assert stage.clears("hall", 180)
    stage.say("hall/grid", power_w=-9_900)
    assert stage.raises("hall", 120)
    stage.say("hall/grid")
    stage.run(60)
    assert stage.value("hall") is None


def demand(power_w):
    """What a Belgian meter says: energy since the quarter-hour began over its full length."""
    return lambda t: power_w * (t % 900_000) / 900_000


def test_quarter_peak_is_seen_before_the_quarter_hour_ends(scene):
    stage = roofs(scene, "quarter-peak", sites=[site("hall", peak_limit_w=10_000)])
    stage.say("hall/grid", power_w=6_000, quarter_demand_w=demand(6_000))
    assert stage.run(900) == {}
    stage.run(300)
    stage.say(
        "hall/grid", power_w=14_000, quarter_demand_w=lambda t: 6_000 / 3 + 14_000 * (t % 900_000 - 300_000) / 900_000
    )
    assert stage.raises("hall", 60)
    assert stage.value("hall") == pytest.approx(100 * (2_000 + 14_000 * 2 / 3) / 10_000, rel=0.01)
    stage.say("hall/grid", power_w=0, quarter_demand_w=3_000)
    assert stage.clears("hall", 120)


def test_quarter_peak_is_that_of_the_month_where_none_is_set_and_unknown_without(scene):
    stage = roofs(scene, "quarter-peak", sites=[site("hall")])
    stage.say("hall/grid", power_w=6_000, quarter_demand_w=demand(6_000))
    assert stage.run(900) == {}
    assert stage.value("hall") is None
    stage.say("hall/grid", month_peak_w=1_000)
    stage.run(10)
    assert stage.value("hall") == pytest.approx(100 * 6_000 / 2_500)
    stage.say("hall/grid", month_peak_w=8_000)
    stage.run(10)
    assert stage.value("hall") == pytest.approx(75.0)


def test_night_load_raises_at_night_clears_by_day_and_not_from_silence(scene):
    sites = [site("hall", floor_area_m2=1_000), site("school")]
    stage = roofs(scene, "night-load", sites=sites, at="2026-06-17T23:00")
    assert list(stage.watches) == ["hall"]
    stage.say("hall/grid", power_w=2_000)
    stage.say("hall/pv", power_w=0)
    assert stage.run(3 * 3600) == {}
    stage.say("hall/grid", power_w=6_000)
    assert stage.raises("hall", 2 * 3600)
    assert stage.clears("hall", 2 * 3600)
    silent = roofs(scene, "night-load", sites=sites, at=NIGHT)
    silent.say("hall/grid", power_w=6_000)
    silent.say("hall/pv")
    assert silent.run(3 * 3600) == {}
    assert silent.value("hall") is None


def test_consumption_when_closed_raises_after_closing_and_clears_at_opening(scene):
    sites = [site("hall", floor_area_m2=1_000, opening_hours="Mo-Fr 08:00-18:00")]
    stage = roofs(scene, "consumption-when-closed", sites=sites, at="2026-06-17T16:00")
    stage.say("hall/grid", power_w=10_000)
    assert stage.run(2.9 * 3600) == {}
    assert stage.raises("hall", 3600)
    assert stage.clears("hall", 13 * 3600)
    stage.say("hall/grid")
    stage.run(16 * 3600)
    assert stage.value("hall") is None


@pytest.mark.parametrize(("rule", "quantity", "m3_an_hour"), [
    ("water-at-night", "water_m3", 0.02), ("gas-at-night", "gas_m3", 0.8),
])  # fmt: skip
def test_what_runs_at_night_raises_after_two_hours_and_clears(scene, rule, quantity, m3_an_hour):
    stage = roofs(scene, rule, sites=[site("hall")], at="2026-06-17T22:00")
    stage.say("hall/grid", **{quantity: lambda t: 100 + m3_an_hour * (t - stage.started) / 3_600_000})
    assert stage.run(3.9 * 3600) == {}
    assert stage.raises("hall/grid", 1200)
    assert stage.value("hall/grid") == pytest.approx(1000 * m3_an_hour, rel=0.01)
    assert stage.clears("hall/grid", 3 * 3600)


def test_a_counter_that_was_changed_or_is_silent_is_unknown_at_night(scene):
    stage = roofs(scene, "water-at-night", sites=[site("hall")], at="2026-06-18T00:00")
    stage.say("hall/grid", water_m3=lambda t: 100 if t - stage.started < 3_600_000 else 3)
    assert stage.run(2.5 * 3600) == {}
    assert stage.value("hall/grid") is None
    stage.say("hall/grid")
    assert stage.run(3600) == {}
    assert stage.value("hall/grid") is None


def test_battery_that_does_not_follow_raises_clears_and_may_be_full(scene):
    stage = roofs(scene, "battery-not-following", sites=[site("hall", devices=("grid", "battery"))])
    stage.say("hall/battery", power_w=0, soc_pct=50)
    assert stage.run(600) == {}
    stage.setpoints["hall/battery"] = Setpoint(-3_000, stage.now)
    assert stage.raises("hall/battery", 240)
    stage.say("hall/battery", power_w=-2_900)
    assert stage.clears("hall/battery", 120)
    stage.say("hall/battery", power_w=0, soc_pct=97)
    assert stage.run(600) == {}
    stage.say("hall/battery")
    stage.run(60)
    assert stage.value("hall/battery") is None


def test_meters_that_disagree_raise_clear_and_are_unknown_when_one_is_silent(scene):
    stage = roofs(scene, "meters-disagree", sites=[site("hall", devices=("grid", "pv", "heat_pump", "ev"))])
    stage.say("hall/heat_pump", power_w=2_000)
    stage.say("hall/ev", power_w=1_000)
    assert stage.run(3600) == {}
    stage.say("hall/ev", power_w=5_000)
    assert stage.raises("hall", 3_600)
    stage.say("hall/ev", power_w=2_500)
    assert stage.clears("hall", 3_600)
    stage.say("hall/ev")
    stage.run(1800)
    assert stage.value("hall") is None


@pytest.mark.parametrize(("rule", "field", "good", "bad"), [
    ("certificate-ending", "certificate_days", 90.0, 20.0), ("disk-ending", "disk_free_pct", 40.0, 9.0),
])  # fmt: skip
def test_what_ends_at_the_centre_raises_clears_and_is_told_without_a_broker(scene, rule, field, good, bad):
    stage = roofs(scene, rule)
    assert stage.run(600) == {}
    stage.connected = False
    stage.host = replace(HostNow(), **{field: bad})
    assert stage.raises("ixelles", 400)
    stage.host = replace(HostNow(), **{field: good})
    assert stage.clears("ixelles", 400)


@pytest.mark.parametrize(("rule", "good_w", "bad_w"), [("surplus", -1_000, -8_000), ("import-high", 10_000, 60_000)])
def test_the_communitys_balance_raises_clears_and_is_unknown_with_a_silent_site(scene, rule, good_w, bad_w):
    stage = roofs(scene, rule)
    for hall in ("hall", "school", "depot"):
        stage.say(f"{hall}/grid", power_w=bad_w)
    assert stage.raises("ixelles", 400)
    for hall in ("hall", "school", "depot"):
        stage.say(f"{hall}/grid", power_w=good_w)
    assert stage.clears("ixelles", 300)
    stage.say("hall/grid")
    stage.run(60)
    assert stage.value() is None


def test_any_quantity_can_be_watched_upwards_and_downwards(scene):
    for kind, raising, clearing in (
        ({"kind": "quantity_above", "raise_above": 60, "clear_below": 55}, 61.0, 50.0),
        ({"kind": "quantity_below", "raise_below": 5, "clear_above": 8}, 4.0, 10.0),
    ):
        stage = roofs(scene, {"id": "warm", "quantity": "temperature_c", "scope": {"devices": ["hall/pv"]}, **kind})
        assert list(stage.watches) == ["hall/pv"]
        assert stage.run(120) == {}
        stage.say("hall/pv", temperature_c=raising)
        assert stage.raises("hall/pv", 120)
        stage.say("hall/pv", temperature_c=clearing)
        assert stage.clears("hall/pv", 60)


@pytest.mark.parametrize("rule", [name for name in ready_rules() if name not in {"certificate-ending", "disk-ending"}])
def test_no_ready_rule_is_raised_by_silence_alone_but_those_about_silence(scene, rule):
    sites = [site("hall", devices=("grid", "pv", "battery", "ev"), fuse_a=40, floor_area_m2=9, import_limit_w=9,
                  peak_limit_w=9, opening_hours="Mo-Fr 08:00-18:00")]  # fmt: skip
    for at in (NIGHT, "2026-06-17T12:00"):
        stage = roofs(scene, rule, sites=sites, at=at)
        stage.said.clear()
        stage.gateways.clear()
        expected = {"device-silent": 4, "gateway-offline": 1}.get(rule, 0)
        assert len(stage.run(3 * 3600, every_s=60)) == expected


@pytest.mark.parametrize("rule", [name for name in ready_rules() if name not in {"certificate-ending", "disk-ending"}])
def test_no_ready_rule_is_raised_by_what_the_store_had(scene, rule):
    """Values that would raise each of them, but none heard since the start."""
    stage = roofs(scene, rule, sites=[site("hall", fuse_a=1, import_limit_w=1, peak_limit_w=1)])
    stage.live = False
    worst = {**VOLTS, "voltage_l1_v": 1.0, "current_l1_a": 99.0, "quarter_demand_w": 9e6}
    stage.latest = {f"hall/{name}": (stage.now, {"power_w": 9e6, **worst}) for name in ("grid", "pv")}
    stage.said.clear()
    stage.connected = True
    assert stage.run(20) == {}
