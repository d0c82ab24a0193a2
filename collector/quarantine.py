"""Keeps what was set aside for a person to look at, beside the stream and never in its way."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Final

from collector.intake import Refused
from runtime.clock import Clock
from runtime.outage import Outage
from storage.register import Register

__all__ = ["Quarantine"]

log = logging.getLogger(__name__)

_WAITING: Final = 1_000  # a flood of rubbish is counted, not kept


class Quarantine:
    """Writes refused messages to the register, as fast as that goes; the oldest waiting ones give way."""

    def __init__(self, register: Register, clock: Clock) -> None:
        self._register = register
        self._clock = clock
        self._waiting: deque[tuple[int, Refused]] = deque(maxlen=_WAITING)
        self._some = asyncio.Event()
        self._told: set[str] = set()
        self._outage = Outage(log, "the register does not take what was set aside, it is only counted: %s")

    def add(self, refused: Sequence[Refused]) -> None:
        """Sets these aside; the first of each gateway is logged as well."""
        now_ms = self._clock.now_ms()
        self._waiting.extend((now_ms, item) for item in refused)
        self._some.set()
        for item in refused:
            if item.gateway not in self._told and len(self._told) < _WAITING:
                self._told.add(item.gateway)
                log.warning("set aside from %s: %s; later ones only in the quarantine", item.topic, item.reason)

    async def run(self) -> None:
        """Writes what waits, until cancelled."""
        while True:
            await self._some.wait()
            await self.flush()

    async def flush(self) -> None:
        """Writes what waits now."""
        self._some.clear()
        while self._waiting:
            chunk = [self._waiting.popleft() for _ in range(min(100, len(self._waiting)))]
            with self._outage:
                await asyncio.to_thread(self._write, chunk)

    def _write(self, chunk: list[tuple[int, Refused]]) -> None:
        for t, item in chunk:
            self._register.quarantine(item.topic, item.payload, item.reason, t, item.gateway)
