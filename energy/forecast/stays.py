"""How long cars stay, learned from past sessions at the same place. Needs numpy.

A stay is compared with past ones that were alike: that began at a like time of day and declared a like stay. Their true
stays, of those that lasted as long as this one did already, are the chances of this one. Guessed stays stand in while
there is little past.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

from energy.forecast.accuracy import Floats

__all__ = ["Stays"]

_LIKE_HOURS: Final = 1.5  # time of arrival
_LIKE_RATIO: Final = 0.3  # logarithm of the declared stay
_GUESSED: Final = (0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.6, 2.5)  # parts of the declared stay
_GUESSED_WEIGHT: Final = 0.5
_UNDECLARED_H: Final = 4.0
_MOST: Final = 3000


class Stays:
    """The last stays that ended. Hours; a stay that was not declared is NaN."""

    def __init__(self) -> None:
        self._clock: deque[float] = deque(maxlen=_MOST)
        self._declared: deque[float] = deque(maxlen=_MOST)
        self._true: deque[float] = deque(maxlen=_MOST)

    def update(self, clock_h: float, declared_h: float, true_h: float) -> None:
        """A car has left: it came at `clock_h` of the day, declared a stay and stayed."""
        self._clock.append(clock_h)
        self._declared.append(declared_h)
        self._true.append(true_h)

    def staying(self, clock_h: Floats, declared_h: Floats, stayed_h: Floats, hours: float, steps: int) -> Floats:
        """Mean part of each of the next steps in which each car is still there: (cars, steps). The first is 1."""
        guessed = np.nan_to_num(declared_h, nan=_UNDECLARED_H)[:, None] * np.array(_GUESSED)
        stays = np.concatenate(
            [np.broadcast_to(np.array(self._true), (len(clock_h), len(self._true))), guessed], axis=1
        )
        weights = np.concatenate([self._alike(clock_h, declared_h), np.full(guessed.shape, _GUESSED_WEIGHT)], axis=1)
        left = stays - stayed_h[:, None]
        weights = np.where(left > 0, weights, 0.0)
        return _part_of_steps(left, weights, hours, steps)

    def _alike(self, clock_h: Floats, declared_h: Floats) -> Floats:
        past_clock, past_declared = np.array(self._clock), np.array(self._declared)
        away = np.abs(clock_h[:, None] - past_clock) % 24
        away = np.minimum(away, 24 - away) / _LIKE_HOURS
        ratio = np.log(np.maximum(declared_h, 0.1))[:, None] - np.log(np.maximum(past_declared, 0.1))
        unknown = np.isnan(ratio)
        same = np.isnan(declared_h)[:, None] == np.isnan(past_declared)
        ratio = np.where(unknown, np.where(same, 0.0, 3 * _LIKE_RATIO), ratio) / _LIKE_RATIO
        return np.asarray(np.exp(-(away**2 + ratio**2) / 2))


def _part_of_steps(left_h: Floats, weights: Floats, hours: float, steps: int) -> Floats:
    """Chance by step from what each possible stay has left: a car that leaves within a step is there for a part of it."""
    bins = np.minimum(left_h / hours, steps)
    last = np.clip(bins.astype(np.int64), 0, steps - 1)
    cars = np.arange(len(left_h))[:, None]
    flat = (cars * steps + last).ravel()
    gone = np.bincount(flat, weights=weights.ravel(), minlength=len(left_h) * steps).reshape(-1, steps)
    part = np.bincount(flat, weights=(weights * (bins - last)).ravel(), minlength=len(left_h) * steps)
    total = gone.sum(axis=1, keepdims=True)
    after = total - np.cumsum(gone, axis=1)
    staying = np.divide(after + part.reshape(-1, steps), total, out=np.zeros_like(after), where=total > 0)
    staying[:, 0] = 1.0
    return np.asarray(staying)
