"""The balancer: acts on value, price and present net load, never leaves limits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.dispatch.balancer import follow_value, plain_rule
from energy.dispatch.storage import Battery, Storage
from energy.dispatch.value import CELLS, Prices


def _power(storage, net, value, energy, *, buy=0.3, sell=0.08, ceiling=None, over=1.0, hours=1.0):
    ceilings = np.zeros((0, 1)) if ceiling is None else np.array([[ceiling]])
    prices = Prices(np.array([[buy]]), np.array([[sell]]), np.full((len(ceilings), 1, 1), over))
    curve = np.full((1, CELLS), value) if np.isscalar(value) else value
    return follow_value(np.array([net]), prices, ceilings, curve, storage, np.array([energy]), hours)[0]


def test_plain_rule_charges_surplus_and_discharges_deficit(storage):
    assert plain_rule(np.array([-2.0]), storage, np.array([1.0]), 1.0) == 2.0
    assert plain_rule(np.array([2.0]), storage, np.array([4.0]), 1.0) == -2.0
    assert plain_rule(np.array([2.0]), storage, np.array([0.0]), 1.0) == 0.0


def test_balancer_holds_energy_that_is_worth_more_later(storage):
    assert _power(storage, 2.0, 0.5, 4.0) == pytest.approx(2.5298, abs=1e-3)  # even buys: 0.3 / 0.95 < 0.5
    assert _power(storage, 2.0, 0.3, 4.0) == pytest.approx(0.0)  # 0.3 * 0.95 < 0.3 < 0.3 / 0.95
    assert _power(storage, 2.0, 0.2, 4.0) == pytest.approx(-2.0)


def test_balancer_exports_from_store_only_when_feed_in_beats_the_value(storage):
    assert _power(storage, -1.0, 0.01, 6.0) == pytest.approx(-5.0)
    assert _power(storage, -1.0, 0.2, 1.0) == pytest.approx(1.0)


def test_balancer_acts_at_once_when_value_equals_price(storage):
    root = 0.9**0.5
    assert _power(storage, 2.0, 0.3 * root, 4.0) == pytest.approx(-2.0)
    assert _power(storage, -2.0, 0.08 / root, 1.0) == pytest.approx(2.0)
    assert _power(storage, 0.0, 0.3 / root, 1.0) == pytest.approx(0.0)  # buying for store may as well wait


def test_balancer_discharges_only_down_to_the_energy_that_is_worth_keeping(storage):
    value = np.where(np.arange(CELLS) < CELLS // 2, 0.5, 0.1)[None]
    power = _power(storage, 5.0, value, 4.0, buy=0.3)
    assert 4.0 + storage.stored_kwh(np.array([power]), 1.0)[0] == pytest.approx(3.2, abs=0.07)


def test_balancer_shaves_above_the_ceiling_what_it_would_otherwise_keep(storage):
    assert _power(storage, 4.0, 0.31, 5.0, ceiling=2.5) == pytest.approx(-1.5)
    assert _power(storage, 1.0, 0.6, 1.0, ceiling=2.5) == pytest.approx(1.5)  # charges up to the ceiling only


@settings(max_examples=300, deadline=None)
@given(
    net=st.floats(-100, 100),
    values=st.lists(st.floats(-1, 5), min_size=CELLS, max_size=CELLS),
    fill=st.floats(0, 1),
    buy=st.floats(-1, 2),
    sell=st.floats(-1, 2),
    ceiling=st.floats(0, 50),
    hours=st.sampled_from([1 / 60, 0.25, 1.0]),
)
def test_balancer_never_leaves_a_limit_whatever_it_is_told(net, values, fill, buy, sell, ceiling, hours):
    storage = Storage.behind([[Battery(6.0, 3.0, 4.0, 0.9, 0.95, 0.02)]])
    value = np.sort(np.array(values))[::-1][None]
    power = _power(storage, net, value, 6.0 * fill, buy=buy, sell=sell, ceiling=ceiling, hours=hours)
    after = 6.0 * fill + storage.stored_kwh(np.array([power]), hours)[0]
    assert -4.0 - 1e-9 <= power <= 3.0 + 1e-9
    assert -1e-9 <= after <= 6.0 + 1e-9


@settings(max_examples=60, deadline=None)
@given(net=st.floats(-8, 8), level=st.floats(0, 0.7), fill=st.floats(0, 1), buy=st.floats(0.1, 0.6))
def test_balancer_is_the_best_of_all_powers(net, level, fill, buy):
    """Against a search over a fine grid of powers for the same price and value."""
    storage = Storage.behind([[Battery(6.4, 5.0, 5.0, 0.95, 0.95)]])
    value = np.linspace(level + 0.1, level - 0.1, CELLS)[None]
    energy = np.array([6.4 * fill])

    def cost(power):
        grid = net + power
        after = energy[0] + storage.stored_kwh(np.array([power]), 1.0)[0]
        cells = np.clip(after / 6.4 * CELLS - np.arange(CELLS), 0, 1)
        return max(grid, 0) * buy - max(-grid, 0) * 0.08 - (cells * value[0]).sum() * 6.4 / CELLS

    least, most = (storage.within_limits(np.array([bound]), energy, 1.0)[0] for bound in (-9.0, 9.0))
    best = min(cost(power) for power in np.linspace(least, most, 801))
    assert cost(_power(storage, net, value, energy[0], buy=buy)) <= best + 1e-3


def random_steps(meters, steps):
    """Drives random batteries with random values, prices and ceilings; the worst excess over any limit, kW or kWh."""
    rng = np.random.default_rng(11)
    storage = Storage(
        rng.uniform(0, 20, meters),
        rng.uniform(0, 10, meters),
        rng.uniform(0, 10, meters),
        rng.uniform(0.7, 1, meters),
        rng.uniform(0.7, 1, meters),
        rng.uniform(0, 0.1, meters),
    )
    energy, worst = storage.capacity_kwh * rng.random(meters), 0.0
    for _ in range(steps):
        value = np.sort(rng.normal(0.2, 0.3, (meters, CELLS)))[:, ::-1]
        over = np.sort(rng.uniform(0, 3, (2, meters, 1)), axis=0)
        prices = Prices(rng.normal(0.2, 0.2, (meters, 1)), rng.normal(0.1, 0.2, (meters, 1)), over)
        ceilings = np.sort(rng.uniform(0, 15, (2, meters)), axis=0)
        hours = rng.choice([1 / 3600, 1 / 60, 0.25, 0.5, 1.0])
        power = follow_value(rng.normal(0, 12, meters), prices, ceilings, value, storage, energy, hours)
        energy = energy + storage.stored_kwh(power, hours)
        excess = (power - storage.charge_kw, -storage.discharge_kw - power, -energy, energy - storage.capacity_kwh)
        worst = max(worst, *(float(part.max()) for part in excess))
        assert np.isfinite(power).all()
    return worst


def test_balancer_keeps_every_limit_in_a_hundred_thousand_random_steps():
    assert random_steps(1000, 100) < 1e-9
