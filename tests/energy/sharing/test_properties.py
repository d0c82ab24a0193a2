"""What must hold for every key and every quarter-hour; the exact rule is the oracle of the fast one.

COMMONWATT_CASES=100000 makes every property try that many random cases.
"""

import os
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from energy.sharing.exact import QuarterHour, share_exact
from energy.sharing.key import Roster, SharingKey
from energy.sharing.whole import share_whole

CASES = int(os.environ.get("COMMONWATT_CASES", "0"))
MANY = settings(max_examples=CASES or 200, deadline=None)
SOME = settings(max_examples=CASES or 80, deadline=None)
FULL_USE = ["fixed-multi", "prorata", "hybrid", "priority"]
SYMMETRIC = ["fixed", "equal", *FULL_USE]

energies = st.one_of(st.just(0), st.integers(0, 12), st.integers(0, 40_000), st.integers(0, 10**11))


@st.composite
def rounds_of(draw):
    methods = draw(st.lists(st.sampled_from(["equal", "fixed", "prorata", "priority"]), min_size=1, max_size=3))
    split = draw(st.booleans())
    made = []
    for method in methods:
        round_ = {"method": method}
        if split:
            round_["share"] = f"1/{len(methods)}"
        if method in {"equal", "fixed"}:
            round_["max_rounds"] = draw(st.sampled_from([1, 1, 2, 3, 7, None]))
            round_["renormalise"] = draw(st.booleans())
        if method == "prorata":
            round_["basis"] = draw(st.sampled_from(["residual", "withdrawal", "withdrawal_of_all"]))
        made.append(round_)
    return made


@st.composite
def participants_of(draw, points, *, everybody=False):
    listed = points if everybody else draw(st.lists(st.sampled_from(points), min_size=1, unique=True))
    raw = [draw(st.integers(1 if everybody else 0, 7)) for _ in listed]
    spare = draw(st.integers(0, 2))
    whole = sum(raw) + spare or 1
    tiers = [draw(st.sampled_from([1, 2, 3, None])) for _ in listed]
    made = {
        point: {"weight": f"{own}/{whole}", "tier": tier} for point, own, tier in zip(listed, raw, tiers, strict=True)
    }
    if not everybody and draw(st.integers(0, 3)) == 0:
        for standing in made.values():
            standing["participation_pct"] = draw(st.sampled_from([1, 33, 50, 99, 100]))
    if not any(raw):
        made[listed[0]]["weight"] = 0.37
    return made


@st.composite
def cases(draw):
    """(key, points, rows of withdrawals, rows of injections), Wh; None is no value."""
    points = [f"p{n}" for n in range(draw(st.integers(1, 6)))]
    producers = draw(st.sampled_from(["prorata", "priority", "fixed"]))
    if producers == "fixed":
        producers = {"method": "fixed", "points": {points[0]: {"weight": "1/3"}, points[-1]: {"weight": 0.5}}}
    key = {"participants": draw(participants_of(points)), "rounds": draw(rounds_of()), "producers": producers}
    if not any(round_["method"] == "equal" for round_ in key["rounds"]) and (
        isinstance(producers, dict) or not any(round_["method"] == "fixed" for round_ in key["rounds"])
    ):
        key["two_sided"] = draw(st.booleans())
    number = draw(st.integers(1, 4))
    column = st.lists(st.one_of(st.none(), energies), min_size=len(points), max_size=len(points))
    rows = [draw(column) for _ in range(number)]
    injections = [draw(st.lists(energies, min_size=len(points), max_size=len(points))) for _ in range(number)]
    return SharingKey.model_validate(key), points, rows, injections


@st.composite
def plain_cases(draw, names):
    """(key dict, withdrawals, injection) with every participant listed and weighted and one producer beside them."""
    points = [f"p{n}" for n in range(draw(st.integers(1, 6)))]
    key = {
        "participants": draw(participants_of(points, everybody=True)),
        "rounds": draw(st.sampled_from(names)),
        "resolution_wh": 0,
    }
    withdrawals = draw(st.lists(energies, min_size=len(points), max_size=len(points)))
    return key, withdrawals, draw(energies)


def run(key, withdrawals, injection):
    """Exact Wh received, in the order of the key's participants."""
    points = [*key["participants"], "sun"]
    model = SharingKey.model_validate(key)
    quarter = QuarterHour((*map(Fraction, withdrawals), None), (*[None] * len(withdrawals), Fraction(injection)))
    shared = share_exact(model, Roster.of(model, points, [True] * len(points)), quarter)
    return list(shared.received[:-1])


