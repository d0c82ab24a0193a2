from fractions import Fraction

import numpy as np
import pytest

from energy.errors import ConfigError
from energy.quarters import QUARTER_MS
from energy.sharing.key import SharingKey
from energy.sharing.settlement import QUALITIES, Direction, Missing, QuarterReadings, settle_quarters

DAY = 96
WEEK = 7 * DAY


def readings(withdrawals, injections, *, points=None):
    """Columns of Wh by point; None is unknown."""
    rows = len(withdrawals[0])
    known = [
        np.array([[value is not None for value in column] for column in side]).T for side in (withdrawals, injections)
    ]
    values = [
        np.array([[value or 0 for value in column] for column in side], dtype=np.int64).T
        for side in (withdrawals, injections)
    ]
    return QuarterReadings(
        points=tuple(points or "abcdef"[: len(withdrawals)]),
        starts=np.arange(rows, dtype=np.int64) * QUARTER_MS,
        withdrawal=values[0],
        withdrawal_known=known[0],
        injection=values[1],
        injection_known=known[1],
    )


def key(**fields):
    return SharingKey.model_validate({"rounds": "prorata"} | fields)


def qualities(settlement, row):
    return [QUALITIES[code].value for code in settlement.quality[row]]


def test_settle_shares_each_quarter_hour_by_itself():
    """Nothing is carried over: quarter-hourly 5, where the hour's totals would allow 8."""
    settled = settle_quarters(key(), readings([[1, 3, 2, 2], [None] * 4], [[None] * 4, [4, 0, 2, 2]]))
    assert settled.received[:, 0].tolist() == [1, 0, 2, 2]
    assert settled.given[:, 1].tolist() == [1, 0, 2, 2]
    assert not settled.held.any()


def test_missing_withdrawal_of_a_receiver_holds_the_quarter_hour():
    settled = settle_quarters(key(), readings([[5, None], [5, 5], [None] * 2], [[None] * 2, [None] * 2, [4, 4]]))
    assert settled.held.tolist() == [False, True]
    assert settled.held_for == (Missing(1, 0, Direction.WITHDRAWAL),)
    assert settled.received.tolist() == [[2, 2, 0], [0, 0, 0]]


def test_missing_injection_of_a_producer_holds_the_quarter_hour():
    settled = settle_quarters(key(), readings([[5, 5], [None] * 2], [[None] * 2, [None, 4]]))
    assert settled.held_for == (Missing(0, 1, Direction.INJECTION),)


def test_listed_point_that_never_says_anything_holds_everything():
    settled = settle_quarters(
        key(participants={"a": {}, "b": {}}), readings([[5], [None], [None]], [[None], [None], [4]])
    )
    assert settled.held.all()
    assert settled.held_for == (Missing(0, 1, Direction.WITHDRAWAL),)


def test_unlisted_point_that_never_says_anything_holds_everything():
    settled = settle_quarters(key(participants={"a": {}}), readings([[5], [None], [None]], [[None], [4], [None]]))
    assert settled.held_for == (Missing(0, 2, Direction.INJECTION),)


def test_withdrawal_of_a_point_that_only_gives_need_not_be_known():
    settled = settle_quarters(key(participants={"a": {}}), readings([[5, 5], [1, None]], [[None] * 2, [4, 4]]))
    assert not settled.held.any()


@pytest.mark.parametrize("silent", [0, 2])
def test_point_that_falls_silent_at_either_end_holds_like_any_gap(silent):
    """A meter that died on the 20th is unknown from then on, not gone."""
    column = [5, 5, 5]
    column[silent] = None
    settled = settle_quarters(key(), readings([column, [5] * 3, [None] * 3], [[None] * 3, [None] * 3, [4] * 3]))
    assert settled.held.nonzero()[0].tolist() == [silent]


