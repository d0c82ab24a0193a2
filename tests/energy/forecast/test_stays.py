"""How long cars stay: chances from sessions that were alike."""

import numpy as np
import pytest

from energy.forecast.stays import Stays


def _staying(stays, clock=9.0, declared=4.0, stayed=0.0, steps=8):
    return stays.staying(np.array([clock]), np.array([declared]), np.array([stayed]), 1.0, steps)[0]


def test_stays_without_past_spread_around_the_declared_stay():
    chance = _staying(Stays())
    assert chance[0] == 1.0
    assert (np.diff(chance) <= 0).all()
    assert 0.3 < chance[3] < 0.9


def test_stays_follow_what_like_sessions_did_not_what_is_declared():
    stays = Stays()
    for _ in range(300):
        stays.update(9.0, 4.0, 2.5)
        stays.update(20.0, 12.0, 12.0)
    assert _staying(stays)[:4] == pytest.approx([1.0, 1.0, 0.5, 0.0], abs=0.05)
    assert _staying(stays, clock=20.0, declared=12.0)[7] > 0.9
    assert _staying(stays, stayed=3.0).sum() > 1  # longer than all before: what was guessed still stands


def test_stays_that_declare_nothing_are_compared_with_their_like():
    stays = Stays()
    for _ in range(300):
        stays.update(9.0, np.nan, 1.0)
        stays.update(9.0, 6.0, 6.0)
    assert _staying(stays, declared=np.nan)[2] < 0.1
    assert _staying(stays, declared=6.0)[4] > 0.8
