"""A community's weather feed: asked once an hour, kept in the register. A feed that is away stops nothing, and is said."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Final

from energy.community import Community
from energy.errors import CommonwattError, DataError
from energy.weather_feed import Told, parsed, question
from runtime.fetch import fetch
from storage.register import Register
from storage.register.forecast_weather import forget_weather, keep_weather, told_weather

__all__ = ["WeatherFeed"]

log = logging.getLogger(__name__)

_ASK_MS: Final = 3_600_000
_RETRY_MS: Final = 600_000
_KEPT_MS: Final = 60 * 86_400_000
_WITHIN_S: Final = 20.0


class WeatherFeed:
    """What is told of one community's place. `problem`: why it is not news; None: it is."""

    def __init__(self, community: Community, place: tuple[float, float], register: Register) -> None:
        assert community.weather is not None
        self.problem: str | None = None
        self._community = community.id
        self._settings = community.weather
        self._url = question(self._settings, place)
        self._register = register
        self._next_ms = 0

    async def refresh(self, now_ms: int) -> bool:
        """Asks when it is time; whether there is news. Never raises for what the feed does."""
        if now_ms < self._next_ms:
            return False
        self._next_ms = now_ms + _RETRY_MS
        before = self.problem
        try:
            await asyncio.to_thread(self._ask, now_ms)
        except CommonwattError as error:
            self.problem = error.message
            if before != self.problem:
                log.warning("weather feed of %s: %s; what is known goes on to count", self._community, self.problem)
            return False
        self.problem, self._next_ms = None, now_ms + _ASK_MS
        return True

    def told(self, start: int, end: int, now_ms: int) -> dict[int, Told]:
        """By start of quarter-hour. Blocks. Raises StoreError."""
        with self._register.database.read() as connection:
            return told_weather(connection, self._community, start, end, now_ms)

    def _ask(self, now_ms: int) -> None:
        """Raises DataError, StoreError."""
        body = fetch(self._url, _WITHIN_S)
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise DataError("it answered what is no JSON") from error
        told = parsed(answer)
        with self._register.database.write() as connection:
            keep_weather(connection, self._community, told, now_ms)
            forget_weather(connection, self._community, now_ms - _KEPT_MS)