def fast(key, points, rows, injections):
    roster = Roster.of(key, points, [True] * len(points))
    withdrawal = np.array([[value or 0 for value in row] for row in rows], dtype=np.int64)
    known = np.array([[value is not None for value in row] for row in rows])
    received, given_ = share_whole(key, roster, withdrawal, np.array(injections, dtype=np.int64), known)
    return received.tolist(), given_.tolist()


def exact(key, points, row, injection):
    roster = Roster.of(key, points, [True] * len(points))
    quarter = QuarterHour(
        tuple(None if value is None else Fraction(value) for value in row), tuple(map(Fraction, injection))
    )
    return share_exact(key, roster, quarter)


@MANY
@given(cases())
def test_fast_engine_agrees_with_the_exact_rule_to_the_wh(case):
    key, points, rows, injections = case
    received, given_ = fast(key, points, rows, injections)
    for place, (row, injection) in enumerate(zip(rows, injections, strict=True)):
        oracle = exact(key, points, row, injection)
        assert received[place] == list(oracle.received)
        assert given_[place] == list(oracle.given)


@MANY
@given(st.data(), st.sampled_from(["fixed", "fixed-multi", "hybrid"]))
def test_coefficients_by_quarter_hour_are_the_weights_of_each(data, rounds):
    """Both engines, each quarter-hour with weights of its own in millionths."""
    number = data.draw(st.integers(1, 5))
    points = [*(f"p{n}" for n in range(number)), "sun"]
    key = SharingKey.model_validate(
        {"participants": {point: {} for point in points[:-1]}, "rounds": rounds, "coefficients": "by_quarter"}
    )
    raw = [data.draw(st.lists(st.integers(0, 10**6), min_size=number, max_size=number)) for _ in range(3)]
    parts = np.array([[own * 10**6 // max(sum(row), 10**6) for own in row] + [0] for row in raw])
    rows = [[*data.draw(st.lists(energies, min_size=number, max_size=number)), None] for _ in raw]
    injected = [[0] * number + [data.draw(energies)] for _ in raw]
    withdrawal = np.array([[value or 0 for value in row] for row in rows])
    known = np.array([[value is not None for value in row] for row in rows])
    roster = Roster.of(key, points, [True] * number + [False])
    received, given_ = share_whole(key, roster, withdrawal, np.array(injected), known, None, parts)
    for n, row in enumerate(rows):
        quarter = QuarterHour(
            tuple(None if value is None else Fraction(value) for value in row), tuple(map(Fraction, injected[n]))
        )
        shared = share_exact(key, roster.weighing(parts[n].tolist()), quarter)
        assert (received[n].tolist(), given_[n].tolist()) == (list(shared.received), list(shared.given))


@MANY
@given(cases(), st.sampled_from([0, 1]))
def test_caps_and_sums_hold_and_nobody_receives_its_own(case, resolution):
    key, points, rows, injections = case
    key = key.model_copy(update={"resolution_wh": resolution})
    for row, injection in zip(rows, injections, strict=True):
        shared = exact(key, points, row, injection)
        total = sum(shared.received)
        assert total == sum(shared.given) <= sum(injection)
        listed = [point in key.participants for point in points]
        offered = Roster.of(key, points, [True] * len(points)).participation_pct
        for x, s, c, g, may, part in zip(shared.received, shared.given, row, injection, listed, offered, strict=True):
            assert 0 <= x * 100 <= (c or 0) * may * part
            assert 0 <= s * 100 <= g * part
            assert x + s <= total, "or some of it would have to be its own"


@SOME
@given(cases())
def test_every_kwh_can_be_carried_from_a_producer_to_somebody_else(case):
    """Maximum flow over 'everybody but yourself' carries all that is shared: an independent check of the limits."""
    key, points, rows, injections = case
    assume(max(map(max, injections)) < 2**31)
    received, given_ = fast(key, points, rows, injections)
    number = len(points)
    for x, s in zip(received, given_, strict=True):
        capacity = np.zeros((2 * number + 2, 2 * number + 2), dtype=np.int64)
        capacity[0, 1 : number + 1] = s
        capacity[number + 1 : 2 * number + 1, -1] = x
        capacity[1 : number + 1, number + 1 : 2 * number + 1] = (1 - np.eye(number, dtype=np.int64)) * (2**31 - 1)
        assume(capacity[0].sum() < 2**31)
        flow = maximum_flow(csr_array(capacity.astype(np.int32)), 0, 2 * number + 1)
        assert flow.flow_value == sum(x)


@MANY
@given(plain_cases(SYMMETRIC))
def test_whole_wh_are_less_than_one_off_the_exact_share(case):
    key, withdrawals, injection = case
    exactly = run(key, withdrawals, injection)
    rounded = run(key | {"resolution_wh": 1}, withdrawals, injection)
    assert all(abs(a - b) < 1 for a, b in zip(exactly, rounded, strict=True))


@SOME
@given(plain_cases(FULL_USE))
def test_keys_that_reassign_share_all_that_can_be_used(case):
    key, withdrawals, injection = case
    assert sum(run(key, withdrawals, injection)) == min(injection, sum(withdrawals))


@SOME
@given(plain_cases(SYMMETRIC), st.randoms())
def test_order_of_participants_changes_nothing(case, random):
    key, withdrawals, injection = case
    points = list(key["participants"])
    order = list(range(len(points)))
    random.shuffle(order)
    shuffled = key | {"participants": {points[n]: key["participants"][points[n]] for n in order}}
    before = run(key, withdrawals, injection)
    assert run(shuffled, [withdrawals[n] for n in order], injection) == [before[n] for n in order]


@SOME
@given(plain_cases(SYMMETRIC), st.integers(1, 10**6))
def test_more_injection_never_takes_from_anybody(case, more):
    key, withdrawals, injection = case
    less = run(key, withdrawals, injection)
    assert all(a <= b for a, b in zip(less, run(key, withdrawals, injection + more), strict=True))


@SOME
@given(plain_cases(SYMMETRIC), st.fractions(Fraction(1, 1000), 1000))
def test_scaling_all_energies_scales_all_shares(case, factor):
    key, withdrawals, injection = case
    scaled = run(key, [value * factor for value in withdrawals], injection * factor)
    assert scaled == [value * factor for value in run(key, withdrawals, injection)]


@SOME
@given(plain_cases(["prorata"]))
def test_who_consumes_nothing_changes_nothing_for_pro_rata(case):
    key, withdrawals, injection = case
    more = key | {"participants": key["participants"] | {"zz": {}}}
    assert run(more, [*withdrawals, 0], injection) == [*run(key, withdrawals, injection), 0]


@SOME
@given(cases())
def test_replay_and_other_quarter_hours_change_nothing(case):
    key, points, rows, injections = case
    once = fast(key, points, rows, injections)
    assert fast(key, points, rows, injections) == once
    alone = [fast(key, points, [row], [injection]) for row, injection in zip(rows, injections, strict=True)]
    assert ([received[0] for received, _ in alone], [given_[0] for _, given_ in alone]) == once


@pytest.mark.parametrize("weight", ["1/1000003", "0.123456789012"])
def test_numbers_beyond_64_bits_stay_exact(weight):
    """Weights with large denominators and terawatt-hours leave int64; the result is the oracle's all the same."""
    points = ["a", "b", "c"]
    key = SharingKey.model_validate(
        {"participants": {"a": {"weight": weight}, "b": {"weight": "1/999983"}, "c": {}}, "rounds": "hybrid"}
    )
    row, injection = [10**12, 10**12 - 1, 7], [3, 10**12 - 7, 10**11]
    received, given_ = fast(key, points, [row], [injection])
    oracle = exact(key, points, row, injection)
    assert received[0] == list(oracle.received)
    assert given_[0] == list(oracle.given)


@pytest.mark.parametrize("rounds", ["hybrid", "prorata", "fixed-multi", "priority"])
def test_many_fine_weights_leave_64_bits_and_stay_exact(rounds):
    """Three hundred participants with weights in millionths: products of 70 bits, which are divided apart."""
    random = np.random.default_rng(7)
    points = [f"p{n:03}" for n in range(300)]
    weights = random.integers(1, 3000, 300).tolist()
    people = {
        point: {"weight": f"{part}/1000000", "tier": 1 + n % 3}
        for n, (point, part) in enumerate(zip(points, weights, strict=True))
    }
    key = SharingKey.model_validate({"participants": people, "rounds": rounds})
    rows = random.integers(0, 30_000, (4, 300)).tolist()
    injections = (random.integers(0, 30_000, (4, 300)) * (random.random((4, 300)) < 0.2)).tolist()
    received, given_ = fast(key, points, rows, injections)
    for place, (row, injection) in enumerate(zip(rows, injections, strict=True)):
        oracle = exact(key, points, row, injection)
        assert received[place] == list(oracle.received)
        assert given_[place] == list(oracle.given)
