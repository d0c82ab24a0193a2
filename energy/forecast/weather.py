"""A weather forecast as a feed that may be missing, late or wrong: what it says about a meter is learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from energy.forecast.accuracy import Floats
from energy.forecast.lag import Lag

__all__ = ["Weather", "WeatherFeatures", "told_weather"]

_LAG_H: Final = 4
_SLOW: Final = 0.08  # weight of the newest day in what is usual at this time of day
_KEEP: Final = 0.97  # a day, of what is known about kW per W/m2
_IRRADIANCE_UNIT: Final = 300.0
_TEMPERATURE_UNIT: Final = 5.0


def told_weather(irradiance_wm2: Sequence[float | None], temperature_c: Sequence[float | None]) -> Weather | None:
    """One place's series for all meters; None without any."""
    if not irradiance_wm2 and not temperature_c:
        return None
    series = [
        np.array([np.nan if value is None else value for value in told], dtype=np.float64)[:, None]
        for told in (irradiance_wm2, temperature_c)
    ]
    return Weather(*series)


@dataclass(frozen=True, slots=True)
class Weather:
    """For steps from the present one on, (steps, meters) or (steps, 1); NaN or None: not told."""

    irradiance_wm2: Floats | None = None
    temperature_c: Floats | None = None

    def next(self, step: int, count: int) -> Weather:
        """At most `count` steps from `step` on."""
        irradiance, temperature = self.irradiance_wm2, self.temperature_c
        return Weather(
            None if irradiance is None else irradiance[step : step + count],
            None if temperature is None else temperature[step : step + count],
        )


class WeatherFeatures:
    """Two features of each step, 0 where nothing is told: relative kW by irradiance, and temperature.

    A plant's kW per W/m2 are learned per time of day (tilt and shading are in it), and how late it is against the feed.
    What a load does is left to the regression: it gets how far both are from usual at this time of day.
    """

    COUNT: Final = 2

    def __init__(self, meters: int, steps_per_day: int, *, plant: bool) -> None:
        self._meters = meters
        self._day = steps_per_day
        self._plant = plant
        reach = _LAG_H * steps_per_day // 24
        self._past = np.full((reach, meters), np.nan)  # irradiance told for the last steps
        self._lag = Lag(meters, np.arange(reach + 1))
        self._usual = np.full((2, steps_per_day, meters), np.nan)  # irradiance, temperature
        self._transfer = np.zeros((2, steps_per_day, meters))  # sums of value * irradiance, irradiance^2

    def of(self, weather: Weather | None, slots: npt.NDArray[np.int64], base: Floats, scale: Floats) -> Floats:
        """(steps, meters, COUNT) for steps from the present one on, with the forecast's base and scale there."""
        features = np.zeros((*base.shape, self.COUNT))
        if weather is None:
            return features
        day = slots % self._day
        irradiance = self._lagged(self._series(weather.irradiance_wm2, len(slots)))
        if self._plant:
            told = irradiance * self._kw_per_wm2(day)
            features[..., 0] = np.divide(told - base, scale, out=np.zeros_like(base), where=scale > 0)
        else:
            features[..., 0] = (irradiance - self._usual[0, day]) / _IRRADIANCE_UNIT
        temperature = self._series(weather.temperature_c, len(slots))
        features[..., 1] = (temperature - self._usual[1, day]) / _TEMPERATURE_UNIT
        return np.nan_to_num(features, nan=0.0)

    def learn(self, weather: Weather | None, slot: int, value: Floats) -> None:
        """Takes what was told for the present step, in its first row, and the value that came."""
        day = slot % self._day
        told = weather or Weather()
        irradiance = self._series(told.irradiance_wm2, 1)
        window = np.vstack([irradiance, self._past[::-1]])
        if np.isfinite(window).all():
            self._lag.learn(value, window)
        seen = self._lagged(irradiance)[0]
        known = np.isfinite(seen)
        self._transfer[:, day] *= _KEEP
        self._transfer[:, day] += np.where(known, np.stack([value * seen, seen**2]), 0.0)
        temperature = self._series(told.temperature_c, 1)[0]
        usual = self._usual[:, day]
        news = np.stack([seen, temperature])
        moved = np.where(np.isfinite(usual), usual + _SLOW * (news - usual), news)
        self._usual[:, day] = np.where(np.isfinite(news), moved, usual)
        self._past = np.vstack([self._past[1:], irradiance])

    def settle(self) -> None:
        """Chooses how late the meters are, once a day."""
        self._lag.settle()

    def _series(self, told: Floats | None, steps: int) -> Floats:
        series = np.full((steps, self._meters), np.nan)
        if told is not None:
            part = told[:steps]
            series[: len(part)] = part
        return series

    def _lagged(self, irradiance: Floats) -> Floats:
        whole = np.vstack([self._past, irradiance])
        places = len(self._past) + np.arange(len(irradiance))[:, None] - self._lag.steps[None, :]
        return np.asarray(whole[places, np.arange(self._meters)])

    def _kw_per_wm2(self, day: npt.NDArray[np.int64]) -> Floats:
        """Of a time of day and its neighbours; NaN while nothing is known."""
        around = self._transfer[:, day] + self._transfer[:, day - 1] + self._transfer[:, (day + 1) % self._day]
        unknown = np.full(around[0].shape, np.nan)
        return np.asarray(np.divide(around[0], around[1], out=unknown, where=around[1] > 1.0))
