"""The linear program against known optima, brute force and its own laws."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.dispatch.program import CarTable, PeakRule, Program, SharingSites, TaskTable, shared_kw
from energy.dispatch.storage import Battery, Storage


def _peaks(steps, rate, billed=0.0):
    return PeakRule(np.arange(steps), np.zeros(steps, dtype=int), np.array([rate]), np.array([billed]))


def test_program_with_price_step_shifts_exactly_what_pays():
    """2 kWh needed at 0.40: bought at 0.10 before, with 0.9 lost each way 2 / 0.81 kWh are bought."""
    storage = Storage.behind([[Battery(5, 5, 5, 0.9, 0.9)]])
    found = Program(storage, 2, 1.0).solve(
        np.array([0.0, 2.0]), np.array([0.1, 0.4]), np.array([0.05, 0.05]), np.zeros(1)
    )
    assert found.cost_eur == pytest.approx(0.1 * 2 / 0.81)
    assert found.grid_kw == pytest.approx([2 / 0.81, 0.0])
    assert found.value_eur_kwh == pytest.approx(0.1 / 0.9)  # the dual: what is stored already need not be bought


def test_program_matches_brute_force_over_all_schedules(day):
    """Lossless battery of 2 kWh moved in steps of 1 kWh: integral data have an integral optimum."""
    rng = np.random.default_rng(5)
    storage = Storage.behind([[Battery(2, 1, 1)]])
    program = Program(storage, 6, 1.0)
    for _ in range(5):
        net = rng.integers(-2, 3, 6).astype(float)
        buy, sell = rng.integers(20, 50, 6) / 100, np.full(6, 0.1)
        best = np.inf
        for powers in itertools.product((-1, 0, 1), repeat=6):
            energy = np.cumsum(powers)
            if energy.min() < 0 or energy.max() > 2:
                continue
            grid = net + powers
            best = min(best, float((np.maximum(grid, 0) * buy - np.maximum(-grid, 0) * sell).sum()))
        assert program.solve(net, buy, sell, np.zeros(1)).cost_eur == pytest.approx(best)


def test_program_with_capacity_price_flattens_the_peak():
    storage = Storage.behind([[Battery(3, 3, 3)]])
    flat = np.full(4, 0.2)
    net = np.array([0.0, 0.0, 0.0, 4.0])
    found = Program(storage, 4, 1.0, _peaks(4, 5.0)).solve(net, flat, np.zeros(4), np.zeros(1))
    assert found.peak_kw == pytest.approx(1.0)
    assert found.grid_kw == pytest.approx([1.0, 1.0, 1.0, 1.0])


def test_program_fights_no_peak_below_what_is_billed_already():
    storage = Storage.behind([[Battery(3, 3, 3, 0.9, 0.9)]])
    program = Program(storage, 2, 1.0, _peaks(2, 5.0))
    program.set_billed_peaks(np.array([4.0]))
    found = program.solve(np.array([0.0, 4.0]), np.full(2, 0.2), np.zeros(2), np.zeros(1))
    assert found.battery_kw == pytest.approx(np.zeros((1, 2)), abs=1e-9)


def test_program_averages_the_peak_over_the_metering_interval():
    storage = Storage.behind([[]])
    rule = PeakRule(np.array([0, 0, 1, 1]), np.zeros(4, dtype=int), np.array([1.0]), np.zeros(1))
    found = Program(storage, 4, 0.5, rule).solve(np.array([4.0, 0, 1, 1]), np.ones(4), np.zeros(4), np.zeros(1))
    assert found.peak_kw == pytest.approx(2.0)


def test_program_keeps_a_soft_limit_when_it_can_and_plans_when_it_cannot():
    storage = Storage.behind([[Battery(2, 2, 2)]])
    program = Program(storage, 2, 1.0, limit_kw=1.0)
    kept = program.solve(np.array([0.0, 2.0]), np.full(2, 0.2), np.zeros(2), np.zeros(1))
    assert kept.grid_kw.max() <= 1 + 1e-6
    over = program.solve(np.array([5.0, 5.0]), np.full(2, 0.2), np.zeros(2), np.zeros(1))
    assert over.grid_kw == pytest.approx([5.0, 5.0])


def test_two_batteries_of_one_ratio_equal_their_sum(day):
    net, buy, sell = day
    half, whole = Battery(3.2, 2.5, 2.5, 0.95, 0.95), Battery(6.4, 5, 5, 0.95, 0.95)
    two = Program(Storage.behind([[half], [half]]), 24, 1.0).solve(net, buy, sell, np.zeros(2))
    one = Program(Storage.behind([[whole]]), 24, 1.0).solve(net, buy, sell, np.zeros(1))
    assert two.cost_eur == pytest.approx(one.cost_eur)


def test_program_solved_warm_equals_solved_cold(storage, day):
    net, buy, sell = day
    warm = Program(storage, 24, 1.0)
    for shift in range(6):
        args = np.roll(net, shift), np.roll(buy, shift), sell, np.array([float(shift)])
        assert warm.solve(*args).cost_eur == pytest.approx(Program(storage, 24, 1.0).solve(*args).cost_eur)


@settings(max_examples=60, deadline=None)
@given(
    net=st.lists(st.floats(-20, 20), min_size=8, max_size=8),
    buy=st.lists(st.floats(-0.5, 1), min_size=8, max_size=8),
    sell=st.lists(st.floats(-0.5, 1), min_size=8, max_size=8),
    energy=st.floats(-5, 20),
    limit=st.floats(0, 3),
)
def test_program_always_has_a_plan_that_keeps_limits_and_conserves_energy(net, buy, sell, energy, limit):
    storage = Storage.behind([[Battery(6, 3, 4, 0.9, 0.95)], [Battery(2, 2, 2)]])
    program = Program(storage, 8, 0.25, _peaks(8, 3.0), limit_kw=limit)
    start = np.array([energy, 1.0])
    found = program.solve(np.array(net), np.array(buy), np.array(sell), start)
    assert found.grid_kw == pytest.approx(np.array(net) + found.battery_kw.sum(axis=0), abs=1e-6)
    assert (found.energy_kwh >= -1e-6).all()
    assert (found.energy_kwh <= storage.capacity_kwh[:, None] + 1e-6).all()
    assert (found.battery_kw <= storage.charge_kw[:, None] + 1e-6).all()
    assert (found.battery_kw >= -storage.discharge_kw[:, None] - 1e-6).all()


def _shared_cost(site_kw, buy, sell, fee):
    taken, fed = np.maximum(site_kw, 0).sum(axis=0), np.maximum(-site_kw, 0).sum(axis=0)
    shared = shared_kw(site_kw)
    return float((buy * (taken - shared) - sell * (fed - shared) + fee * shared).sum())


def test_sharing_sites_match_brute_force_over_all_schedules():
    """Two sites with a lossless battery of 1 kWh each, moved in steps of 1 kWh, and a third without."""
    rng = np.random.default_rng(8)
    storage = Storage.behind([[Battery(1, 1, 1)], [Battery(1, 1, 1)]])
    program = Program(storage, 3, 1.0, sites=SharingSites(3, np.array([0, 1])))
    for _ in range(12):
        net = rng.integers(-2, 3, (3, 3)).astype(float)
        buy, sell, fee = rng.integers(25, 50, 3) / 100, np.full(3, 0.05), rng.integers(0, 20, 3) / 100
        best = np.inf
        for powers in itertools.product((-1, 0, 1), repeat=6):
            moved = np.array(powers, dtype=float).reshape(2, 3)
            energy = np.cumsum(moved, axis=1)
            if energy.min() < 0 or energy.max() > 1:
                continue
            best = min(best, _shared_cost(net + np.vstack([moved, np.zeros(3)]), buy, sell, fee))
        found = program.solve(net, buy, sell, np.zeros(2), fee=fee)
        assert found.cost_eur == pytest.approx(best)
        assert _shared_cost(found.site_kw, buy, sell, fee) == pytest.approx(best)


_SITES = st.lists(st.lists(st.floats(-10, 10), min_size=6, max_size=6), min_size=2, max_size=4)


@settings(max_examples=60, deadline=None)
@given(net=_SITES, buy=st.lists(st.floats(0.1, 1), min_size=6, max_size=6), rate=st.sampled_from([0.0, 4.0]))
def test_sharing_that_costs_nothing_costs_what_one_meter_costs(net, buy, rate):
    sites, steps, sell = np.array(net), 6, np.full(6, 0.05)
    batteries = [[Battery(3, 2, 2, 0.9, 0.9)], [Battery(5, 1, 3, 0.95, 0.95, 0.01)]]
    storage = Storage.behind(batteries)
    peaks = _peaks(steps, rate) if rate else None
    one = Program(storage, steps, 1.0, peaks).solve(sites.sum(axis=0), np.array(buy), sell, np.ones(2))
    apart = Program(storage, steps, 1.0, peaks, sites=SharingSites(len(sites), np.array([0, 1])))
    found = apart.solve(sites, np.array(buy), sell, np.ones(2), fee=np.zeros(steps))
    assert found.cost_eur == pytest.approx(one.cost_eur, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(net=_SITES, fees=st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)))
def test_dearer_sharing_never_shares_more_and_never_costs_less(net, fees):
    """Exchange argument: the cost of a schedule is a + fee * shared, so of two optima the dearer fee's shares no more."""
    sites, steps = np.array(net), 6
    buy, sell = np.linspace(0.2, 0.5, steps), np.full(steps, 0.05)
    storage = Storage.behind([[Battery(3, 2, 2, 0.9, 0.9)], [Battery(5, 1, 3, 0.95, 0.95)]])
    program = Program(storage, steps, 1.0, sites=SharingSites(len(sites), np.array([0, 1])))
    low, high = (program.solve(sites, buy, sell, np.ones(2), fee=np.full(steps, fee)) for fee in sorted(fees))
    assert high.cost_eur >= low.cost_eur - 1e-6
    if max(fees) - min(fees) > 1e-3 and max(fees) < 0.15:  # dearer than buying less selling: nobody plans to share
        assert shared_kw(high.site_kw).sum() <= shared_kw(low.site_kw).sum() + 1e-5


