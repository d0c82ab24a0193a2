"""Plan and balancer together: near the optimum with a true forecast, sane values, no step without a plan."""

import numpy as np
import pytest

from energy.dispatch.fleet import Tanks, tanks_of
from energy.dispatch.planner import Outlook, Planner
from energy.dispatch.program import PeakRule, Program, SharingSites, shared_kw
from energy.dispatch.storage import Battery


def _tanks(storage):
    return Tanks(storage, np.zeros(1, dtype=int), 1)


def _drive(storage, net, buy, sell, horizon, *, rate=0.0):
    """Cost of energy, and the grid powers, of one meter steered with the true future."""
    planner = Planner(_tanks(storage), horizon, 1.0, rate)
    energy, grids, peak = np.zeros(1), [], np.zeros(1)
    for step in range(len(net)):
        part = [
            np.pad(series[step : step + horizon], (0, max(0, step + horizon - len(net)))) for series in (net, buy, sell)
        ]
        outlook = Outlook(part[0][None, None], part[1][None], part[2][None], peak, step + horizon >= len(net))
        plan = planner.plan(outlook, energy)
        power = plan.battery_kw(net[step : step + 1], energy, 1.0)
        energy = energy + storage.stored_kwh(power, 1.0)
        grids.append(net[step] + power[0])
        peak = np.maximum(peak, grids[-1])
    grid = np.array(grids)
    return float((np.maximum(grid, 0) * buy - np.maximum(-grid, 0) * sell).sum()), grid


def test_planner_with_the_true_future_costs_what_perfect_foresight_costs(storage, day):
    net, buy, sell = (np.tile(series, 4) for series in day)
    best = Program(storage, 96, 1.0).solve(net, buy, sell, np.zeros(1)).cost_eur
    cost, _ = _drive(storage, net, buy, sell, 48)
    assert cost == pytest.approx(best, rel=0.005)
    assert cost >= best - 1e-6


def test_planner_with_capacity_price_keeps_the_peak_of_the_optimum(storage, day):
    net, buy, sell = day
    rule = PeakRule(np.arange(24), np.zeros(24, dtype=int), np.array([4.0]), np.zeros(1))
    best = Program(storage, 24, 1.0, rule).solve(net, buy, sell, np.zeros(1))
    _, grid = _drive(storage, net, buy, sell, 24, rate=4.0)
    assert grid.max() == pytest.approx(best.peak_kw[0], rel=0.15)
    _, careless = _drive(storage, net, buy, sell, 24)
    assert careless.max() > grid.max()


def test_value_of_stored_energy_lies_between_what_it_earns_and_saves(storage, day):
    net, buy, sell = day
    plan = Planner(_tanks(storage), 24, 1.0).plan(
        Outlook(net[None, None], buy[None], sell[None], np.zeros(1)), np.zeros(1)
    )
    assert (plan.value_eur_kwh >= 0.08 * 0.9**0.5 - 1e-9).all()
    assert (plan.value_eur_kwh <= 0.5 / 0.9**0.5 + 1e-9).all()
    assert plan.value_now(np.array([6.4])) <= plan.value_now(np.array([0.0]))


def test_planner_handles_meters_with_two_kinds_one_or_no_battery(battery, day):
    net, buy, sell = day
    tanks, _ = tanks_of([battery, Battery(20, 2, 2, 0.9, 0.9), battery], [0, 0, 2], 3)
    outlook = Outlook(np.tile(net, (3, 2, 1)), np.tile(buy, (3, 1)), np.tile(sell, (3, 1)), np.zeros(3))
    plan = Planner(tanks, 24, 1.0, 4.0).plan(outlook, np.zeros(3))
    power = plan.battery_kw(np.array([-6.0, -2.0, 2.0]), np.zeros(3), 1.0)
    taken = tanks.at_meters(power)[0]
    assert 6.0 - 1e-6 <= taken <= 6.0 + max(0.6, plan.peak_target_kw[0])  # the surplus, and what makes no peak
    assert tanks.at_meters(power)[1] == 0.0


