"""Runs both engines on one quarter-hour, or one after another on several."""

from fractions import Fraction

import numpy as np
import pytest

from energy.sharing.exact import QuarterHour, share_exact
from energy.sharing.key import Roster, SharingKey
from energy.sharing.whole import share_whole


class Sharing:
    """One quarter-hour: points and their Wh, in order; None is no value."""

    def __init__(self, key, withdrawals, injections, points=None):
        self.key = SharingKey.model_validate(key)
        self.points = points or [f"p{n:02}" for n in range(len(withdrawals))]
        self.quarter = QuarterHour(_exact(withdrawals), _exact(injections))
        self.roster = Roster.of(self.key, self.points, [value is not None for value in withdrawals])

    def exactly(self):
        """(received, given) as Fractions at the key's resolution."""
        shared = share_exact(self.key, self.roster, self.quarter)
        return list(shared.received), list(shared.given)

    def fast(self):
        """(received, given) in whole Wh by the vectorised engine."""
        withdrawal, injection = (
            np.array([[int(value or 0) for value in values]], dtype=np.int64)
            for values in (self.quarter.withdrawals, self.quarter.injections)
        )
        known = np.array([[value is not None for value in self.quarter.withdrawals]])
        received, given = share_whole(self.key, self.roster, withdrawal, injection, known)
        return received[0].tolist(), given[0].tolist()


def _exact(values):
    return tuple(None if value is None else Fraction(value) for value in values)


@pytest.fixture
def sharing():
    """The class that runs both engines."""
    return Sharing


@pytest.fixture
def receive():
    """receive(key, withdrawals_kwh, injection_kwh): kWh received by each, exactly, with one pure producer beside them."""

    def run(rounds, withdrawals, injection, participants=None, resolution_wh=0):
        names = [f"p{n:02}" for n in range(len(withdrawals))]
        listed = dict(zip(names, participants, strict=True)) if participants else {name: {} for name in names}
        key = {"participants": listed, "rounds": rounds, "resolution_wh": resolution_wh}
        wh = [Fraction(str(value)) * 1000 for value in withdrawals]
        case = Sharing(key, [*wh, None], [None] * len(wh) + [Fraction(str(injection)) * 1000], [*names, "sun"])
        received, given = case.exactly()
        assert sum(received) == sum(given) == given[-1]
        return [value / 1000 for value in received[:-1]]

    return run
