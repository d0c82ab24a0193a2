"""Payback and net present value, against sums done by hand."""

import pytest

from energy.sizing.terms import Finance
from energy.sizing.worth import Part, Support, worth

BASE = {"valid_from": "2026-01-01", "source": "made up", "discount_rate": 0.05}


def finance(**other):
    return Finance.model_validate(BASE | other)


def test_worth_of_two_years():
    """-1000 + (600 - 100)/1.05 + (600 - 100)/1.1025."""
    found = worth(600, [Part(1000, 100, 2)], Support(), finance())
    assert found.npv_eur == pytest.approx(-1000 + 500 / 1.05 + 500 / 1.1025)
    assert found.payback_years == pytest.approx(2.0)
    assert found.years == 2


def test_part_that_ends_earlier_is_bought_again_and_its_rest_counts():
    """Six years beside a part of four: bought at 0 and after 4; half of the second is left after 6."""
    found = worth(0, [Part(0, 0, 6), Part(400, 0, 4)], Support(), finance())
    assert found.npv_eur == pytest.approx(-400 - 400 / 1.05**4 + 200 / 1.05**6)


def test_support_ends_and_gains_wear_and_grow():
    found = worth(100, [Part(0, 0, 3)], Support(50, 2), finance(discount_rate=0, wear=0.1, price_growth=0.2))
    gains = 100 * (1 + 0.9 * 1.2 + 0.81 * 1.44)
    assert found.npv_eur == pytest.approx(gains + 50 * (1 + 0.9))
    assert found.support_eur_year == 50


@pytest.mark.parametrize("gain", [-10, 0, 100])
def test_what_brings_nothing_never_pays_back(gain):
    assert worth(gain, [Part(1000, 100, 10)], Support(), finance()).payback_years is None


def test_nothing_bought_is_worth_nothing():
    found = worth(0, [], Support(), finance())
    assert (found.npv_eur, found.payback_years, found.years) == (0, None, 0)