def test_tanks_are_as_few_as_act_alike(battery):
    tanks, fleet = tanks_of([battery, battery, Battery(10, 1, 1), battery], [1, 1, 1, 0], 2)
    assert tanks.meter_of.tolist() == [0, 1, 1]
    assert tanks.storage.capacity_kwh.tolist() == pytest.approx([6.4, 12.8, 10])
    assert fleet.at_meters(np.array([1.0, 2.0, 4.0, 8.0])) == pytest.approx([8.0, 3.0, 4.0])


def _drive_pool(batteries, net, buy, sell, fee, horizon):
    """Grid powers of the sites of a pool steered with the true future, a battery at each of the first."""
    tanks, _ = tanks_of(batteries, list(range(len(batteries))), len(net))
    planner = Planner(tanks, horizon, 1.0, sharing=True)
    energy, grids, steps = np.zeros(len(batteries)), [], net.shape[1]
    for step in range(steps):
        after = max(0, step + horizon - steps)
        ahead, *prices = (
            np.pad(series[..., step : step + horizon], [(0, 0)] * (series.ndim - 1) + [(0, after)])
            for series in (net, buy, sell, fee)
        )
        everywhere = [np.tile(price, (len(net), 1)) for price in prices[:2]]
        outlook = Outlook(ahead[:, None], *everywhere, np.zeros(1), after > 0, prices[2])
        power = planner.plan(outlook, energy).battery_kw(net[:, step], energy, 1.0)
        energy = energy + tanks.storage.stored_kwh(power, 1.0)
        grids.append(net[:, step] + tanks.at_meters(power))
    return np.array(grids).T


@pytest.mark.parametrize("fee", [0.01, 0.05, 0.1])
def test_pool_that_pays_to_share_costs_near_to_the_optimum_with_the_true_future(battery, day, fee):
    net, buy, sell = (np.tile(series, 3) for series in day)
    sites = np.stack([net, np.roll(net, 2) * 0.5, np.full(len(net), 0.8)])
    fees = np.full(len(net), fee)
    program = Program(
        tanks_of([battery, battery], [0, 1], 3)[0].storage, len(net), 1.0, sites=SharingSites(3, np.array([0, 1]))
    )
    best = program.solve(sites, buy, sell, np.zeros(2), fee=fees).cost_eur
    nothing = _pool_cost(sites, buy, sell, fees)
    steered = _pool_cost(_drive_pool([battery, battery], sites, buy, sell, fees, 36), buy, sell, fees)
    assert best - 1e-6 <= steered
    assert (nothing - steered) / (nothing - best) > 0.97


def _pool_cost(site_kw, buy, sell, fee):
    taken, fed, shared = np.maximum(site_kw, 0).sum(axis=0), np.maximum(-site_kw, 0).sum(axis=0), shared_kw(site_kw)
    return float((buy * (taken - shared) - sell * (fed - shared) + fee * shared).sum())


def test_battery_leaves_the_neighbours_surplus_where_the_fee_takes_what_it_would_save(battery):
    """Site 1 has 3 kW left, site 0 a battery: stored it will save 0.3, less losses; sold it earns 0.08."""
    tanks, _ = tanks_of([battery], [0], 2)
    net = np.array([[0.0, 1.0, 1.0, 1.0], [-3.0, 1.0, 1.0, 1.0]])
    flat = np.full((2, 4), 0.3), np.full((2, 4), 0.08)
    for fee, taken in ((0.0, 3.0), (0.1, 3.0), (0.2, 0.0)):
        outlook = Outlook(net[:, None], *flat, np.zeros(1), True, np.full(4, fee))
        power = Planner(tanks, 4, 1.0, sharing=True).plan(outlook, np.zeros(1)).battery_kw(net[:, 0], np.zeros(1), 1.0)
        assert power[0] == pytest.approx(taken, abs=1e-6)
