"""A weather feed: it helps where it says something, and stops nothing where it is missing."""

import numpy as np
import pytest

from energy.forecast.profile import Kind, ProfileForecaster
from energy.forecast.weather import Weather

DAY = 24
DAYS = 70


def _skies(seed=5):
    """Irradiance under skies that are new every day, W/m2 (steps, 1)."""
    rng = np.random.default_rng(seed)
    hours = np.arange(DAYS * DAY)
    clear = np.maximum(0.0, np.sin((hours % DAY - 6) / 12 * np.pi)) * (hours % DAY > 6) * (hours % DAY < 18)
    return (900 * clear * np.repeat(rng.uniform(0.15, 1.0, DAYS), DAY))[:, None]


def _day_ahead_error(values, told, kind):
    forecaster = ProfileForecaster(1, DAY, DAY, kind, weather=told is not None)
    errors = []
    for step in range(len(values)):
        weather = None if told is None else told.next(step, DAY)
        forecast = forecaster.forecast(step % (7 * DAY), weather)
        assert np.isfinite(forecast).all()
        if step >= 40 * DAY and step + DAY <= len(values):
            errors.append(abs(forecast[0, -1] - values[step + DAY - 1, 0]))
        forecaster.update(values[step], step % (7 * DAY), weather)
    return np.mean(errors)


@pytest.mark.parametrize("late", [0, 2])
def test_irradiance_forecast_makes_pv_far_better_also_where_the_plants_clock_is_late(late):
    skies = _skies()
    pv = np.roll(skies, late, axis=0) * 0.004
    assert _day_ahead_error(pv, Weather(irradiance_wm2=skies), Kind.PV) < 0.4 * _day_ahead_error(pv, None, Kind.PV)


def test_temperature_forecast_makes_a_heated_load_better():
    rng = np.random.default_rng(6)
    cold = np.repeat(rng.normal(5, 4, DAYS), DAY)[:, None]
    load = 2 + 0.1 * np.maximum(0, 15 - cold) + rng.normal(0, 0.05, cold.shape)
    assert _day_ahead_error(load, Weather(temperature_c=cold), Kind.LOAD) < 0.5 * _day_ahead_error(
        load, None, Kind.LOAD
    )


@pytest.mark.parametrize("gone", ["never there", "ends halfway", "comes and goes"])
def test_feed_that_is_missing_leaves_a_forecast_about_as_good_as_without(gone):
    skies = _skies()
    pv = skies * 0.004
    told = skies.copy()
    rng = np.random.default_rng(7)
    told[{"never there": slice(None), "ends halfway": slice(30 * DAY, None), "comes and goes": slice(0)}[gone]] = np.nan
    if gone == "comes and goes":
        told[rng.random(len(told)) < 0.5] = np.nan
    with_feed = _day_ahead_error(pv, Weather(irradiance_wm2=told), Kind.PV)
    assert with_feed < 1.1 * _day_ahead_error(pv, None, Kind.PV)
