"""Small storages and series that the tests of dispatch share."""

import numpy as np
import pytest

from energy.dispatch.storage import Battery, Storage


@pytest.fixture
def battery():
    return Battery(6.4, 5.0, 5.0, 0.9**0.5, 0.9**0.5)


@pytest.fixture
def storage(battery):
    return Storage.behind([[battery]])


@pytest.fixture
def day():
    """(net load, import price, feed-in price) of 24 hours with sun at noon and a dear evening."""
    hours = np.arange(24)
    pv = np.maximum(0.0, 4.0 - 0.3 * (hours - 12) ** 2)
    load = 0.6 + 1.5 * ((hours >= 17) & (hours < 22))
    buy = np.where((hours >= 16) & (hours < 21), 0.5, 0.22)
    return load - pv, buy, np.full(24, 0.08)
