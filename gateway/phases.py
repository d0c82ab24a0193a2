"""A charger between one phase and three: for how many a power is meant, when it may be switched, what it may draw until then."""

from __future__ import annotations

from typing import Final

from gateway.profile import Transform
from runtime.clock import Clock

__all__ = ["Phases", "wanted_phases"]

_THREE: Final = 3


def wanted_phases(transform: Transform, power_w: float) -> int | None:
    """One phase for what is too little on three; None: it pauses in any case, and switching would be for nothing."""
    assert transform.switch is not None
    assert transform.amperes_at_v is not None
    one_w = transform.switch.least_a * transform.amperes_at_v
    if power_w < one_w:
        return None
    return 1 if power_w < _THREE * one_w else _THREE


class Phases:
    """What one charger's phases were switched to and when; it outlives connections and leases.

    `most_w`: what it may take on three phases, W. Before the first command nothing is known of the time before, so that
    the pause begins with this gateway.
    """

    def __init__(self, clock: Clock, most_w: float | None) -> None:
        self.said = ""
        """What the last command's current has to do with phases, in words."""
        self._most_w = most_w
        self._clock = clock
        self._since_s = clock.monotonic()

    def switched(self) -> None:
        """It is being switched now."""
        self._since_s = self._clock.monotonic()

    def wait_s(self, pause_s: float) -> float:
        """Seconds until it may be switched again."""
        return max(0.0, self._since_s + pause_s - self._clock.monotonic())

    def current_a(self, transform: Transform, power_w: float, present: float) -> float:
        """The current per phase for `power_w` with `present` phases on.

        On three that should be one it is nothing; on one that should be three not more than each of the three would carry.
        """
        assert transform.switch is not None
        assert transform.amperes_at_v is not None
        wanted = wanted_phases(transform, power_w) or round(present)
        self.said = f"on {'one phase' if wanted == 1 else f'{wanted} phases'}"
        if present != wanted:
            wait_s = self.wait_s(transform.switch.pause_s)
            self.said = f"it waits {wait_s:.0f} s for {'one phase' if wanted == 1 else f'{wanted} phases'}"
            if present > wanted:
                return 0.0
        most_a = power_w if self._most_w is None else self._most_w / (_THREE * transform.amperes_at_v)
        return min(most_a, power_w / (transform.amperes_at_v * max(1, wanted)))
