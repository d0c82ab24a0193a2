"""How many steps meters are behind an outside series, such as the sun or a radiation forecast: learned by correlation."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from energy.forecast.accuracy import Floats

__all__ = ["Lag"]

_FEWEST_DAYS: Final = 5
_CLEAR_GAIN: Final = 0.01  # of correlation, before a lag is believed


class Lag:
    """`steps` per meter, 0 until another of `lags` is clearly better over five days or more."""

    def __init__(self, meters: int, lags: npt.NDArray[np.int64]) -> None:
        self.steps = np.zeros(meters, dtype=np.int64)
        self._lags = lags
        self._outside = np.zeros((3, len(lags), meters))  # sums of x, x^2, x y
        self._own = np.zeros((2, meters))  # sums of y, y^2
        self._count = 0
        self._days = 0

    def learn(self, value: Floats, outside: Floats) -> None:
        """Takes a step's value per meter and the outside series that many steps before: (lags, meters)."""
        self._outside += np.stack([outside, outside**2, outside * value])
        self._own += np.stack([value, value**2])
        self._count += 1

    def settle(self) -> None:
        """Chooses the lag once a day."""
        self._days += 1
        if self._days < _FEWEST_DAYS:
            return
        (x, xx, xy), (y, yy), count = self._outside, self._own, self._count
        spread = (count * xx - x**2) * (count * yy - y**2)
        fit = np.divide(count * xy - x * y, np.sqrt(np.maximum(spread, 0)), out=np.zeros_like(x), where=spread > 1e-12)
        best = fit.argmax(axis=0)
        none = int(np.flatnonzero(self._lags == 0)[0])
        gain = np.take_along_axis(fit, best[None], axis=0)[0] - fit[none]
        self.steps = np.where(gain > _CLEAR_GAIN, self._lags[best], 0)
