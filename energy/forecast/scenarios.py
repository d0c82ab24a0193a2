"""Possible futures of the net load: the forecast plus the errors that forecasts of this time of day made before."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from energy.forecast.accuracy import Floats

__all__ = ["PEAK_SPREAD_H", "ErrorScenarios", "bands"]

_GUESSED: Final = (-0.3, 0.0, 0.3)
"""Errors, as parts of the forecast's size, that stand beside those that came while fewer than `_GUESSED_DAYS` are known."""
_GUESSED_DAYS: Final = 7


PEAK_SPREAD_H: Final = 4
"""Hours for `spread_h` where peaks cost: what made yesterday's peak may come a little sooner or later today.

Chosen in closed loop on four months; docs/dispatch.md.
"""


class ErrorScenarios:
    """Keeps forecasts and what came, and replays their errors. Errors keep their course over the hours together.

    `spread_h`: errors of forecasts made up to so many hours of the day sooner and later are replayed, too.
    """

    def __init__(self, meters: int, steps_per_day: int, horizon: int, days: int, spread_h: int = 0) -> None:
        self._day = steps_per_day
        self._horizon = horizon
        self._days = days
        hour = steps_per_day / 24
        self._shifts = sorted({round(shift * hour) for shift in range(-spread_h, spread_h + 1)})
        self._size = max((days + 1) * steps_per_day, horizon + 1) + 1 + self._shifts[-1]
        self._forecasts = np.zeros((self._size, meters, horizon))
        self._actual = np.zeros((self._size, meters))
        self._step = 0

    def scenarios(self, forecast: Floats) -> Floats:
        """(meters, scenarios, horizon) around a forecast (meters, horizon) from the present step on.

        An error path that has not come true to its end yet ends without error.
        """
        known = min(self._days, self._step // self._day)
        issued = self._step - np.arange(1, known + 1)[:, None] * self._day + np.array(self._shifts)
        futures = forecast[:, None, :] + self._errors(issued[issued >= 0])
        if self._step >= _GUESSED_DAYS * self._day:
            return np.asarray(futures)
        guessed = np.stack([forecast + part * np.abs(forecast) for part in _GUESSED], axis=1)
        return np.concatenate([futures, guessed], axis=1)

    def update(self, forecast: Floats, actual: Floats) -> None:
        """Takes the forecast made before the present step (its first column) and what came in that step."""
        place = self._step % self._size
        self._forecasts[place] = forecast
        self._actual[place] = actual
        self._step += 1

    def _errors(self, issued: npt.NDArray[np.int64]) -> Floats:
        """What came minus what was forecast before the steps `issued`: (meters, issued, horizon)."""
        steps = issued[:, None] + np.arange(self._horizon)
        errors = self._actual.T[:, steps % self._size] - self._forecasts[issued % self._size].transpose(1, 0, 2)
        errors[:, steps >= self._step] = 0.0
        return np.asarray(errors)


def bands(scenarios: Floats, *, lowest: float | None = 0.0) -> tuple[Floats, Floats, Floats]:
    """P10, P50 and P90 of (meters, scenarios, horizon) at each step: (meters, horizon) each, not below `lowest`."""
    p10, p50, p90 = np.quantile(scenarios, (0.1, 0.5, 0.9), axis=1)
    if lowest is None:
        return p10, p50, p90
    return np.maximum(p10, lowest), np.maximum(p50, lowest), np.maximum(p90, lowest)
