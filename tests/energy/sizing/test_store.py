"""A battery over a year in whole Wh: within its limits, nothing free, and the same as the production rule."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.dispatch.balancer import plain_rule
from energy.dispatch.storage import Battery, Storage
from energy.errors import RefusedError
from energy.sizing.store import Store, run_store

WISHES = st.lists(st.integers(-50_000, 50_000), min_size=1, max_size=60).map(
    lambda values: np.array(values, dtype=np.int64)
)
STORES = st.builds(Store, st.integers(0, 100_000), st.integers(0, 200_000), st.floats(0.05, 1))


def test_store_takes_what_fits_and_gives_what_it_has():
    course = run_store(Store(1000, 2000, 1.0), np.array([800, 800, -300, -900, -100]))
    assert course.charged.tolist() == [500, 500, 0, 0, 0]
    assert course.discharged.tolist() == [0, 0, 300, 500, 100]
    assert course.stored.tolist() == [500, 1000, 700, 200, 100]


def test_store_loses_the_root_each_way():
    course = run_store(Store(1000, 4000, 0.81), np.array([1000, -1000]))
    assert (course.charged.tolist(), course.stored.tolist()) == ([1000, 0], [900, 0])
    assert course.discharged.tolist() == [0, 810]
    assert course.losses_wh == 190


@given(STORES, WISHES)
def test_store_never_leaves_its_limits_and_nothing_is_free(store, wish):
    course = run_store(store, wish)
    assert (course.stored >= 0).all()
    assert (course.stored <= store.capacity_wh).all()
    assert (course.charged <= np.minimum(np.maximum(wish, 0), store.power_w // 4)).all()
    assert (course.discharged <= np.minimum(np.maximum(-wish, 0), store.power_w // 4)).all()
    assert min(course.charged.min(), course.discharged.min()) >= 0
    change = np.diff(course.stored, prepend=0)
    each_way = store.efficiency**0.5
    assert (np.maximum(change, 0) <= course.charged * each_way + 1e-5).all()
    assert (course.discharged <= np.maximum(-change, 0) * each_way + 1e-5).all()
    assert course.losses_wh >= 0


@given(STORES, WISHES)
def test_store_does_what_the_production_rule_does(store, wish):
    """To the Wh that each quarter-hour's rounding costs."""
    each_way = store.efficiency**0.5
    kw = store.power_w // 4 * 4 / 1000
    storage = Storage.behind([[Battery(store.capacity_wh / 1000, kw, kw, each_way, each_way)]])
    energy, expected = np.zeros(1), []
    for wanted in wish:
        power = plain_rule(np.array([-wanted * 4 / 1000]), storage, energy, 0.25)
        energy = energy + storage.stored_kwh(power, 0.25)
        expected.append(energy[0] * 1000)
    assert np.abs(run_store(store, wish).stored - expected).max() <= 2 * wish.size


@given(WISHES, st.integers(0, 50_000), st.integers(0, 50_000), st.floats(0.05, 1))
def test_larger_store_gives_no_less(wish, capacity, more, efficiency):
    small, large = (
        run_store(Store(size, 4 * size, efficiency), wish).discharged.sum() for size in (capacity, capacity + more)
    )
    assert large >= small - 2 * wish.size


def test_store_that_cannot_be_is_refused():
    with pytest.raises(RefusedError, match="negative"):
        Store(-1, 0, 1.0)
    with pytest.raises(RefusedError, match="efficiency"):
        Store(1, 1, 1.2)
