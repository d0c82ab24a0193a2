"""How far forecasts were off: kept per lead time, beside what yesterday's value would have told."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

__all__ = ["ErrorLog", "Floats", "mean_absolute_error"]

Floats = npt.NDArray[np.float64]


class ErrorLog:
    """Forecasts of some lead times, in steps, as they were made, over a known number of steps."""

    def __init__(self, steps: int, meters: int, leads: Mapping[str, int]) -> None:
        self._ahead = dict(leads)
        self._forecasts = {name: np.full((steps, meters), np.nan) for name in leads}

    def keep(self, step: int, forecast: Floats) -> None:
        """Keeps the forecast (meters, horizon) made before `step`, whose first column is that step."""
        for name, lead in self._ahead.items():
            if lead <= forecast.shape[1] and step + lead <= len(self._forecasts[name]):
                self._forecasts[name][step + lead - 1] = forecast[:, lead - 1]

    def told(self, name: str) -> Floats:
        """What was told of each step at that lead time: (steps, meters), NaN where nothing was."""
        return self._forecasts[name]

    def errors(self, actual: Floats, from_step: int = 0) -> dict[str, Floats]:
        """Mean absolute error per meter by lead time."""
        return {
            name: mean_absolute_error(told[from_step:], actual[from_step:]) for name, told in self._forecasts.items()
        }


def mean_absolute_error(told: Floats, actual: Floats) -> Floats:
    """Per meter over (steps, meters), of the steps that were told and came; NaN when none was."""
    known = np.isfinite(told) & np.isfinite(actual)
    count = known.sum(axis=0)
    total = np.where(known, np.abs(told - actual), 0.0).sum(axis=0)
    return np.asarray(np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0))