def test_point_outside_its_membership_is_no_part_and_counts_not_for_equal():
    """Two of three participants are members in the first quarter-hour: equal is one half, and nothing is held."""
    withdrawals = [[9, 9, 9], [9, 9, 9], [9, 9, None], [None] * 3]
    injections = [[None] * 3] * 3 + [[6, 6, 6]]
    membership = {"since": "1970-01-01T00:15:00Z", "until": "1970-01-01T00:30:00Z"}
    rules = key(rounds="equal", participants={"a": {}, "b": {}, "c": membership})
    settled = settle_quarters(rules, readings(withdrawals, injections))
    assert not settled.held.any()
    assert settled.received.tolist() == [[3, 3, 0, 0], [2, 2, 2, 0], [3, 3, 0, 0]]
    assert settled.takes_part[:, 2].tolist() == [False, True, False]


def test_producer_outside_its_membership_gives_nothing():
    rules = key(producers={"points": {"b": {"until": "1970-01-01T00:15:00Z"}}})
    settled = settle_quarters(rules, readings([[9, 9], [None] * 2], [[None] * 2, [6, 6]]))
    assert settled.given[:, 1].tolist() == [6, 0]


def test_zero_settles_without_the_missing_value_and_says_so():
    settled = settle_quarters(
        key(rounds="equal", on_missing="zero"),
        readings([[9, 9], [None, 9], [None] * 2], [[None] * 2, [None] * 2, [6, 6]]),
    )
    assert not settled.held.any()
    assert settled.received.tolist() == [[6, 0, 0], [3, 3, 0]]
    assert qualities(settled, 0) == ["estimated", "missing", "estimated"]
    assert qualities(settled, 1) == ["measured"] * 3
    assert settled.filled == (Missing(0, 1, Direction.WITHDRAWAL),)


@pytest.mark.parametrize(("rows", "expected"), [(WEEK + 1, 7), (DAY + 1, 3)])
def test_estimate_takes_withdrawal_from_the_week_before_else_the_day_before(rows, expected):
    column = [1] * rows
    column[-1] = None
    column[-1 - DAY] = 3
    if rows > WEEK:
        column[-1 - WEEK] = 7
    settled = settle_quarters(
        key(on_missing="estimate"), readings([column, [None] * rows], [[None] * rows, [100] * rows])
    )
    assert settled.received[-1, 0] == expected
    assert qualities(settled, -1) == ["estimated", "estimated"]
    assert qualities(settled, 0) == ["measured", "measured"]
    assert not settled.held.any()


def test_estimate_takes_injection_from_the_day_before_else_the_week_before():
    rows = WEEK + 1
    column = [1] * rows
    column[-1], column[-1 - DAY], column[-1 - WEEK] = None, 3, 7
    settled = settle_quarters(
        key(on_missing="estimate"), readings([[100] * rows, [None] * rows], [[None] * rows, column])
    )
    assert settled.given[-1, 1] == 3


def test_estimate_never_builds_on_an_estimate_and_holds_where_nothing_was_measured():
    rows = 3 * DAY
    column = [5] * rows
    column[DAY] = column[2 * DAY] = column[10] = None
    settled = settle_quarters(
        key(on_missing="estimate"), readings([column, [None] * rows], [[None] * rows, [100] * rows])
    )
    assert settled.held.nonzero()[0].tolist() == [10, 2 * DAY]
    assert [missing.row for missing in settled.held_for] == [10, 2 * DAY]
    assert [missing.row for missing in settled.filled] == [DAY]


def test_resolution_zero_settles_in_exact_rationals():
    whole = readings([[1], [1], [1], [None]], [[None], [None], [None], [1]])
    exact = QuarterReadings(
        points=whole.points,
        starts=whole.starts,
        withdrawal=np.array([[Fraction(int(value)) for value in row] for row in whole.withdrawal], dtype=object),
        withdrawal_known=whole.withdrawal_known,
        injection=np.array([[Fraction(int(value)) for value in row] for row in whole.injection], dtype=object),
        injection_known=whole.injection_known,
    )
    settled = settle_quarters(key(resolution_wh=0), exact)
    assert settled.received[0].tolist() == [Fraction(1, 3)] * 3 + [0]
    assert settled.given[0, 3] == 1


def test_key_that_names_a_point_without_readings_is_refused():
    with pytest.raises(ConfigError, match=r"participants\.z"):
        settle_quarters(key(participants={"z": {}}), readings([[1]], [[1]]))
