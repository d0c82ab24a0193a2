"""The value of stored energy: equal to the program's dual, falling with energy, a mean over scenarios."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.dispatch.program import Program
from energy.dispatch.storage import Battery, Storage
from energy.dispatch.value import CELLS, Prices, value_of_energy


def _value(storage, net, buy, sell, end=0.15, hours=1.0):
    """The curve for scenarios (scenarios, steps) of one meter, without a ceiling."""
    net = np.atleast_2d(net)[None]
    prices = Prices(buy[None], sell[None], np.zeros((0, 1, len(buy))))
    none = np.zeros((0, *net.shape))
    return value_of_energy(net, prices, none, storage, hours, np.full((1, CELLS), end))[0]


@settings(max_examples=40, deadline=None)
@given(
    net=st.lists(st.floats(-6, 6), min_size=10, max_size=10),
    buy=st.lists(st.sampled_from([0.11, 0.22, 0.31, 0.54]), min_size=10, max_size=10),
    cell=st.integers(0, CELLS - 1),
    wear=st.sampled_from([0.0, 0.03]),
    hours=st.sampled_from([0.25, 1.0]),
)
def test_value_is_the_slope_of_the_programs_cost(net, buy, cell, wear, hours):
    """Over one cell the mean value equals the fall of the optimal cost, which only HiGHS has computed."""
    storage = Storage.behind([[Battery(6.4, 3.0, 5.0, 0.93, 0.96, wear)]])
    net, buy, sell = np.array(net), np.array(buy), np.full(10, 0.08)
    program = Program(storage, 10, hours)
    edges = [np.array([6.4 * (cell + part) / CELLS]) for part in (0, 1)]
    costs = [program.solve(net, buy, sell, energy, 0.15).cost_eur for energy in edges]
    slope = (costs[0] - costs[1]) / (6.4 / CELLS)
    curve = _value(storage, net, buy, sell, 0.15, hours)
    # inside the first and the last cell the value may change, too
    low = curve[cell + 1] if cell < CELLS - 1 else -np.inf
    high = curve[cell - 1] if cell > 0 else np.inf
    assert low - 1e-6 <= slope <= high + 1e-6


def test_value_equals_the_dual(storage, day):
    net, buy, sell = day
    curve = _value(storage, net, buy, sell)
    for energy in (0.4, 2.1, 4.7, 6.0):
        dual = Program(storage, 24, 1.0).solve(net, buy, sell, np.array([energy]), 0.15).value_eur_kwh[0]
        assert curve[int(energy / 6.4 * CELLS)] == pytest.approx(dual, abs=1e-6)


def test_value_falls_with_energy_and_averages_scenarios(storage, day):
    net, buy, sell = day
    sunny, dark = _value(storage, net - 2, buy, sell), _value(storage, net + 2, buy, sell)
    both = _value(storage, np.stack([net - 2, net + 2]), buy, sell)
    assert (np.diff(both) <= 1e-12).all()
    assert both == pytest.approx((sunny + dark) / 2)


def test_value_before_a_dear_evening_is_what_filling_up_until_then_costs(storage):
    net, buy, sell = np.array([1.0, 1.0, 4.0]), np.array([0.3, 0.3, 0.6]), np.zeros(3)
    assert _value(storage, net, buy, sell, end=0.0)[0] == pytest.approx(0.3 / 0.9**0.5)
    assert _value(storage, net[2:], buy[2:], sell[2:], end=0.0)[0] == pytest.approx(0.6 * 0.9**0.5)


def test_value_is_worth_more_where_import_is_above_the_ceiling(storage):
    net = np.array([[[4.0, 0.0]]])
    prices = Prices(np.full((1, 2), 0.2), np.zeros((1, 2)), np.full((1, 1, 2), 1.0))
    ceiling = np.full((1, 1, 1, 2), 2.0)
    curve = value_of_energy(net, prices, ceiling, storage, 1.0, np.zeros((1, CELLS)))[0]
    assert curve[0] == pytest.approx(1.2 * 0.9**0.5)
    assert curve[CELLS * 6 // 10] == pytest.approx(0.2 * 0.9**0.5)  # beyond the 2 kWh above the ceiling


def test_value_with_more_prices_than_levels_stays_near_the_dual(storage, day):
    net, _, sell = day
    buy = 0.2 + 0.1 * np.random.default_rng(1).random(24)
    curve = _value(storage, net, buy, sell)
    dual = Program(storage, 24, 1.0).solve(net, buy, sell, np.array([3.0]), 0.15).value_eur_kwh[0]
    assert curve[int(3.0 / 6.4 * CELLS)] == pytest.approx(dual, abs=0.01)
