"""Energy of an interval from counters and power: exact, across resets, rollovers, swaps and gaps."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.metering import (
    MODULI_WH,
    DeviceSamples,
    Energy,
    Sample,
    counter_energy,
    device_energy,
    power_energy,
    site_energy,
    steady,
)
from energy.quantities import Quality, Role
from energy.quarters import QUARTER_MS

T0 = 1_750_000_500_000 - 1_750_000_500_000 % QUARTER_MS
MEASURED, ESTIMATED, MISSING = Quality.MEASURED, Quality.ESTIMATED, Quality.MISSING


def _counter(*pairs: tuple[float, float]) -> list[Sample]:
    return [Sample(T0 + int(seconds * 1000), wh) for seconds, wh in pairs]


def test_counter_energy_with_samples_on_both_ends_is_their_difference():
    assert counter_energy(_counter((0, 100), (900, 350)), T0, T0 + QUARTER_MS) == Energy(250, MEASURED)


def test_counter_energy_interpolates_between_close_samples_and_stays_measured():
    energy = counter_energy(_counter((-5, 0), (5, 10), (895, 900), (905, 910)), T0, T0 + QUARTER_MS)
    assert energy == Energy(900, MEASURED)


def test_counter_energy_over_an_outage_is_estimated_and_its_sum_is_exact():
    samples = _counter((-10, 0), (3 * 900 + 10, 2720))
    parts = [counter_energy(samples, T0 + n * QUARTER_MS, T0 + (n + 1) * QUARTER_MS) for n in range(3)]
    assert [part.quality for part in parts] == [ESTIMATED] * 3
    assert math.isclose(sum(part.wh for part in parts), 2720 * 2700 / 2720)


def test_counter_energy_gap_inside_the_interval_is_measured_because_the_counter_bridges_it():
    assert counter_energy(_counter((0, 0), (10, 1), (890, 200), (900, 201)), T0, T0 + QUARTER_MS) == Energy(
        201, MEASURED
    )


@pytest.mark.parametrize("samples", [_counter((1, 0), (900, 5)), _counter((0, 0), (899, 5)), _counter((0, 0)), []])
def test_counter_energy_that_does_not_reach_both_ends_is_unknown(samples):
    assert counter_energy(samples, T0, T0 + QUARTER_MS) == Energy(None, MISSING)


def test_counter_energy_across_a_reset_without_power_is_unknown_never_negative():
    assert counter_energy(_counter((0, 5000), (450, 5100), (460, 0), (900, 90)), T0, T0 + QUARTER_MS).wh is None


def test_counter_energy_across_a_reset_takes_the_step_from_power_as_estimate():
    power = [Sample(T0 + s * 1000, 3600.0) for s in range(0, 901, 10)]
    energy = counter_energy(_counter((0, 5000), (450, 5450), (460, 0), (900, 440)), T0, T0 + QUARTER_MS, power=power)
    assert energy.quality is ESTIMATED
    assert math.isclose(energy.wh, 450 + 10 + 440)


def test_counter_energy_small_fall_is_a_break_not_a_restart_from_zero():
    """A counter that drops by 3 Wh has not been refilled from 0 to 10 MWh."""
    assert (
        counter_energy(_counter((0, 10_000_000), (450, 9_999_997), (900, 10_000_100)), T0, T0 + QUARTER_MS).wh is None
    )


@pytest.mark.parametrize("modulus", MODULI_WH)
def test_counter_energy_rollover_of_a_register_or_display_is_exact(modulus):
    samples = _counter((0, modulus - 100), (900, 150))
    assert counter_energy(samples, T0, T0 + QUARTER_MS) == Energy(250, MEASURED)


def test_counter_energy_reset_in_mid_range_is_no_rollover():
    assert counter_energy(_counter((0, 3e9), (900, 150)), T0, T0 + QUARTER_MS).wh is None


def test_counter_energy_swapped_meter_with_a_higher_reading_is_not_believed():
    assert counter_energy(_counter((0, 0), (10, 50_000_000), (900, 50_000_100)), T0, T0 + QUARTER_MS).wh is None


@given(
    steps=st.lists(st.tuples(st.integers(1, 400), st.floats(0, 500)), min_size=20, max_size=60),
    cuts=st.lists(st.floats(0, 1), min_size=1, max_size=6),
)
def test_counter_energy_is_additive_over_any_partition(steps, cuts):
    t, wh, samples = T0, 0.0, [Sample(T0, 0.0)]
    for seconds, step in steps:
        t, wh = t + seconds * 1000, wh + step
        samples.append(Sample(t, wh))
    bounds = sorted({T0, t, *(T0 + int(cut * (t - T0)) for cut in cuts)})
    parts = [counter_energy(samples, low, high).wh for low, high in pairwise(bounds)]
    assert math.isclose(sum(parts), wh, rel_tol=1e-9, abs_tol=1e-6)
    assert all(part >= 0 for part in parts)


def test_power_energy_of_constant_power_is_power_times_time_and_an_estimate():
    samples = [Sample(T0 + s * 1000, 1200.0) for s in range(-10, 911, 10)]
    energy = power_energy(samples, T0, T0 + QUARTER_MS)
    assert energy.quality is ESTIMATED
    assert math.isclose(energy.wh, 300)


def test_power_energy_across_a_gap_is_unknown():
    samples = [Sample(T0, 1.0), Sample(T0 + 200_000, 1.0), Sample(T0 + QUARTER_MS, 1.0)]
    assert power_energy(samples, T0, T0 + QUARTER_MS) == Energy(None, MISSING)


def test_power_energy_of_two_samples_is_their_mean_times_the_time():
    samples = [Sample(T0, 0.0), Sample(T0 + 60_000, 1200.0)]
    assert power_energy(samples, T0, T0 + 60_000) == Energy(10, ESTIMATED)


def test_energy_does_not_depend_on_what_came_before_the_interval():
    power = [Sample(T0 - 600_000, 0.0), *(Sample(T0 + s * 1000, 1200.0) for s in range(0, 901, 10))]
    assert power_energy(power, T0, T0 + QUARTER_MS).wh == pytest.approx(300)
    assert counter_energy(_counter((-10, 5000), (0, 0), (900, 90)), T0, T0 + QUARTER_MS) == Energy(90, MEASURED)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 27_777, 27_777], True),
        ([0, 10_000, 9_999], False),
        ([0, 27_778, 27_778], False),  # 10 MW for the shortest step, 10 s, are 27,777.8 Wh
        ([5], True),
        ([0, 0, 0], True),
    ],
)
def test_steady_counter_only_rises_and_no_step_can_be_a_swap(values, expected):
    assert steady([T0, T0 + 10_000, T0 + 30_000][: len(values)], values) is expected


def test_steady_counter_may_rise_by_all_that_is_possible():
    assert steady([0, 36_000], [0.0, 100_000.0])


def test_device_energy_battery_without_counters_splits_power_by_its_sign():
    power = [Sample(T0 + s * 1000, 3600.0 if s < 450 else -1800.0) for s in range(0, 901, 1)]
    charged, discharged = device_energy(Role.BATTERY, DeviceSamples(power, {}), T0, T0 + QUARTER_MS)
    assert math.isclose(discharged.wh, 450, rel_tol=0.01)
    assert math.isclose(charged.wh, 225, rel_tol=0.01)


def test_device_energy_pv_import_is_no_business_of_a_roof():
    counters = {"energy_export_wh": _counter((0, 0), (900, 100))}
    imported, exported = device_energy(Role.PV, DeviceSamples([], counters), T0, T0 + QUARTER_MS)
    assert imported == Energy(0, MEASURED)
    assert exported == Energy(100, MEASURED)


def test_site_energy_closes_and_carries_the_worst_quality():
    energy = site_energy(
        [
            (Role.GRID, Energy(100, MEASURED), Energy(40, MEASURED)),
            (Role.PV, Energy(0, MEASURED), Energy(200, ESTIMATED)),
            (Role.BATTERY, Energy(30, MEASURED), Energy(10, MEASURED)),
            (Role.EV, Energy(70, MEASURED), Energy(0, MEASURED)),
        ]
    )
    assert energy.consumption_wh == 100 - 40 + 200 + 10 - 30
    assert energy.quality is ESTIMATED


def test_site_energy_with_an_unknown_inverter_has_unknown_consumption_but_known_grid():
    energy = site_energy(
        [(Role.GRID, Energy(1, MEASURED), Energy(2, MEASURED)), (Role.PV, Energy(0, MEASURED), Energy(None, MISSING))]
    )
    assert (energy.import_wh, energy.export_wh, energy.pv_wh, energy.consumption_wh) == (1, 2, None, None)
    assert energy.quality is MISSING


def test_site_energy_without_grid_meter_is_unknown():
    assert site_energy([(Role.PV, Energy(0, MEASURED), Energy(5, MEASURED))]).import_wh is None
