"""How often each key may ask: one token bucket per name."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from runtime.clock import Clock

__all__ = ["RateLimit"]

_MAX_BUCKETS: Final = 10_000


class RateLimit:
    """Lets `burst` requests through at once and `per_s` a second in the long run; `per_s` 0 lets all through."""

    def __init__(self, per_s: float, burst: int, clock: Clock) -> None:
        self._per_s = per_s
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # name -> (tokens, at)

    def take(self, name: str) -> float:
        """Takes one token of `name`: 0 when it may go on, else the seconds until it may ask again."""
        if self._per_s <= 0:
            return 0.0
        now = self._clock.monotonic()
        tokens, at = self._buckets.pop(name, (float(self._burst), now))
        tokens = min(float(self._burst), tokens + (now - at) * self._per_s)
        wait_s = 0.0 if tokens >= 1 else (1 - tokens) / self._per_s
        self._buckets[name] = (tokens if wait_s else tokens - 1, now)
        if len(self._buckets) > _MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return wait_s
