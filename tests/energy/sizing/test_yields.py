"""What a kWp yields: from PV that is there, a profile, or a clear sky."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.errors import DataError
from energy.sizing.yields import clear_sky_yield, like_another, production_of, scaled_to_year
from tests.energy.sizing.case import readings

YEAR = readings({"hall": [0] * 35_040}, {}).starts


def test_clear_sky_yields_what_a_year_is_told_to():
    found = clear_sky_yield(YEAR, 50.85, 4.35, 950)
    assert found.sum() == pytest.approx(950_000, rel=2e-3)
    noon, midnight = found.reshape(365, 96)[:, 46].sum(), found.reshape(365, 96)[:, 0].sum()
    assert noon > 10_000
    assert midnight == 0
    june, december = found.reshape(365, 96)[166].sum(), found.reshape(365, 96)[355].sum()
    assert 5 < june / december < 20


def test_part_of_a_year_has_that_part_of_the_yield():
    assert clear_sky_yield(YEAR[: 96 * 31], 50.85, 4.35, 950).sum() < 950_000 / 12


def test_another_plant_scales_by_its_power():
    found = like_another(np.array([500.0, np.nan]), 5)
    assert found[0] == 100
    assert np.isnan(found[1])
    with pytest.raises(DataError, match="0 kWp"):
        like_another(np.array([1.0]), 0)


def test_profile_of_a_year_takes_the_yield_told():
    assert scaled_to_year(np.ones(35_064), 900).sum() == pytest.approx(900_000)
    with pytest.raises(DataError, match="tells of 31 days"):
        scaled_to_year(np.ones(96 * 31), 900)
    with pytest.raises(DataError, match="0 kWh"):
        scaled_to_year(np.zeros(35_064), 900)


def test_polar_night_yields_nothing():
    assert clear_sky_yield(readings({"hall": [0] * 96}, {}).starts, 80, 0, 500).sum() == 0


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=50), st.floats(0, 1000))
def test_production_is_right_to_the_wh_over_any_time(yields, kwp):
    made = production_of(np.array(yields), kwp)
    exact = np.cumsum(np.array(yields) * kwp)
    assert (made >= 0).all()
    assert np.abs(np.cumsum(made) - exact).max() <= 1 + 1e-6 * exact[-1]
