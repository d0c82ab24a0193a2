"""Tasks that run once: beside every combination of starts, at their limits, and together with batteries."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.dispatch.program import MeterOutlook
from energy.dispatch.shifting import ShiftPlanner, Task, profile_kw
from energy.dispatch.storage import Battery, Storage
from energy.errors import RefusedError

NONE = Storage.behind([[]])


def _outlook(net, buy, sell=0.05, billed=0.0, stored=0.0):
    net = np.array(net, dtype=float)
    return MeterOutlook(net, np.broadcast_to(buy, net.shape), np.full(len(net), sell), billed, np.array([stored]))


def _start(tasks, outlook, storage=NONE, rate=0.0, hours=1.0):
    return ShiftPlanner(storage, len(outlook.net_kw), hours, rate).plan(tasks, outlook)


def _course(tasks, net, buy, storage=NONE):
    """Starts found by planning step after step with the true net load."""
    found, running = [None] * len(tasks), np.zeros(len(net) * 2)
    for step in range(len(net)):
        waiting = [number for number, task in enumerate(tasks) if found[number] is None and task.first <= step]
        known = [Task(tasks[number].power_kw, 0, tasks[number].last - step) for number in waiting]
        seen = np.append(net[step:], np.zeros(step)) + running[step : step + len(net)]
        price = np.append(buy[step:], np.full(step, buy[-1]))
        for number, now in zip(waiting, _start(known, _outlook(seen, price), storage).now, strict=True):
            if now:
                found[number] = step
                running[step : step + len(tasks[number].power_kw)] += tasks[number].power_kw
    return found


def _cost(tasks, starts, net, buy, sell=0.05):
    total = np.append(net, np.zeros(len(net)))
    for task, start in zip(tasks, starts, strict=True):
        total[start : start + len(task.power_kw)] += task.power_kw
    total = total[: len(net)]
    return float((np.maximum(total, 0) * buy - np.maximum(-total, 0) * sell).sum())


def test_task_waits_for_the_sun_and_starts_when_it_is_there():
    task = Task(np.array([2.0]), 0, 3)
    assert _start([task], _outlook([0, 0, -3, 0], 0.3)).now == (False,)
    assert _start([task], _outlook([-3, 0, -3, 0], 0.3)).now == (True,)


def test_task_at_its_last_start_starts_whatever_it_costs():
    assert _start([Task(np.array([2.0]), 0, 0)], _outlook([5, -3], [0.9, 0.1])).now == (True,)


def test_task_that_would_make_a_new_peak_waits_where_peaks_cost():
    task = Task(np.array([2.0]), 0, 2)
    outlook = _outlook([4, 1, 1], [0.29, 0.3, 0.3])
    assert _start([task], outlook).now == (True,)
    assert _start([task], outlook, rate=5.0).now == (False,)


def test_two_tasks_share_the_sun_one_after_the_other():
    tasks = [Task(np.array([2.0]), 0, 3), Task(np.array([2.0]), 0, 3)]
    assert _course(tasks, np.array([-2.0, -2.0, 1.0, 1.0]), np.full(4, 0.3)) in ([0, 1], [1, 0])


def test_battery_that_carries_the_sun_makes_waiting_needless():
    storage = Storage.behind([[Battery(5, 5, 5)]])
    plan = _start([Task(np.array([1.0]), 0, 3)], _outlook([0, 0, 0, 0], [0.2, 0.3, 0.3, 0.3], stored=3.0), storage)
    assert plan.now == (True,)


def test_waiting_task_is_expected_later_in_full():
    plan = _start([Task(np.array([1.0, 2.0]), 0, 2)], _outlook([1, 1, 1, 1], [0.3, 0.3, 0.1, 0.1]))
    assert plan.now == (False,)
    assert plan.waiting_kw == pytest.approx([0, 0, 1, 2], abs=1e-6)


def test_profile_keeps_its_energy_on_any_step():
    parts = [(20.0, 2000.0), (45.0, 150.0), (10.0, 1000.0)]
    for hours in (1 / 12, 0.25, 0.5, 1.0):
        assert profile_kw(parts, hours).sum() * hours == pytest.approx((40 + 6.75 + 10) / 60)
    assert profile_kw(parts, 0.25) == pytest.approx([2.0, (5 * 2 + 10 * 0.15) / 15, 0.15, 0.15, (5 * 0.15 + 10) / 15])


@pytest.mark.parametrize(("first", "last"), [(2, 1), (-1, 3)])
def test_task_without_a_start_is_refused(first, last):
    with pytest.raises(RefusedError, match="start"):
        Task(np.array([1.0]), first, last)


_kw = st.integers(-4, 4).map(float)


@given(
    net=st.lists(_kw, min_size=6, max_size=6),
    buy=st.lists(st.integers(-2, 50).map(lambda cents: cents / 100), min_size=6, max_size=6),
    powers=st.lists(st.lists(st.integers(0, 3).map(float), min_size=1, max_size=3), min_size=1, max_size=3),
    capacity=st.sampled_from([0.0, 2.0]),
    data=st.data(),
)
@settings(max_examples=40, deadline=None)
def test_every_task_runs_once_within_its_time_whatever_comes(net, buy, powers, capacity, data):
    tasks = []
    for power in powers:
        last = data.draw(st.integers(0, 6 - len(power)))
        tasks.append(Task(np.array(power), data.draw(st.integers(0, last)), last))
    storage = Storage.behind([[Battery(capacity, 1, 1, 0.9, 0.9)]])
    starts = _course(tasks, np.array(net), np.array(buy), storage)
    assert all(task.first <= start <= task.last for task, start in zip(tasks, starts, strict=True))


def test_starts_of_one_task_are_the_cheapest_there_are_and_of_two_nearly():
    rng = np.random.default_rng(11)
    excess = []
    for _ in range(20):
        net, buy = rng.uniform(-3, 3, 8), rng.uniform(0.1, 0.5, 8)
        for count in (1, 2):
            tasks = [Task(rng.uniform(0.5, 3, 2), 0, 6) for _ in range(count)]
            best = min(_cost(tasks, starts, net, buy) for starts in itertools.product(range(7), repeat=count))
            found = _cost(tasks, _course(tasks, net, buy), net, buy)
            if count == 1:
                assert found == pytest.approx(best, abs=1e-4)
            excess.append(found - best)
    assert np.mean(excess) < 0.01
