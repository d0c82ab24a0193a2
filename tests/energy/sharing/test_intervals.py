"""Readings by half-hours and hours: how they are known, and what a key for them does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.errors import ConfigError
from energy.quarters import QUARTER_MS
from energy.sharing.intervals import INTERVALS_MS, interval_name, longer_interval
from energy.sharing.key import SharingKey
from energy.sharing.settlement import QuarterReadings, settle_quarters

HOUR = 4 * QUARTER_MS


def found(rows, first=0, interval_ms=QUARTER_MS, number=60):
    starts = first + np.arange(number, dtype=np.int64) * interval_ms
    return longer_interval(starts, np.isin(np.arange(number), list(rows)), interval_ms)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (range(0, 60, 4), (HOUR, 0)),
        (range(0, 60, 2), (HOUR // 2, 0)),
        (range(4, 20, 4), (HOUR, 4)),
        ([0, 4, 8], None),  # two steps alone may be a coincidence
        (range(60), None),
        ([], None),
        (range(1, 60, 4), None),  # no hours of the clock
        ([*range(16), *range(16, 60, 4)], (HOUR, 16)),  # hours from some day on
        ([*range(16), *range(16, 40, 4), *range(40, 60)], None),  # a meter that was often silent for a while
        ([0, 4, 8, 12, 13], None),
        ([n for n in range(60) if n % 7], None),
    ],
)
def test_longer_interval_is_known_by_its_steps(rows, expected):
    assert found(rows) == expected


def test_hours_are_longer_than_half_hours():
    assert found(range(0, 60, 2), interval_ms=HOUR // 2) == (HOUR, 0)


@given(st.sets(st.integers(0, 199)))
def test_longer_interval_is_only_found_where_its_steps_are(rows):
    told = found(rows, number=200)
    if told is not None:
        step = told[0] // QUARTER_MS
        assert {told[1] + n * step for n in range(4)} <= rows
        assert not {told[1] + n for n in range(1, 3 * step) if n % step} & rows


def test_names_and_lengths_are_each_others():
    assert {name: interval_name(each) for name, each in INTERVALS_MS.items()} == {name: name for name in INTERVALS_MS}


def hours(withdrawals, injections, step=HOUR):
    values = np.array([withdrawals, [0] * len(injections)], dtype=np.int64).T
    given_away = np.array([[0] * len(injections), injections], dtype=np.int64).T
    known = values >= 0
    starts = np.arange(len(injections), dtype=np.int64) * step
    return QuarterReadings(("p", "sun"), starts, np.where(known, values, 0), known, given_away, np.ones_like(known))


def key(**more):
    return SharingKey.model_validate({"participants": {"p": {}}, "rounds": "prorata", "interval": "60min", **more})


def test_hour_shares_more_than_its_quarters():
    """The worked case of an hour: injection 4, 0, 2, 2 and withdrawal 1, 3, 2, 2 share 8 by the hour and 5 by quarters."""
    by_hour = settle_quarters(key(), hours([8000], [8000]))
    by_quarter = settle_quarters(
        key(interval="15min"), hours([1000, 3000, 2000, 2000], [4000, 0, 2000, 2000], step=QUARTER_MS)
    )
    assert (by_hour.received.sum(), by_quarter.received.sum()) == (8000, 5000)


def test_estimate_of_hours_looks_a_week_back_by_hours():
    withdrawals = [100 + n for n in range(7 * 24)] + [-1]
    settled = settle_quarters(key(on_missing="estimate"), hours(withdrawals, [10_000] * (7 * 24 + 1)))
    assert not settled.held.any()
    assert settled.received[-1, 0] == 100


def test_key_of_another_interval_than_the_readings_is_refused():
    with pytest.raises(ConfigError, match="is 60min, and the readings are by 15 minutes"):
        settle_quarters(key(), hours([1, 2], [1, 2], step=QUARTER_MS))
