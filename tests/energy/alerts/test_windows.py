"""Minute buckets against the plain list of values."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.alerts.windows import Windows


def test_only_what_is_wanted_is_kept():
    windows = Windows()
    windows.want("hall", "power_w", 600)
    windows.add("hall", 1_000, {"power_w": 5.0, "voltage_l1_v": 230.0, "state": "on"})
    assert windows.last("hall", "voltage_l1_v", 600, 1_000) is None
    assert windows.last("school", "power_w", 600, 1_000) is None
    assert windows.last("hall", "power_w", 600, 1_000).mean == 5.0


def test_what_is_older_than_wanted_is_forgotten():
    windows = Windows()
    windows.want("hall", "power_w", 600)
    for minute in range(1_000):
        windows.add("hall", minute * 60_000, {"power_w": 1.0})
    assert len(windows._tracks["hall"][0].buckets) <= 12


def test_a_value_older_than_the_newest_changes_nothing():
    windows = Windows()
    windows.want("hall", "power_w", 600)
    for t in (60_000, 50_000, 60_000):
        windows.add("hall", t, {"power_w": t / 1000})
    assert windows.last("hall", "power_w", 600, 60_000).count == 1


@given(st.lists(st.tuples(st.integers(1, 200), st.floats(-1e4, 1e4)), min_size=1, max_size=60))
def test_last_agrees_with_the_list_of_values_to_a_minute(steps):
    windows, t, taken = Windows(), 0, []
    windows.want("hall", "power_w", 600)
    for seconds, value in steps:
        t += seconds * 1000
        taken.append((t, value))
        windows.add("hall", t, {"power_w": value})
    found = windows.last("hall", "power_w", 600, t)
    begin = next(
        at for at, _ in taken if any(at // 60_000 == other // 60_000 and other >= t - 600_000 for other, _ in taken)
    )
    within = [(at, value) for at, value in taken if at >= begin]
    assert found.count == len(within)
    assert (found.first, found.last) == (within[0][1], within[-1][1])
    assert found.mean == pytest.approx(sum(value for _, value in within) / len(within), abs=1e-6)
    assert found.rms == pytest.approx(math.sqrt(sum(v * v for _, v in within) / len(within)), abs=1e-6)
    gaps = [(b - a) / 1000 for (a, _), (b, _) in pairwise(within) if b // 60_000 != a // 60_000]
    assert found.longest_gap_s == pytest.approx(max([0, *gaps, (within[0][0] - (t - 600_000)) / 1000]))
