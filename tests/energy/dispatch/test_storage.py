"""Batteries: limits, losses, aggregation, division."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.dispatch.fleet import Fleet, alike
from energy.dispatch.storage import Battery, Storage, split_power
from energy.errors import RefusedError


def test_battery_with_impossible_numbers_is_refused():
    with pytest.raises(RefusedError):
        Battery(-1, 1, 1)
    with pytest.raises(RefusedError):
        Battery(1, 1, 1, charge_efficiency=1.2)


def test_power_and_stored_energy_are_inverse(storage):
    for power in (-5.0, -0.3, 0.0, 0.7, 5.0):
        stored = storage.stored_kwh(np.array([power]), 0.25)
        assert storage.power_kw(stored, 0.25) == pytest.approx(power)


@given(
    power=st.floats(-50, 50),
    fill=st.floats(0, 1),
    hours=st.sampled_from([0.25, 0.5, 1.0]),
    charge=st.floats(0, 10),
    discharge=st.floats(0, 10),
    efficiency=st.floats(0.5, 1),
)
def test_within_limits_never_leaves_power_or_capacity(power, fill, hours, charge, discharge, efficiency):
    storage = Storage.behind([[Battery(8.0, charge, discharge, efficiency, efficiency)]])
    energy = np.array([8.0 * fill])
    allowed = storage.within_limits(np.array([power]), energy, hours)
    after = energy + storage.stored_kwh(allowed, hours)
    assert -discharge - 1e-9 <= allowed[0] <= charge + 1e-9
    assert -1e-9 <= after[0] <= 8.0 + 1e-9


def test_identical_batteries_behind_one_meter_act_as_one(battery):
    three = Storage.behind([[battery] * 3])
    assert three.capacity_kwh[0] == pytest.approx(19.2)
    assert three.charge_kw[0] == pytest.approx(15)
    assert three.charge_efficiency[0] == pytest.approx(battery.charge_efficiency)


def test_meter_without_battery_stores_nothing():
    empty = Storage.behind([[]])
    assert empty.within_limits(np.array([3.0]), np.zeros(1), 1.0) == 0


def test_alike_groups_by_ratio_and_losses_not_by_size():
    small, large = Battery(5, 2.5, 2.5, 0.95, 0.95), Battery(10, 5, 5, 0.95, 0.95)
    other = Battery(10, 2, 2, 0.95, 0.95)
    assert alike([small, other, large]) == [[0, 2], [1]]


@given(
    total=st.floats(-30, 30),
    fills=st.lists(st.floats(0, 1), min_size=3, max_size=3),
    hours=st.sampled_from([0.25, 1.0]),
)
def test_divided_power_adds_up_to_what_the_batteries_can_do(total, fills, hours):
    batteries = [Battery(4, 3, 2, 0.95, 0.9), Battery(10, 2, 5, 0.9, 0.95), Battery(6.4, 5, 5)]
    units = Storage.behind([[battery] for battery in batteries])
    energy = units.capacity_kwh * fills
    power = split_power(total, units, energy, hours)
    most = units.within_limits(np.full(3, np.sign(total) * 100), energy, hours).sum() if total else 0
    expected = min(total, most) if total > 0 else max(total, most)
    assert power.sum() == pytest.approx(expected, abs=1e-6)
    after = energy + units.stored_kwh(power, hours)
    assert (after >= -1e-9).all()
    assert (after <= units.capacity_kwh + 1e-9).all()


def test_fleet_puts_a_meters_power_on_its_own_batteries(battery):
    fleet = Fleet([battery, battery, battery], [0, 2, 2], 3)
    power = fleet.divide(np.array([1.0, 9.0, -2.0]), np.array([3.0, 3.0, 3.0]), 1.0)
    assert fleet.at_meters(power) == pytest.approx([1.0, 0.0, -2.0])
    assert power[1] == pytest.approx(power[2])