def test_sharing_dearer_than_buying_and_selling_is_own_meters():
    storage = Storage.behind([[Battery(3, 2, 2, 0.9, 0.9)], [Battery(3, 2, 2, 0.9, 0.9)]])
    rng = np.random.default_rng(3)
    net, buy, sell = rng.uniform(-3, 3, (2, 8)), rng.uniform(0.2, 0.5, 8), np.full(8, 0.05)
    pool = Program(storage, 8, 1.0, sites=SharingSites(2, np.array([0, 1])))
    alone = Program(Storage.behind([[Battery(3, 2, 2, 0.9, 0.9)]]), 8, 1.0)
    apart = sum(alone.solve(each, buy, sell, np.zeros(1)).cost_eur for each in net)
    assert pool.solve(net, buy, sell, np.zeros(2), fee=np.full(8, 0.6)).cost_eur == pytest.approx(apart)


def test_sharing_sites_serve_cars_and_tasks_where_they_stand():
    """Site 0 has sun and no need; the car and the task stand at site 1: each kWh that they take is shared and pays the fee."""
    cars = CarTable(
        np.zeros(2, dtype=int),
        np.arange(2),
        np.full(2, 2.0),
        np.ones(2),
        np.array([2.0]),
        np.array([9.0]),
        np.zeros(1, dtype=int),
        np.array([np.inf]),
    )
    tasks = TaskTable(np.zeros(1, dtype=int), np.zeros(1, dtype=int), (np.array([1.0]),))
    sites = SharingSites(2, np.zeros(0, dtype=int), np.array([1]), np.array([1]))
    program = Program(Storage.behind([]), 2, 1.0, cars=cars, tasks=tasks, sites=sites)
    found = program.solve(
        np.array([[-3.0, -3.0], [0.0, 0.0]]), np.full(2, 0.3), np.full(2, 0.05), np.zeros(0), fee=np.full(2, 0.1)
    )
    assert found.site_kw[0] == pytest.approx([-3, -3])
    assert found.site_kw[1].sum() == pytest.approx(3)
    assert shared_kw(found.site_kw).sum() == pytest.approx(3)
    assert found.cost_eur == pytest.approx(-6 * 0.05 + 3 * (0.05 + 0.1) - 2 * 9)
