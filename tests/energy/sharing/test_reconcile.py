"""The reading of a key that an operator's own figures show."""

import numpy as np
import pytest

from energy.quarters import QUARTER_MS
from energy.sharing.key import SharingKey
from energy.sharing.reconcile import Allotted, fits, variants
from energy.sharing.settlement import QuarterReadings, settle_quarters

PEOPLE = {f"p{n}": {"weight": 0.25} for n in range(4)}


def key(rounds):
    return SharingKey.model_validate({"participants": PEOPLE, "rounds": rounds})


def month(rows=200):
    random = np.random.default_rng(4)
    withdrawal = random.integers(0, 4000, (rows, 5))
    withdrawal[:, 4] = 0
    injection = np.zeros_like(withdrawal)
    injection[:, 4] = random.integers(0, 12_000, rows)
    receives = np.tile(np.array([True] * 4 + [False]), (rows, 1))
    starts = np.arange(rows, dtype=np.int64) * QUARTER_MS
    return QuarterReadings((*PEOPLE, "sun"), starts, withdrawal, receives, injection, ~receives)


def allotted_by(rounds, readings):
    received = settle_quarters(key(rounds), readings).received
    return Allotted(received, np.ones(received.shape, dtype=bool))


@pytest.mark.parametrize(
    ("rounds", "name"),
    [
        ([{"method": "fixed", "max_rounds": 2}], "round 1 2 times"),
        ([{"method": "fixed", "max_rounds": 2, "renormalise": True}], "round 1 2 times, renormalised"),
        ("fixed", "as written"),
        ("fixed-multi", "round 1 until nothing moves"),
    ],
)
def test_number_of_rounds_is_found_in_the_operators_figures(rounds, name):
    readings = month()
    best = fits(key("fixed"), readings, allotted_by(rounds, readings))[0]
    assert (best.name, best.apart_wh, best.worst) == (name, 0, None)


def test_basis_of_a_hybrids_second_round_is_found():
    readings = month()
    theirs = [{"method": "fixed"}, {"method": "prorata", "basis": "withdrawal_of_all"}]
    best, second, *_ = fits(key("hybrid"), readings, allotted_by(theirs, readings))
    assert best.name == "round 2 pro rata of withdrawal_of_all"
    assert best.apart_wh == 0 < second.apart_wh
    assert second.quarters > 0


def test_single_wh_of_rounding_is_no_quarter_hour_apart():
    readings = month(8)
    theirs = allotted_by("prorata", readings)
    theirs.received[3, 0] += 1
    fit = next(fit for fit in fits(key("prorata"), readings, theirs) if fit.name == "as written")
    assert (fit.apart_wh, fit.largest_wh, fit.quarters, fit.compared, fit.worst) == (1, 1, 0, 8, (3, 0))


def test_what_the_operator_does_not_tell_is_not_compared():
    readings = month(8)
    theirs = allotted_by("prorata", readings)
    theirs.received[:4] = 10**6
    theirs.known[:4] = False
    fit = fits(key("prorata"), readings, theirs)[0]
    assert (fit.apart_wh, fit.compared) == (0, 4)


def test_variants_are_the_key_itself_and_each_other_reading_once():
    names = [name for name, _ in variants(key("hybrid"))]
    assert names[0] == "as written"
    assert len(names) == len(set(names))
    keys = [each.rounds for _, each in variants(key("hybrid"))]
    assert len(keys) == len(set(keys))
