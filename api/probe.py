"""Whether the store answers, asked at most once a second however many want to know."""

from __future__ import annotations

import asyncio
from typing import Final

from energy.errors import StoreError
from runtime.clock import Clock
from storage.history import History

__all__ = ["StoreProbe"]

_FRESH_S: Final = 1.0
_TIMEOUT_S: Final = 3.0


class StoreProbe:
    """One check at a time: a store that hangs holds one thread, not one for each who asks."""

    def __init__(self, history: History, clock: Clock) -> None:
        self._history = history
        self._clock = clock
        self._check: asyncio.Task[bool] | None = None
        self._asked_at = 0.0

    async def answers(self) -> bool:
        """Whether the store answers now, or did within the last second. False when it takes more than three."""
        now = self._clock.monotonic()
        if self._check is None or (self._check.done() and now - self._asked_at > _FRESH_S):
            self._asked_at = now
            self._check = asyncio.create_task(self._ask(), name="api.store_check")
        done, _ = await asyncio.wait({self._check}, timeout=_TIMEOUT_S)
        return bool(done) and self._check.result()

    async def _ask(self) -> bool:
        try:
            await asyncio.to_thread(self._history.check)
        except StoreError:
            return False
        return True
