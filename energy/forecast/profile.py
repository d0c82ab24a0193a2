"""Forecasts load or PV per meter from its own past: typical slots of day and week, learned weights, live correction.

The base of a slot is made of what the meter did in that slot before. Load: a weighted sum of last day, mean of recent
days, smoothed mean of more days and same slot of the week; the weights are a regression on the past that forgets,
drawn to plain ones while there is little past. PV: last day and the median of 15 days; the median, because clearness
is lopsided: most days are like each other and a few are dark, and a mean is wrong on all of them.

The live correction adds what the last step and the last day were above their base, fading with lead time as fast as
it did before. PV is corrected relative to its own clear-sky envelope (the highest of recent weeks, which needs no
site data: shading, tilt and orientation are in it): a cloudy hour before noon says little about kW at dusk, but much
about the clearness of the sky.

State is explicit and deterministic: `update` with each step's values in order, `forecast` at any time.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import numpy as np
import numpy.typing as npt

from energy.forecast.accuracy import Floats

__all__ = ["Kind", "ProfileForecaster"]

_FAST: Final = 0.35  # weight of the newest day in the mean of recent days
_SLOW: Final = 0.08
_WEEK: Final = 0.3
_ENVELOPE_DECAY: Final = 0.985  # a day; follows the season down, the day's own maximum follows it up
_MEMORY_DAYS: Final = 40.0  # the regressions forget with this time constant
_PRIOR_DAYS: Final = 2.0  # how many days of own past weigh as much as the prior weights


class Kind(Enum):
    """What is forecast: their prior weights and their corrections differ."""

    LOAD = "load"
    PV = "pv"


_MEDIAN_DAYS: Final = 15

_PRIOR: Final = {  # weights before anything is learned; PV keeps them
    Kind.LOAD: (0.1, 0.3, 0.35, 0.25),  # last, fast, slow, week
    Kind.PV: (0.4, 0.6),  # last, median
}


class ProfileForecaster:
    """One forecaster for many meters with a fixed step."""

    def __init__(self, meters: int, steps_per_day: int, horizon: int, kind: Kind) -> None:
        self._kind = kind
        self._day = steps_per_day
        self._horizon = horizon
        self._seen = 0
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
        self._fading = _Fading(meters, horizon, steps_per_day)
        self._deviation = np.zeros((meters, 2))  # of the last step and of the last day, relative to the scale

    def forecast(self, slot_of_week: int) -> Floats:
        """The next `horizon` steps, the first of which is at `slot_of_week`: (meters, horizon)."""
        slots = (slot_of_week + np.arange(self._horizon)) % (7 * self._day)
        base = self._base(slots)
        correction = self._fading.correction(self._deviation) * self._scale(slots)
        return np.asarray(np.clip(base + correction, 0.0, self._ceiling(slots)).T)

    def update(self, value: Floats, slot_of_week: int) -> None:
        """Takes the value per meter of the step at `slot_of_week`, the one after the last update."""
        slots = np.array([slot_of_week])
        scale = self._scale(slots)[0]
        base = self._base(slots)[0]
        relative = np.divide(value - base, scale, out=np.zeros_like(value), where=scale > 0)
        if self._seen >= self._day:
            self._learn_weights(self._features(slots)[0], value)
            self._fading.learn(relative, scale)
        self._deviate(relative, scale)
        self._fading.remember(self._deviation)
        self._update_tables(value, slot_of_week)
        self._seen += 1
        if self._seen % self._day == 0:
            if self._kind is Kind.LOAD:
                self._solve_weights()
            self._fading.solve()

    def _features(self, slots: npt.NDArray[np.int64]) -> Floats:
        """(slots, meters, features)."""
        day = slots % self._day
        if self._kind is Kind.PV:
            return np.stack([self._last[day], self._median[day]], axis=-1)
        around = self._slow[day]
        if self._seen >= self._day:
            around = (2 * around + self._slow[day - 1] + self._slow[(day + 1) % self._day]) / 4
        week = np.where(self._days_seen[slots, None] > 0, self._week[slots], self._fast[day])
        features = np.stack([self._last[day], self._fast[day], around, week], axis=-1)
        if 0 < self._seen < self._day:  # a slot never seen: what the meter used so far
            features[~self._slots_seen()[day]] = (self._total / self._seen)[None, :, None]
        return np.asarray(features)

    def _base(self, slots: npt.NDArray[np.int64]) -> Floats:
        return np.asarray((self._features(slots) * self._weights).sum(axis=-1))

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

    def _ceiling(self, slots: npt.NDArray[np.int64]) -> Floats | float:
        return np.inf if self._kind is Kind.LOAD else 1.05 * self._scale(slots)

    def _deviate(self, relative: Floats, scale: Floats) -> None:
        """The last deviation, and their mean over about a day; PV says nothing while the sun is down."""
        telling = scale > 0.1 * self._envelope.max(axis=0) if self._kind is Kind.PV else scale > 0
        self._deviation[:, 0] = np.where(telling, relative, self._deviation[:, 0])
        pace = 3.0 / self._day
        self._deviation[:, 1] += np.where(telling, pace, 0.0) * (relative - self._deviation[:, 1])

    def _learn_weights(self, features: Floats, value: Floats) -> None:
        if self._kind is Kind.PV:
            return
        forget = np.exp(-1.0 / (_MEMORY_DAYS * self._day))
        self._squares *= forget
        self._products *= forget
        self._squares += features[:, :, None] * features[:, None, :]
        self._products += features * value[:, None]

    def _solve_weights(self) -> None:
        prior = np.array(_PRIOR[self._kind])
        energy = np.trace(self._squares, axis1=1, axis2=2) / len(prior)
        days = min(self._seen / self._day, _MEMORY_DAYS)
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


class _Fading:
    """How much of the present deviation is left at each lead time, learned per meter."""

    def __init__(self, meters: int, horizon: int, steps_per_day: int) -> None:
        self._horizon = horizon
        self._forget = np.exp(-1.0 / (_MEMORY_DAYS * steps_per_day))
        self._past = np.zeros((horizon, meters, 2))  # deviations as known before the last 1, 2, ... steps
        self._squares = np.zeros((horizon, meters, 2, 2))
        self._products = np.zeros((horizon, meters, 2))
        self._left = np.zeros((horizon, meters, 2))

    def correction(self, deviation: Floats) -> Floats:
        """(horizon, meters), relative to the scale."""
        return np.asarray((self._left * deviation).sum(axis=-1))

    def learn(self, relative: Floats, scale: Floats) -> None:
        """Takes the deviation that the past deviations should have told."""
        weight = scale**2
        self._squares *= self._forget
        self._products *= self._forget
        self._squares += weight[None, :, None, None] * self._past[..., :, None] * self._past[..., None, :]
        self._products += (weight * relative)[None, :, None] * self._past

    def remember(self, deviation: Floats) -> None:
        """The newest deviation, from which the next step is one lead time away."""
        self._past = np.roll(self._past, 1, axis=0)
        self._past[0] = deviation

    def solve(self) -> None:
        """Refreshes what is left at each lead time."""
        energy = np.trace(self._squares, axis1=2, axis2=3) / 2
        pull = 0.05 * energy + 1e-9
        squares = self._squares + pull[..., None, None] * np.eye(2)
        self._left = np.linalg.solve(squares, self._products[..., None])[..., 0]
