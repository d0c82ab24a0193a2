"""What buildings usually use at night, once an hour from the store, for the rules that compare a night with earlier ones."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import time
from typing import Final

from energy.alerts.nights import NIGHTS, usual_w
from energy.alerts.rules import QuietLoad
from energy.community import Community
from runtime.clock import Clock
from runtime.outage import Outage
from storage.history import History

__all__ = ["NightJob", "Nights"]

log = logging.getLogger(__name__)

Nights = dict[tuple[str, time, time], float]
"""W by site, begin and end of the night."""

_EVERY_S: Final = 3600.0
_DAY_MS: Final = 86_400_000


class NightJob:
    """`run` is a task of the collector; `on_nights` is told what is usual."""

    def __init__(
        self, communities: Iterable[Community], history: History, clock: Clock, on_nights: Callable[[Nights], None]
    ) -> None:
        self._wanted = [
            (community, rule)
            for community in communities
            for rule in community.rules
            if isinstance(rule, QuietLoad) and rule.per == "usual"
        ]
        self._history = history
        self._clock = clock
        self._on_nights = on_nights
        self._outage = Outage(log, "what nights are usually like is not known: %s")

    async def run(self) -> None:
        """Looks until cancelled."""
        while self._wanted:
            with self._outage:
                self._on_nights(await asyncio.to_thread(self.look))
            await self._clock.sleep(_EVERY_S * self._clock.speed)

    def look(self) -> Nights:
        """Blocks. Raises StoreError."""
        now_ms = self._clock.now_ms()
        found: Nights = {}
        for community, rule in self._wanted:
            for site in community.sites:
                rows = self._history.site_quarters([site.id], now_ms - (NIGHTS + 1) * _DAY_MS, now_ms)
                used = ((row.start, row.consumption_wh) for row in rows)
                usual = usual_w(used, rule.begin, rule.end, community.timezone, now_ms)
                if usual is not None:
                    found[site.id, rule.begin, rule.end] = usual
        return found
