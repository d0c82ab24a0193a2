"""Noise: bounded, smooth, and the same whoever asks first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simulator.noise import seed_of, smooth, smooth_2d, uniform

coordinates = st.floats(-1e6, 1e6)


@given(st.integers(0, 2**32 - 1), st.integers(-(10**9), 10**9), st.integers(-(10**6), 10**6))
def test_uniform_lies_in_the_unit_interval(seed: int, i: int, j: int) -> None:
    assert 0.0 <= uniform(seed, i, j) < 1.0


@given(st.integers(0, 2**32 - 1), coordinates, coordinates)
def test_noise_changes_little_over_a_thousandth_of_a_cell(seed: int, x: float, y: float) -> None:
    assert abs(smooth(seed, x + 1e-3) - smooth(seed, x)) < 2e-3
    assert abs(smooth_2d(seed, x + 1e-3, y) - smooth_2d(seed, x, y)) < 2e-3


def test_uniform_is_spread_evenly() -> None:
    values = [uniform(seed_of(1, "spread"), i) for i in range(10_000)]
    assert all(900 < sum(low <= 10 * value < low + 1 for value in values) < 1100 for low in range(10))


def test_seed_of_tells_names_and_worlds_apart() -> None:
    assert len({seed_of(1, "a"), seed_of(1, "b"), seed_of(2, "a")}) == 3
