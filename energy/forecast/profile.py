"""Forecasts load or PV per meter from its own past: typical slots of day and week, learned weights, live correction.

The base of a slot is made of what the meter did in that slot before. Load: a weighted sum of last day, mean of recent
days, smoothed mean of more days and same slot of the week; the weights are a regression on the past that forgets,
drawn to plain ones while there is little past. PV: last day and the median of 15 days; the median, because clearness
is lopsided: most days are like each other and a few are dark, and a mean is wrong on all of them. Where the place is
known, both are moved by what the sun's course changed since (season.py).

The live correction (correction.py) adds what the last step, the last hour and the last day were above their base; what
a weather feed tells joins there (weather.py), and for PV what yesterday was above its base at the target's time. PV is
corrected relative to its own clear-sky envelope (the highest of recent weeks, which needs no site data: shading, tilt
and orientation are in it): a cloudy hour before noon says little about kW at dusk, but much about the clearness of the
sky.

State is explicit and deterministic: `update` with each step's values in order, `forecast` at any time. A value that is
missing (NaN) teaches nothing: what was expected stands in for it.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import numpy as np
import numpy.typing as npt

from energy.forecast.accuracy import Floats
from energy.forecast.correction import MEMORY_DAYS, Correction
from energy.forecast.season import Season
from energy.forecast.weather import Weather, WeatherFeatures

__all__ = ["Kind", "ProfileForecaster"]

_FAST: Final = 0.35  # weight of the newest day in the mean of recent days
_SLOW: Final = 0.08
_WEEK: Final = 0.3
_ENVELOPE_DECAY: Final = 0.985  # a day; follows the season down, the day's own maximum follows it up
_PRIOR_DAYS: Final = 2.0  # how many days of own past weigh as much as the prior weights
_MEDIAN_DAYS: Final = 15
_SMOOTH_H: Final = 0.5  # the median is a mean over so much time on either side
_PLAUSIBLE: Final = 1.5  # a deviation of PV beyond so many envelopes is not believed


class Kind(Enum):
    """What is forecast: their prior weights and their corrections differ."""

    LOAD = "load"
    PV = "pv"


_PRIOR: Final = {  # weights before anything is learned; PV keeps them
    Kind.LOAD: (0.1, 0.3, 0.35, 0.25),  # last, fast, slow, week
    Kind.PV: (0.3, 0.7),  # last, median
}


class ProfileForecaster:
    """One forecaster for many meters with a fixed step."""

    def __init__(
        self,
        meters: int,
        steps_per_day: int,
        horizon: int,
        kind: Kind,
        season: Season | None = None,
        *,
        weather: bool = False,
    ) -> None:
        self._kind = kind
        self._day = steps_per_day
        self._horizon = horizon
        self._season = season if kind is Kind.PV else None
        self._weather = WeatherFeatures(meters, steps_per_day, plant=kind is Kind.PV) if weather else None
        self._seen = 0
        self._lowest = np.zeros(meters)
        self._total = np.zeros(meters)
        self._last = np.zeros((steps_per_day, meters))
        self._fast = np.zeros((steps_per_day, meters))
        self._slow = np.zeros((steps_per_day, meters))
        self._recent = np.zeros((_MEDIAN_DAYS if kind is Kind.PV else 0, steps_per_day, meters))
        self._median = np.zeros((steps_per_day, meters))
        self._envelope = np.zeros((steps_per_day, meters))
        self._week = np.zeros((7 * steps_per_day, meters))
        self._days_seen = np.zeros(7 * steps_per_day, dtype=np.int64)
        self._weights: Floats = np.tile(np.array(_PRIOR[kind]), (meters, 1))
        self._squares = np.zeros((meters, len(_PRIOR[kind]), len(_PRIOR[kind])))
        self._products = np.zeros((meters, len(_PRIOR[kind])))
        told = (kind is Kind.PV) + (WeatherFeatures.COUNT if weather else 0)
        self._correction = Correction(meters, horizon, steps_per_day, len(self._paces()), told)
        self._deviation = np.zeros((meters, len(self._paces())))  # of step, hour and day, relative to the scale
        smooth = round(_SMOOTH_H * steps_per_day / 24 - 0.01)
        self._around = np.arange(-smooth, smooth + 1)

    def forecast(self, slot_of_week: int | npt.NDArray[np.int64], weather: Weather | None = None) -> Floats:
        """The next `horizon` steps, the first of which is at `slot_of_week`: (meters, horizon).

        An array of `horizon` slots says where each step is: the local clock changes, and holidays are Sundays.
        """
        slots = np.asarray(slot_of_week)
        if slots.ndim == 0:
            slots = (slots + np.arange(self._horizon)) % (7 * self._day)
        features, scale = self._features(slots), self._scale(slots)
        base = self._base(features)
        told = self._told(features[..., 0], base, scale, slots, weather)
        expected = base + self._correction.of(self._deviation, told) * scale
        return np.asarray(np.clip(expected, self._lowest, self._ceiling(scale)).T)

    def update(self, value: Floats, slot_of_week: int, weather: Weather | None = None) -> None:
        """Takes the value per meter of the step at `slot_of_week`, the one after the last update; NaN: missing.

        `weather` is what was told for this step, in its first row.
        """
        slots = np.array([slot_of_week])
        features, scale = self._features(slots), self._scale(slots)
        base = self._base(features)
        told = self._told(features[..., 0], base, scale, slots, weather)
        value = self._filled(value, base, scale, told)
        relative = np.divide(value - base[0], scale[0], out=np.zeros_like(value), where=scale[0] > 0)
        if self._kind is Kind.PV:
            relative = np.clip(relative, -_PLAUSIBLE, _PLAUSIBLE)
        if self._seen >= self._day:
            self._learn_weights(features[0], value)
            self._correction.learn(relative, scale[0], told[0])
        self._deviate(relative, scale[0])
        self._correction.remember(self._deviation)
        self._update_tables(value, slot_of_week)
        if self._season:
            self._season.learn(self._seen, value)
        if self._weather:
            self._weather.learn(weather, slot_of_week, value)
        self._seen += 1
        if self._seen % self._day == 0:
            self._settle()

    def _settle(self) -> None:
        if self._kind is Kind.LOAD:
            self._solve_weights()
        self._correction.settle()
        if self._weather:
            self._weather.settle()

    def _told(
        self, last: Floats, base: Floats, scale: Floats, slots: npt.NDArray[np.int64], weather: Weather | None
    ) -> Floats:
        """What is known of each target step apart from the present: (slots, meters, features)."""
        told = np.zeros((*base.shape, 0))
        if self._kind is Kind.PV:
            told = np.divide(last - base, scale, out=np.zeros_like(base), where=scale > 0)[..., None]
        if self._weather is None:
            return told
        return np.concatenate([told, self._weather.of(weather, slots, base, scale)], axis=-1)

    def _filled(self, value: Floats, base: Floats, scale: Floats, told: Floats) -> Floats:
        missing = np.isnan(value)
        if not missing.any():
            return value
        expected = base[0] + self._correction.of(self._deviation, told)[0] * scale[0]
        return np.where(missing, np.clip(expected, self._lowest, self._ceiling(scale[0])), value)

    def _features(self, slots: npt.NDArray[np.int64]) -> Floats:
        """(slots, meters, features)."""
        day = slots % self._day
        if self._kind is Kind.PV:
            return self._features_of_pv(day)
        around = self._slow[day]
        if self._seen >= self._day:
            around = (2 * around + self._slow[day - 1] + self._slow[(day + 1) % self._day]) / 4
        week = np.where(self._days_seen[slots, None] > 0, self._week[slots], self._fast[day])
        features = np.stack([self._last[day], self._fast[day], around, week], axis=-1)
        if 0 < self._seen < self._day:  # a slot never seen: what the meter used so far
            features[~self._slots_seen()[day]] = (self._total / self._seen)[None, :, None]
        return np.asarray(features)

    def _features_of_pv(self, day: npt.NDArray[np.int64]) -> Floats:
        last = self._last[day]
        median = self._median[(day[:, None] + self._around) % self._day].mean(axis=1)
        if self._season:
            middle = min(self._seen // self._day, _MEDIAN_DAYS) // 2
            last = last * self._season.ratio(self._seen, len(day), 1)
            median = median * self._season.ratio(self._seen, len(day), middle)
        return np.stack([last, median], axis=-1)

    def _base(self, features: Floats) -> Floats:
        return np.asarray((features * self._weights).sum(axis=-1))

    def _slots_seen(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self._days_seen.reshape(7, self._day).sum(axis=0) > 0)

    def _smooth_envelope(self, day: npt.NDArray[np.int64]) -> Floats:
        return np.asarray(
            np.maximum(self._envelope[day], (self._envelope[day - 1] + self._envelope[(day + 1) % self._day]) / 2)
        )

    def _scale(self, slots: npt.NDArray[np.int64]) -> Floats:
        if self._kind is Kind.LOAD:
            return np.ones((len(slots), len(self._total)))
        return self._smooth_envelope(slots % self._day)

    def _ceiling(self, scale: Floats) -> Floats | float:
        return np.inf if self._kind is Kind.LOAD else 1.05 * scale

    def _paces(self) -> Floats:
        """Weight of the newest step in the deviation of step, hour and day; an hour is a step where steps are long."""
        hour = [min(1.0, 48 / self._day)] if self._day > 48 else []
        return np.array([1.0, *hour, 3.0 / self._day])

    def _deviate(self, relative: Floats, scale: Floats) -> None:
        """The deviations of the last step, hour and day; PV says nothing while the sun is down."""
        telling = scale > 0.1 * self._envelope.max(axis=0) if self._kind is Kind.PV else scale > 0
        pace = np.where(telling[:, None], self._paces(), 0.0)
        self._deviation += pace * (relative[:, None] - self._deviation)

    def _learn_weights(self, features: Floats, value: Floats) -> None:
        if self._kind is Kind.PV:
            return
        forget = np.exp(-1.0 / (MEMORY_DAYS * self._day))
        self._squares *= forget
        self._products *= forget
        self._squares += features[:, :, None] * features[:, None, :]
        self._products += features * value[:, None]

    def _solve_weights(self) -> None:
        prior = np.array(_PRIOR[self._kind])
        energy = np.trace(self._squares, axis1=1, axis2=2) / len(prior)
        days = min(self._seen / self._day, MEMORY_DAYS)
        pull = energy / days * _PRIOR_DAYS + 1e-9
        squares = self._squares + pull[:, None, None] * np.eye(len(prior))
        self._weights = np.linalg.solve(squares, (self._products + pull[:, None] * prior)[..., None])[..., 0]

    def _update_tables(self, value: Floats, slot_of_week: int) -> None:
        day = slot_of_week % self._day
        days = int(self._days_seen.reshape(7, self._day)[:, day].sum())
        self._last[day] = value
        self._fast[day] += max(_FAST, 1 / (days + 1)) * (value - self._fast[day])
        self._slow[day] += max(_SLOW, 1 / (days + 1)) * (value - self._slow[day])
        week_pace = max(_WEEK, 1 / (int(self._days_seen[slot_of_week]) + 1))
        if self._kind is Kind.PV:
            self._recent[days % _MEDIAN_DAYS, day] = value
            self._median[day] = np.median(self._recent[: days + 1, day], axis=0)
        self._week[slot_of_week] += week_pace * (value - self._week[slot_of_week])
        self._envelope[day] = np.maximum(self._envelope[day] * _ENVELOPE_DECAY, value)
        self._days_seen[slot_of_week] += 1
        self._total += value
        self._lowest = np.minimum(self._lowest, value)
