"""The forecast of a running community: its past quarter-hours in, the next hours out, with how good it was so far.

Everything is learned anew from the past, so that late and corrected readings count and a restart loses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from energy.forecast.accuracy import ErrorLog, Floats, mean_absolute_error
from energy.forecast.calendar import slots_of_week
from energy.forecast.messages import Accuracy, Ahead, AheadRequest, Band
from energy.forecast.profile import Kind, ProfileForecaster
from energy.forecast.scenarios import ErrorScenarios, bands
from energy.forecast.season import Season
from energy.forecast.weather import Weather, told_weather
from energy.quarters import QUARTER_MS

__all__ = ["look_ahead"]

_DAY: Final = 96
_BAND_DAYS: Final = 21
_LEADS: Final = {"hour_ahead": 4, "day_ahead": _DAY}
_LEARNED_DAYS: Final = 2  # errors of the first days are no measure


def look_ahead(request: AheadRequest) -> Ahead:
    """The forecast; without any known quarter-hour there is none."""
    series = {"pv": _array(request.pv_w), "consumption": _array(request.consumption_w)}
    known = np.isfinite(series["pv"]) & np.isfinite(series["consumption"])
    if not known.any():
        return Ahead(request.t, 0.0, None, None, None, None, {})
    first, last = int(np.flatnonzero(known)[0]), int(np.flatnonzero(known)[-1])
    past = {name: values[first:] for name, values in series.items()}
    told = told_weather(request.irradiance_wm2[first:], request.temperature_c[first:])
    steps = len(known) - first
    learned = _Learned(request, steps, told)
    for step in range(steps):
        learned.take(step, past["pv"][step], past["consumption"][step])
    pv, consumption, surplus = learned.ahead()
    return Ahead(
        t=request.t,
        known_days=round(float(known.sum()) / _DAY, 2),
        newest=request.t - (len(known) - last) * QUARTER_MS,
        pv=pv,
        consumption=consumption,
        surplus=surplus,
        accuracy={name: learned.accuracy(name, values) for name, values in past.items()},
    )


class _Learned:
    """Forecasters, their errors, and the forecasts they made, walking through the past."""

    def __init__(self, request: AheadRequest, steps: int, told: Weather | None) -> None:
        self._weather = told
        first_ms = request.t - steps * QUARTER_MS
        horizon = request.horizon
        starts = [first_ms + step * QUARTER_MS for step in range(steps + horizon)]
        self._slots = slots_of_week(starts, request.timezone, _DAY)
        self._steps = steps
        self._horizon = horizon
        season = None if request.place is None else Season(first_ms, _DAY, [request.place])
        self._forecasters = {
            "pv": ProfileForecaster(1, _DAY, horizon, Kind.PV, season, weather=told is not None),
            "consumption": ProfileForecaster(1, _DAY, horizon, Kind.LOAD, weather=told is not None),
        }
        self._errors = {name: ErrorScenarios(1, _DAY, horizon, _BAND_DAYS) for name in (*self._forecasters, "surplus")}
        self._told = {name: ErrorLog(steps, 1, _LEADS) for name in self._forecasters}
        self._bounds = {name: [ErrorLog(steps, 1, _LEADS) for _ in range(2)] for name in self._forecasters}

    def _forecast(self, step: int) -> dict[str, Floats]:
        slots = self._slots[step : step + self._horizon]
        return {name: each.forecast(slots, self._told_at(step)) for name, each in self._forecasters.items()}

    def _told_at(self, step: int) -> Weather | None:
        return None if self._weather is None else self._weather.next(step, self._horizon)

    def take(self, step: int, pv: float, consumption: float) -> None:
        """Forecasts before a step, then learns what came."""
        forecast = self._forecast(step)
        came = {"pv": pv, "consumption": consumption}
        stood_in = {}
        for name, value in came.items():
            self._told[name].keep(step, forecast[name])
            low, _, high = bands(self._errors[name].scenarios(forecast[name][:, : self._horizon]))
            for log, bound in zip(self._bounds[name], (low, high), strict=True):
                log.keep(step, bound)
            stood_in[name] = np.array([forecast[name][0, 0] if np.isnan(value) else value])
            self._errors[name].update(forecast[name], stood_in[name])
            self._forecasters[name].update(np.array([value]), int(self._slots[step]), self._told_at(step))
        self._errors["surplus"].update(
            forecast["pv"] - forecast["consumption"], stood_in["pv"] - stood_in["consumption"]
        )

    def ahead(self) -> tuple[Band, Band, Band]:
        """PV, consumption and surplus (below 0: what is lacking) from the end of the past on."""
        forecast = self._forecast(self._steps)
        surplus = forecast["pv"] - forecast["consumption"]
        return (
            _band(forecast["pv"], self._errors["pv"], lowest=0.0),
            _band(forecast["consumption"], self._errors["consumption"], lowest=0.0),
            _band(surplus, self._errors["surplus"], lowest=None),
        )

    def accuracy(self, name: str, values: Floats) -> Accuracy:
        """Of one of the two, over all but the first days."""
        since = _LEARNED_DAYS * _DAY
        actual = values[since:, None]
        if len(actual) == 0:
            return Accuracy(None, None, None, None, None)
        errors = {lead: _watts(told[0]) for lead, told in self._told[name].errors(values[:, None], since).items()}
        low, high = (log.told("day_ahead")[since:] for log in self._bounds[name])
        telling = np.isfinite(actual) & np.isfinite(low) & ((actual > 0) | (high > 0))
        inside = (actual >= low) & (actual <= high)
        return Accuracy(
            hour_ahead_w=errors["hour_ahead"],
            day_ahead_w=errors["day_ahead"],
            yesterday_w=_watts(mean_absolute_error(values[since - _DAY : -_DAY, None], actual)[0]),
            mean_w=_watts(float(np.nanmean(actual))) if np.isfinite(actual).any() else None,
            in_band_day_ahead=round(float(inside[telling].mean()), 3) if telling.any() else None,
        )


def _array(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _band(forecast: Floats, errors: ErrorScenarios, *, lowest: float | None) -> Band:
    low, _, high = bands(errors.scenarios(forecast), lowest=lowest)
    low, high = np.minimum(low, forecast), np.maximum(high, forecast)
    return Band(*([_watts(value) or 0.0 for value in series[0]] for series in (low, forecast, high)))


def _watts(value: float) -> float | None:
    return round(float(value), 1) + 0.0 if np.isfinite(value) else None
