"""Forecasts of communities, made when somebody asks, once a quarter-hour (sooner while little is known), in a process of its own."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from starlette.concurrency import run_in_threadpool

from api.problems import Problem
from api.timeline.community import CommunityHistory, community_history
from energy.community import Community
from energy.errors import DataError
from energy.forecast.advice import Advice, advise
from energy.forecast.messages import Ahead, AheadRequest, Band
from energy.quarters import QUARTER_MS, quarter_start
from energy.tariff import prices
from energy.weather_feed import series_of
from runtime.child import ask_child
from runtime.clock import Clock
from storage.history import History
from storage.register import Register
from storage.register.forecast_weather import told_weather

__all__ = ["Forecasts", "Outlook"]

log = logging.getLogger(__name__)

_PAST_DAYS: Final = 42
_HORIZON: Final = 144
_DAY_MS: Final = 86_400_000
_WITHIN_S: Final = 120.0
_KEPT_MS: Final = 4 * QUARTER_MS  # an older forecast serves for so long when a new one fails
_RETRY_MS: Final = 60_000
_ENOUGH_DAYS: Final = 3.0  # with less its errors are not known, and what is stored or computed meanwhile changes much


@dataclass(frozen=True, slots=True)
class Outlook:
    """A forecast, the prices of its quarter-hours, and what is advised."""

    ahead: Ahead
    price_eur_kwh: list[float | None]
    advice: list[Advice]


@dataclass(slots=True)
class _Kept:
    """What is kept of a community: its last forecast, and when the next may be tried."""

    ahead: Ahead | None = None
    asked_at: int | None = None


class Forecasts:
    """`of` answers for a community. One forecast is made at a time: a centre has few cores."""

    def __init__(self, history: History, register: Register, clock: Clock) -> None:
        self._history = history
        self._register = register
        self._clock = clock
        self._kept: dict[str, _Kept] = defaultdict(_Kept)
        self._busy = asyncio.Lock()

    async def of(self, community: Community, planned_eur_kwh: dict[int, float]) -> Outlook:
        """The forecast from this quarter-hour on. `planned_eur_kwh`: prices by start, as far as a planner knows them.

        Raises Problem 503 when it cannot be made, StoreError.
        """
        ahead = await self._ahead(community)
        starts = [ahead.t + step * QUARTER_MS for step in range(_length(ahead))]
        price = _prices(community, starts, planned_eur_kwh)
        return Outlook(ahead, price, _advice(ahead, price))

    async def _ahead(self, community: Community) -> Ahead:
        kept = self._kept[community.id]
        async with self._busy:
            now = self._clock.now_ms()
            quarter = quarter_start(now)
            if kept.ahead is not None and kept.ahead.t == quarter and kept.ahead.known_days >= _ENOUGH_DAYS:
                return kept.ahead
            if kept.asked_at is None or now - kept.asked_at >= _RETRY_MS:
                kept.asked_at = now
                try:
                    kept.ahead = await self._made(community, quarter)
                except DataError as error:
                    log.warning("no forecast for %s: %s", community.id, error)
        if kept.ahead is None or quarter - kept.ahead.t > _KEPT_MS:
            raise Problem(
                503,
                "no_forecast",
                f"there is no forecast for {community.id} now",
                hint="try again in a minute; the log of the API says why",
                headers={"Retry-After": "60"},
            )
        return kept.ahead

    async def _made(self, community: Community, quarter: int) -> Ahead:
        past = await run_in_threadpool(self._past, community, quarter)
        told = await run_in_threadpool(self._weather, community, quarter - len(past.pv_w) * QUARTER_MS, quarter)
        place = community.middle
        request = AheadRequest(quarter, community.timezone, past.pv_w, past.consumption_w, place, _HORIZON, *told)
        return msgspec.json.decode(
            await ask_child("api.forecaster", msgspec.json.encode(request), _WITHIN_S), type=Ahead
        )

    def _weather(self, community: Community, first: int, quarter: int) -> tuple[list[float | None], list[float | None]]:
        """What the collector's weather feed told. Raises StoreError."""
        if community.weather is None:
            return [], []
        steps = (quarter - first) // QUARTER_MS + _HORIZON
        with self._register.database.read() as connection:
            told = told_weather(connection, community.id, first, first + steps * QUARTER_MS, self._clock.now_ms())
        return series_of(told, first, steps)

    def _past(self, community: Community, quarter: int) -> CommunityHistory:
        """From the first known quarter-hour of the last weeks on. Raises StoreError."""
        sites = [site.id for site in community.sites]
        past = community_history(sites, quarter - _PAST_DAYS * _DAY_MS, quarter, self._history)
        known = (place for place, value in enumerate(past.consumption_w) if value is not None)
        first = next(known, len(past.t))
        return CommunityHistory(pv_w=past.pv_w[first:], consumption_w=past.consumption_w[first:])


def _length(ahead: Ahead) -> int:
    return len(ahead.pv.expected_w) if ahead.pv is not None else 144


def _prices(community: Community, starts: Sequence[int], planned: dict[int, float]) -> list[float | None]:
    """As planned with, else by the tariff where no market is needed for it, else unknown."""
    tariff = community.tariff
    known: Sequence[float | None] = [None] * len(starts)
    if tariff.market is None and "tariff" in community.model_fields_set:
        known, _ = prices(tariff, starts, community.timezone, {})
    return [planned.get(start, value) for start, value in zip(starts, known, strict=True)]


def _advice(ahead: Ahead, price: Sequence[float | None]) -> list[Advice]:
    steps = _length(ahead)

    def series(band: Band | None, *, low: bool = False) -> Sequence[float | None]:
        if band is None or not ahead.advisable:
            return [None] * steps
        return band.low_w if low else band.expected_w

    return advise(ahead.t, series(ahead.pv), series(ahead.consumption), series(ahead.surplus, low=True), price)
