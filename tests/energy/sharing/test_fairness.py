from fractions import Fraction

import pytest

from energy.sharing.fairness import PointTotals, fairness, gini, jain, ratio


def point(withdrawal, received, *, receives=True):
    return PointTotals("p", receives, withdrawal, 0, received, 0)


def test_jain_is_one_when_equal_and_one_nth_when_one_takes_all():
    assert jain([5, 5, 5]) == 1.0
    assert jain([0, 0, 9, 0]) == 0.25


def test_gini_is_zero_when_equal_and_near_one_when_one_takes_all():
    assert gini([5, 5, 5]) == 0.0
    assert gini([0, 0, 9, 0]) == 0.75


def test_gini_equals_its_definition_by_pairs():
    values = [Fraction(3, 7), Fraction(5), Fraction(0), Fraction(11, 3), Fraction(5)]
    pairs = sum(abs(a - b) for a in values for b in values)
    mean = sum(values) / len(values)
    assert gini(values) == pytest.approx(float(pairs / (2 * len(values) ** 2 * mean)))


@pytest.mark.parametrize("values", [[], [0, 0]])
def test_measures_of_nothing_are_none(values):
    assert (jain(values), gini(values), ratio(3, 0)) == (None, None, None)


def test_fairness_looks_at_receivers_that_withdrew_anything():
    measured = fairness([point(10, 5), point(20, 10), point(0, 0), point(9, 0, receives=False)])
    assert (measured.jain_coverage, measured.gini_coverage, measured.min_coverage) == (1.0, 0.0, 0.5)
    assert measured.jain_kwh == 0.9


def test_fairness_without_any_withdrawal_is_none():
    assert fairness([point(0, 0)]).min_coverage is None
