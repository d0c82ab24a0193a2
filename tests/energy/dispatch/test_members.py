"""Bills: they add up, and nobody pays more than under the plain rule."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.dispatch.members import compensated_bills, pool_bills

BILLS = st.lists(st.floats(-100, 1000), min_size=4, max_size=4).map(np.array)
WEIGHTS = st.lists(st.floats(0, 50), min_size=4, max_size=4).map(np.array)


@given(alone=BILLS, weights=WEIGHTS, rule=st.floats(0, 2000), gain=st.floats(0, 500))
def test_pool_bills_add_up_and_a_cheaper_pool_is_cheaper_for_everybody(alone, weights, rule, gain):
    before, after = pool_bills(alone, weights, rule), pool_bills(alone, weights, rule - gain)
    assert after.sum() == pytest.approx(rule - gain, abs=1e-6)
    assert (after <= before + 1e-6).all()


@given(rule=BILLS, change=BILLS)
def test_compensated_bills_add_up_and_leave_nobody_worse_when_all_together_gain(rule, change):
    actual = rule + change
    bills = compensated_bills(rule, actual)
    assert bills.sum() == pytest.approx(actual.sum(), abs=1e-6)
    if actual.sum() <= rule.sum():
        assert (bills <= rule + 1e-6).all()
