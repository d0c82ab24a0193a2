"""Coefficients by producer and consumer: a worked case, both engines alike, and what always holds."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.errors import ConfigError
from energy.quarters import QUARTER_MS
from energy.sharing.key import SharingKey
from energy.sharing.settlement import QuarterReadings, settle_quarters

POINTS = ("a", "b", "roof", "sun")


def key(**more):
    people = {"a": {}, "b": {}}
    return SharingKey.model_validate({"participants": people, "rounds": "fixed", "coefficients": "by_pair", **more})


def readings(withdrawals, injections, resolution_wh=1):
    """Rows of withdrawals of a and b and injections of roof and sun, Wh."""
    kind = np.int64 if resolution_wh else object
    made = (lambda value: value) if resolution_wh else Fraction
    withdrawal = np.array([[made(each) for each in (*row, 0, 0)] for row in withdrawals], dtype=kind)
    injection = np.array([[made(each) for each in (0, 0, *row)] for row in injections], dtype=kind)
    receives = np.tile([True, True, False, False], (len(withdrawals), 1))
    starts = np.arange(len(withdrawals), dtype=np.int64) * QUARTER_MS
    return QuarterReadings(POINTS, starts, withdrawal, receives, injection, ~receives)


def pairs(roof, sun):
    """Millionths of roof's and sun's injection for a and b, in one quarter-hour."""
    return {2: np.array([[*roof, 0, 0]], dtype=np.int64), 3: np.array([[*sun, 0, 0]], dtype=np.int64)}


@pytest.mark.parametrize("resolution_wh", [0, 1])
def test_each_producer_is_divided_by_itself(resolution_wh):
    """Of the roof's 4 kWh a gets 50 and b 25 %, of the sun's 2 kWh b gets all; b uses 2.4 of 3 kWh, four fifths of each."""
    case = readings([(3000, 2400)], [(4000, 2000)], resolution_wh)
    settled = settle_quarters(key(resolution_wh=resolution_wh), case, pairs((500_000, 250_000), (0, 1_000_000)))
    assert settled.received.tolist() == [[2000, 2400, 0, 0]]
    assert settled.given.tolist() == [[0, 0, 2000 + 800, 1600]]


def test_unused_part_is_not_given_on():
    settled = settle_quarters(key(), readings([(100, 9000)], [(4000, 0)]), pairs((500_000, 500_000), (0, 0)))
    assert settled.received.tolist() == [[100, 2000, 0, 0]]


energies = st.integers(0, 10_000)
parts = st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)).map(lambda two: (two[0], min(two[1], 10**6 - two[0])))


@settings(deadline=None)
@given(st.tuples(energies, energies), st.tuples(energies, energies), parts, parts)
def test_limits_hold_and_both_engines_agree(withdrawn, injected, roof, sun):
    whole = settle_quarters(key(), readings([withdrawn], [injected]), pairs(roof, sun))
    exact = settle_quarters(key(resolution_wh=0), readings([withdrawn], [injected], 0), pairs(roof, sun))
    received, given_away = whole.received[0].tolist(), whole.given[0].tolist()
    assert all(0 <= got <= withdrew for got, withdrew in zip(received, withdrawn, strict=False))
    assert all(0 <= gave <= had for gave, had in zip(given_away[2:], injected, strict=True))
    assert sum(received) == sum(given_away)
    assert sum(exact.received[0]) == sum(exact.given[0])
    for ours, reference, off in ((received, exact.received[0], 1), (given_away, exact.given[0], 2)):
        assert all(
            abs(one - other) < off for one, other in zip(ours, reference, strict=True)
        )  # 2: the total is off, too
    rounded = settle_quarters(key(), readings([withdrawn], [injected]), pairs(roof, sun))
    assert (rounded.received == whole.received).all()


@settings(deadline=None)
@given(st.tuples(energies, energies), st.tuples(energies, energies), parts, parts)
def test_whole_engine_is_the_exact_rule_rounded(withdrawn, injected, roof, sun):
    from energy.sharing.exact import share_pairs
    from energy.sharing.settlement import quarter_hour

    case = readings([withdrawn], [injected])
    whole = settle_quarters(key(), case, pairs(roof, sun))
    reference = share_pairs(
        key(), whole.roster, quarter_hour(case, 0), {own: grid[0].tolist() for own, grid in pairs(roof, sun).items()}
    )
    assert whole.received[0].tolist() == list(reference.received)
    assert whole.given[0].tolist() == list(reference.given)


@settings(deadline=None)
@given(st.tuples(energies, energies), st.tuples(energies, energies), parts)
def test_alike_for_all_producers_they_are_coefficients_by_quarter(withdrawn, injected, alike):
    """Where every producer is divided alike, each consumer gets what the pooled key gives it."""
    case = readings([withdrawn], [injected])
    pooled = key(coefficients="by_quarter")
    by_quarter = settle_quarters(pooled, case, np.array([[*alike, 0, 0]], dtype=np.int64))
    assert settle_quarters(key(), case, pairs(alike, alike)).received.tolist() == by_quarter.received.tolist()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"rounds": "hybrid"}, "one fixed round"),
        ({"rounds": "fixed-multi"}, "one fixed round"),
        ({"rounds": "prorata"}, "need a fixed round"),
        ({"producers": "priority"}, "leave out the producers"),
        ({"participants": {"a": {"weight": 1}}}, "leave out the participants' weights"),
        ({"two_sided": True}, "two-sided"),
    ],
)
def test_key_that_cannot_have_them_is_refused(more, told):
    with pytest.raises(ValueError, match=told):
        key(**more)


def test_key_and_coefficients_must_go_together():
    case = readings([(1, 1)], [(1, 1)])
    with pytest.raises(ConfigError, match="come with each quarter-hour"):
        settle_quarters(key(), case)
    with pytest.raises(ConfigError, match="are given by_pair, the key's are by_quarter"):
        settle_quarters(key(coefficients="by_quarter"), case, pairs((0, 0), (0, 0)))
    with pytest.raises(ConfigError, match="are given by_quarter, the key's are by_pair"):
        settle_quarters(key(), case, np.zeros((1, 4), dtype=np.int64))
