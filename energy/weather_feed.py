"""A feed of radiation and temperature to come: where it is asked, and what its answer says. Source: open-meteo.com/en/docs.

Radiation of an instant is the mean of the quarter-hour before it, so that it belongs to the one that ends there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Self
from urllib.parse import urlencode, urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from energy.errors import DataError
from energy.quarters import QUARTER_MS

__all__ = ["FeedSettings", "Told", "parsed", "question", "series_of"]

_HOSTS: Final = frozenset({"api.open-meteo.com"})
_NEAR: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_PAST_DAYS: Final = 42
_AHEAD_DAYS: Final = 3
_SERIES: Final = ("shortwave_radiation", "temperature_2m")
_IRRADIANCE_WM2: Final = (0.0, 1500.0)
_TEMPERATURE_C: Final = (-50.0, 60.0)
_MOST: Final = 20_000  # quarter-hours, more than half a year


class FeedSettings(BaseModel):
    """The `weather` part of a community."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: Literal["open_meteo"] = "open_meteo"
    url: str = "https://api.open-meteo.com/v1/forecast"
    hosts: tuple[str, ...] = Field(
        default=(), description="other hosts that may be asked, such as a server of your own"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        parts = urlsplit(self.url)
        if parts.hostname not in _HOSTS | set(self.hosts):
            raise ValueError(f"{parts.hostname} may not be asked; name it in `hosts` if it is meant")
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _NEAR):
            raise ValueError("a weather feed is asked over https")
        if parts.username or parts.query or parts.fragment:
            raise ValueError("url is an address without user, query and fragment")
        return self


@dataclass(frozen=True, slots=True)
class Told:
    """What a quarter-hour is told to be; None: not told."""

    irradiance_wm2: float | None
    temperature_c: float | None


def question(settings: FeedSettings, place: tuple[float, float]) -> str:
    """The address that answers for a place (latitude, longitude), rounded to a kilometre: nobody need know the roof."""
    asked = {
        "latitude": f"{place[0]:.2f}",
        "longitude": f"{place[1]:.2f}",
        "minutely_15": ",".join(_SERIES),
        "past_days": _PAST_DAYS,
        "forecast_days": _AHEAD_DAYS,
        "timeformat": "unixtime",
        "timezone": "GMT",
    }
    return f"{settings.url}?{urlencode(asked, safe=',')}"


def parsed(answer: Any) -> dict[int, Told]:
    """By start of quarter-hour, ms UTC. What is out of range is not told. Raises DataError for another shape."""
    if isinstance(answer, dict) and answer.get("error"):
        raise DataError(f"the feed refuses: {str(answer.get('reason'))[:200]}")
    series = answer.get("minutely_15") if isinstance(answer, dict) else None
    named: Any = series if isinstance(series, dict) else {}
    columns = [column for name in ("time", *_SERIES) if isinstance(column := named.get(name), list)]
    if len(columns) <= len(_SERIES):
        raise DataError("the feed's answer has no minutely_15 with time, shortwave_radiation and temperature_2m")
    times, radiation, temperature = columns
    if not len(times) == len(radiation) == len(temperature) or not 0 < len(times) <= _MOST:
        raise DataError("the feed's series are not equally long")
    found = {}
    for moment, irradiance, degrees in zip(times, radiation, temperature, strict=True):
        if not isinstance(moment, int) or isinstance(moment, bool) or moment * 1000 % QUARTER_MS:
            raise DataError(f"{str(moment)[:40]!r} in the feed's answer is no quarter-hour in seconds since 1970")
        found[moment * 1000 - QUARTER_MS] = Told(_within(irradiance, _IRRADIANCE_WM2), _within(degrees, _TEMPERATURE_C))
    if all(told == Told(None, None) for told in found.values()):
        raise DataError("the feed's answer tells nothing of any quarter-hour")
    return found


def series_of(told: Mapping[int, Told], first_ms: int, steps: int) -> tuple[list[float | None], list[float | None]]:
    """Irradiance and temperature of `steps` quarter-hours from `first_ms` on; both empty when nothing at all is told."""
    if not told:
        return [], []
    rows = [told.get(first_ms + step * QUARTER_MS, Told(None, None)) for step in range(steps)]
    return [row.irradiance_wm2 for row in rows], [row.temperature_c for row in rows]


def _within(value: Any, bounds: tuple[float, float]) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if number and bounds[0] <= value <= bounds[1] else None
