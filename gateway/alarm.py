"""Wakes all who wait for one instant together: a bus each, hundreds of them, and one timer.

Besides the timers this saves system calls: devices asked in one go answer in one go.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

from runtime.clock import Clock

__all__ = ["Alarm"]

_SAME_S: Final = 0.005  # two who wait for one instant agree on how far away it is, unless the clock was set meanwhile


@dataclass(slots=True)
class _Bell:
    """`rings_at`: s monotonic."""

    rings_at: float
    rang: asyncio.Event = field(default_factory=asyncio.Event)


class Alarm:
    """Shared by those who wait for the same instants."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._bells: dict[int, _Bell] = {}

    async def wait(self, due_ms: int) -> None:
        """Returns at `due_ms` (ms UTC), or earlier: who waits looks at the clock again, as it must when that was set."""
        wait_s = (due_ms - self._clock.now_ms()) / 1000
        if wait_s <= 0:
            return
        rings_at = self._clock.monotonic() + wait_s
        bell = self._bells.get(due_ms)
        if bell is not None and abs(bell.rings_at - rings_at) <= _SAME_S * self._clock.speed:
            await bell.rang.wait()
            return
        self._bells[due_ms] = bell = _Bell(rings_at)
        try:
            await self._clock.sleep(wait_s)
        finally:  # who came first may be cancelled; the others then wait again, one of them with the timer
            bell.rang.set()
            if self._bells.get(due_ms) is bell:
                del self._bells[due_ms]
