"""The cost to come by peak and energy: as the program with one future, as every course with two, and in its limits."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.dispatch.capacity import MonthPeaks
from energy.dispatch.peak_value import PeakRecursion
from energy.dispatch.program import PeakRule, Program
from energy.dispatch.storage import Battery, Storage

RATE = 2.0
NONE = np.zeros((0, 1))


def _value(storage, net, buy, sell, *, so_far=0.0, end=0.0, left=None, daily=NONE, rate=RATE):
    """Of one meter; `net` (scenarios, steps)."""
    net = np.atleast_2d(net)[None]
    left = net.shape[2] + 2 if left is None else left
    recursion = PeakRecursion(storage, 1.0, rate)
    return recursion.value(net, buy[None], sell[None], np.full(1, end), MonthPeaks(np.full(1, so_far), left, daily))


def _cost(value, energy, capacity):
    """At the peak so far."""
    fills = np.linspace(0, capacity, value.cost_eur.shape[2])
    return float(np.interp(energy, fills, value.cost_eur[0, 0]))


@pytest.mark.parametrize("energy", [0.0, 2.5, 6.0])
@pytest.mark.parametrize("so_far", [0.0, 1.5])
def test_cost_to_come_of_a_known_future_is_the_programs(storage, day, energy, so_far):
    net, buy, sell = day
    rule = PeakRule(np.arange(24), np.zeros(24, dtype=int), np.full(1, RATE), np.full(1, so_far))
    program = Program(storage, 24, 1.0, rule)
    best = program.solve(net, buy, sell, np.array([energy]), 0.15)
    value = _value(storage, net, buy, sell, so_far=so_far, end=0.15)
    paid = best.cost_eur - RATE * so_far
    level = int((value.levels_kw[0] <= best.peak_kw[0]).sum())
    width = value.levels_kw[0, level] - value.levels_kw[0, level - 1] if best.peak_kw[0] > so_far + 1e-6 else 0.0
    # straight between fills and levels it lies above a convex cost, by less than a level
    assert paid - 1e-6 <= _cost(value, energy, 6.4) <= paid + RATE * width + 0.02


def _by_every_course(nets, buy, so_far, energy, capacity, cells):
    """The least mean cost when each net load is one of two and seen only when it comes. Energy in `cells` parts."""
    steps = np.linspace(0, capacity, cells + 1)

    def least(step, stored, peak):
        if step == len(nets):
            return RATE * (peak - so_far)
        return np.mean(
            [
                min(
                    buy[step] * max(grid, 0.0) + least(step + 1, after, max(peak, grid))
                    for after in range(cells + 1)
                    for grid in (net + steps[after] - steps[stored],)
                    if abs(steps[after] - steps[stored]) <= 1.0 + 1e-9
                )
                for net in nets[step]
            ]
        )

    return least(0, round(energy / capacity * cells), so_far)


@pytest.mark.parametrize(("so_far", "energy"), [(0.0, 0.0), (0.0, 1.0), (1.0, 0.5), (2.0, 1.0)])
def test_cost_to_come_of_what_is_not_known_is_the_least_of_every_course(so_far, energy):
    storage = Storage.behind([[Battery(1.0, 1.0, 1.0)]])
    nets, buy = [(0.5, 1.5), (1.0, 3.0), (0.0, 2.0)], np.array([0.2, 0.3, 0.3])
    scenarios = np.array(list(itertools.product(*nets)))
    exact = _by_every_course(nets, buy, so_far, energy, 1.0, 10)
    value = _value(storage, scenarios, buy, np.zeros(3), so_far=so_far)
    assert _cost(value, energy, 1.0) == pytest.approx(exact, abs=0.05)


@settings(max_examples=30, deadline=None)
@given(
    net=st.lists(st.floats(-6, 8), min_size=30, max_size=30),
    so_far=st.floats(0, 6),
    left=st.integers(1, 12),
    wear=st.sampled_from([0.0, 0.03]),
)
def test_cost_to_come_falls_with_energy_and_rises_with_the_peak_by_no_more_than_its_price(net, so_far, left, wear):
    storage = Storage.behind([[Battery(6.4, 3.0, 5.0, 0.93, 0.96, wear)]])
    buy = np.array([0.2, 0.5, 0.3, 0.3, 0.2, 0.6])
    value = _value(storage, np.reshape(net, (5, 6)), buy, np.full(6, 0.08), so_far=so_far, end=0.1, left=left)
    cost, rise = value.cost_eur[0], np.diff(value.levels_kw[0])
    assert (np.diff(cost, axis=1) <= 1e-9).all()
    curve = value.curve(np.zeros(1, dtype=int), storage)[0]
    assert curve.mean() * 6.4 == pytest.approx(cost[0, 0] - cost[0, -1], abs=1e-9)
    slope = np.diff(cost, axis=0) / rise[:, None]
    assert (slope >= -1e-9).all()
    assert (slope <= RATE + 1e-9).all()


def test_reckoning_the_next_hours_alone_gives_what_the_whole_horizon_gives_when_nothing_new_is_known(storage, day):
    net, buy, sell = (np.tile(series, 2) for series in day)
    kept = PeakRecursion(storage, 1.0, RATE)
    for step in range(8):
        later = net[None, None, step + 1 :], buy[None, step + 1 :], sell[None, step + 1 :]
        peaks = MonthPeaks(np.ones(1), 60 - step, NONE)
        found = kept.value(*later, np.full(1, 0.1), peaks)
        fresh = PeakRecursion(storage, 1.0, RATE).value(*later, np.full(1, 0.1), peaks)
        assert found.cost_eur[0, 0] == pytest.approx(fresh.cost_eur[0, 0], abs=0.1)


def test_peak_of_the_next_month_costs_nothing_yet(storage):
    net, buy, sell = np.array([0.0, 0.0, 9.0]), np.full(3, 0.2), np.zeros(3)
    this = _value(storage, net, buy, sell, left=9)
    after = _value(storage, net, buy, sell, left=3)  # the present step, and two of the three
    assert _cost(this, 0.0, 6.4) > _cost(after, 0.0, 6.4) + 5
    assert _cost(after, 0.0, 6.4) == pytest.approx(9 * 0.2, abs=1e-6)


def test_peak_that_later_days_make_anyway_costs_little(storage):
    net, buy, sell = np.array([5.0]), np.full(1, 0.2), np.zeros(1)
    alone = _value(storage, net, buy, sell, left=20 * 24)
    usual = _value(storage, net, buy, sell, left=20 * 24, daily=np.full((30, 1), 8.0))
    rare = _value(storage, net, buy, sell, left=20 * 24, daily=np.full((30, 1), 1.0))
    assert _cost(alone, 0.0, 6.4) == pytest.approx(5 * 0.2 + 5 * RATE, rel=0.01)
    assert _cost(usual, 0.0, 6.4) == pytest.approx(5 * 0.2, abs=0.05)
    assert _cost(usual, 0.0, 6.4) < _cost(rare, 0.0, 6.4) < _cost(alone, 0.0, 6.4)


@settings(max_examples=60, deadline=None)
@given(
    now=st.floats(-9, 15),
    fill=st.floats(0, 1),
    so_far=st.floats(0, 6),
    price=st.sampled_from([-0.1, 0.0, 0.2, 0.6]),
    net=st.lists(st.floats(-6, 8), min_size=12, max_size=12),
)
def test_power_never_leaves_the_limits_nor_the_peak_that_it_keeps(now, fill, so_far, price, net):
    storage = Storage.behind([[Battery(6.4, 3.0, 5.0, 0.93, 0.96)]])
    value = _value(storage, np.reshape(net, (4, 3)), np.array([0.2, 0.5, 0.3]), np.full(3, 0.08), so_far=so_far)
    energy, prices = np.array([6.4 * fill]), (np.full(1, price), np.full(1, 0.08))
    power, level = value.act(np.array([now]), *prices, storage, energy, 1.0)
    assert -5.0 - 1e-9 <= power[0] <= 3.0 + 1e-9
    assert -1e-9 <= energy[0] + storage.stored_kwh(power, 1.0)[0] <= 6.4 + 1e-9
    kept = max(value.levels_kw[0, level[0]], now - min(5.0, storage.power_kw(energy, 1.0)[0] * 0.93 * 0.96))
    assert now + power[0] <= kept + 1e-6


def test_energy_is_kept_for_a_peak_that_may_come_and_given_for_one_that_is_here():
    storage = Storage.behind([[Battery(4.0, 4.0, 4.0)]])
    later = np.array([[1.0, 5.0]] * 3 + [[1.0, 0.0]])
    value = _value(storage, later, np.full(2, 0.2), np.zeros(2), so_far=1.0)
    flat = np.full(1, 0.2), np.zeros(1)
    calm, _ = value.act(np.array([1.0]), *flat, storage, np.full(1, 4.0), 1.0)
    peak, _ = value.act(np.array([5.0]), *flat, storage, np.full(1, 4.0), 1.0)
    assert calm[0] == pytest.approx(0.0, abs=0.25)
    assert peak[0] < -1.0
    bought, _ = value.act(np.array([0.2]), *flat, storage, np.zeros(1), 1.0)
    assert 0.8 - 1e-6 <= bought[0] < 4.0  # at least as far as the peak so far
