"""Limits for new units, by the worked values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.buildings.epbd import dwelling_pec, limits, reference_pec, tertiary_pec
from energy.errors import DataError


@pytest.mark.parametrize(
    ("compactness", "volume", "expected"),
    [(1, 150, 71.7), (2, 192, 60.0), (3, 300, 52.5), (4, 300, 45.0), (6, 100, 58.8)],
)
def test_dwelling_primary_energy(compactness, volume, expected):
    assert dwelling_pec(compactness, volume) == pytest.approx(expected)


@pytest.mark.parametrize(("compactness", "expected"), [(2, 90.0), (4, 85.0), (6, 85.0)])
def test_office_primary_energy_stops_falling_at_compactness_four(compactness, expected):
    assert tertiary_pec(compactness) == expected


def test_office_without_the_cap():
    assert tertiary_pec(6, capped=False) == 80.0


def test_office_alternative_pays_for_its_heating_need():
    found = limits("tertiary", 2, nhr=22)
    assert (found.nhr, found.pec) == (22, pytest.approx(98.4))


def test_renewed_like_new_gets_a_fifth_more():
    found = limits("dwelling", 2, 192, as_new=True)
    assert (found.nhr, found.pec) == (18.0, 72.0)


def test_reference_unit_from_2017():
    assert reference_pec(150, 0.6) == pytest.approx(90)
    assert reference_pec(150, 0.9) == pytest.approx(135)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("dwelling", 2), "volume"),
        (("dwelling", 0, 192), "compactness"),
        (("dwelling", float("nan"), 192), "compactness"),
        (("dwelling", 2, -1), "volume"),
        (("tertiary", float("inf")), "compactness"),
    ],
)
def test_size_that_no_unit_has_is_refused(arguments, field):
    with pytest.raises(DataError) as error:
        limits(*arguments)
    assert error.value.field == field


def test_heating_need_below_the_limit_is_refused():
    with pytest.raises(DataError, match="15 to 500"):
        limits("tertiary", 2, nhr=10)


@given(st.floats(0.1, 20), st.floats(20, 5000))
def test_dwelling_limit_falls_with_compactness_and_volume(compactness, volume):
    here = dwelling_pec(compactness, volume)
    assert 45 <= dwelling_pec(compactness + 1, volume) <= here
    assert dwelling_pec(compactness, volume * 2) <= here
