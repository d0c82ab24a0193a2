"""What a running community's forecast is asked and answers, as messages between processes. Needs no numpy."""

from __future__ import annotations

from typing import Final

import msgspec

__all__ = ["Accuracy", "Ahead", "AheadRequest", "Band"]

_FEWEST_DAYS: Final = 1.0
_OLDEST_MS: Final = 6 * 3_600_000


class AheadRequest(msgspec.Struct, frozen=True):
    """Mean powers of the quarter-hours before `t` (ms UTC, start of a quarter-hour), oldest first, W; None: unknown.

    `place` is latitude and longitude, None: not known. `irradiance_wm2`, `temperature_c`: as a weather feed told, for those
    quarter-hours and the coming ones; empty: no feed.
    """

    t: int
    timezone: str
    pv_w: list[float | None]
    consumption_w: list[float | None]
    place: tuple[float, float] | None = None
    horizon: int = 144
    irradiance_wm2: list[float | None] = msgspec.field(default_factory=list)
    temperature_c: list[float | None] = msgspec.field(default_factory=list)


class Band(msgspec.Struct, frozen=True):
    """Expected power per quarter-hour, and what it will be above and below of with 90 % each, W."""

    low_w: list[float]
    expected_w: list[float]
    high_w: list[float]


class Accuracy(msgspec.Struct, frozen=True):
    """Mean absolute errors over the past, W; None: not known yet. `yesterday`: had yesterday's value been told."""

    hour_ahead_w: float | None
    day_ahead_w: float | None
    yesterday_w: float | None
    mean_w: float | None
    in_band_day_ahead: float | None


class Ahead(msgspec.Struct, frozen=True):
    """Forecasts from `t` on. `known_days`: how much of the past is known, 0: there is nothing to forecast from."""

    t: int
    known_days: float
    newest: int | None
    pv: Band | None
    consumption: Band | None
    surplus: Band | None
    accuracy: dict[str, Accuracy]

    @property
    def advisable(self) -> bool:
        """Whether a day of the past is known, and the newest of it is no older than six hours: else no advice is given."""
        return self.newest is not None and self.known_days >= _FEWEST_DAYS and self.t - self.newest <= _OLDEST_MS
