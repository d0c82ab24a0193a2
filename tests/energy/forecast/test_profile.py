"""The forecaster: cold start, learning, live correction, nothing from the future."""

import numpy as np
import pytest

from energy.forecast.accuracy import ErrorLog, mean_absolute_error
from energy.forecast.profile import Kind, ProfileForecaster

DAY = 24


def _load(days, seed=3):
    """A home with a daily course, quiet weekends, a level that drifts and noise: (steps, 1)."""
    rng = np.random.default_rng(seed)
    hours = np.arange(days * DAY)
    course = 0.5 + 0.4 * np.sin((hours % DAY - 9) / DAY * 2 * np.pi) + 1.2 * ((hours % DAY >= 18) & (hours % DAY < 22))
    weekday = (hours // DAY) % 7
    level = np.exp(np.convolve(rng.normal(0, 0.05, len(hours) + 48), np.exp(-np.arange(49) / 16), "valid"))
    return (course * np.where(weekday < 5, 1.0, 0.6) * level + rng.gamma(1, 0.05, len(hours)))[:, None]


def _sun(days, seed=4):
    """PV of 4 kWp under skies of changing clearness that lasts for hours: (steps, 1)."""
    rng = np.random.default_rng(seed)
    hours = np.arange(days * DAY)
    clear = np.maximum(0.0, np.sin((hours % DAY - 6) / 12 * np.pi)) * (hours % DAY > 6) * (hours % DAY < 18)
    sky = np.convolve(rng.normal(0, 1, len(hours) + 24), np.exp(-np.arange(25) / 8), "valid")
    return (4 * clear * (0.25 + 0.75 / (1 + np.exp(-sky))))[:, None]


def _errors(values, kind, leads, from_day):
    forecaster = ProfileForecaster(1, DAY, 36, kind)
    log = ErrorLog(len(values), 1, leads)
    for step, value in enumerate(values):
        log.keep(step, forecaster.forecast(step % (7 * DAY)))
        forecaster.update(value, step % (7 * DAY))
    yesterday = mean_absolute_error(values[(from_day - 1) * DAY : -DAY], values[from_day * DAY :])
    return log.errors(values, from_day * DAY), yesterday


def test_forecast_before_any_value_is_nothing():
    assert (ProfileForecaster(2, DAY, 36, Kind.LOAD).forecast(5) == 0).all()


def test_forecast_of_load_on_the_first_day_is_its_level_so_far():
    forecaster = ProfileForecaster(1, DAY, 36, Kind.LOAD)
    for slot in range(6):
        forecaster.update(np.array([0.8]), slot)
    assert forecaster.forecast(6)[0] == pytest.approx(np.full(36, 0.8), rel=0.05)


def test_forecast_of_a_meter_that_repeats_itself_is_exact_after_a_week():
    forecaster = ProfileForecaster(1, DAY, 36, Kind.LOAD)
    course = 1 + np.sin(np.arange(7 * DAY) / DAY * 2 * np.pi)
    for slot in range(7 * DAY):
        forecaster.update(course[slot : slot + 1], slot)
    ahead = np.arange(36)
    assert forecaster.forecast(0)[0] == pytest.approx(course[ahead], abs=0.05)


def test_load_forecast_beats_yesterday_by_far_an_hour_ahead_and_clearly_a_day_ahead():
    errors, yesterday = _errors(_load(90), Kind.LOAD, {"hour": 1, "day": 24}, 30)
    assert errors["hour"] < 0.7 * yesterday
    assert errors["day"] < 0.9 * yesterday


def test_pv_forecast_beats_yesterday_by_far_an_hour_ahead_and_clearly_a_day_ahead():
    errors, yesterday = _errors(_sun(90), Kind.PV, {"hour": 1, "day": 24}, 30)
    assert errors["hour"] < 0.6 * yesterday
    assert errors["day"] < 0.9 * yesterday


def test_pv_forecast_is_nothing_at_night_and_never_negative():
    forecaster = ProfileForecaster(1, DAY, 36, Kind.PV)
    values = _sun(20)
    for step, value in enumerate(values):
        forecast = forecaster.forecast(step % (7 * DAY))[0]
        assert (forecast >= 0).all()
        forecaster.update(value, step % (7 * DAY))
    night = [lead for lead in range(36) if (20 * DAY + lead) % DAY < 6]
    assert forecaster.forecast(20 * DAY % (7 * DAY))[0][night] == pytest.approx(0.0)


def test_meters_do_not_influence_each_other():
    both = np.hstack([_load(20), 5 * _load(20, seed=9)])
    alone, together = ProfileForecaster(1, DAY, 36, Kind.LOAD), ProfileForecaster(2, DAY, 36, Kind.LOAD)
    for step, values in enumerate(both):
        alone.update(values[:1], step % (7 * DAY))
        together.update(values, step % (7 * DAY))
    assert together.forecast(8)[0] == pytest.approx(alone.forecast(8)[0])


def test_error_log_without_a_told_step_says_unknown():
    log = ErrorLog(4, 1, {"far": 9})
    log.keep(0, np.ones((1, 3)))
    assert np.isnan(log.errors(np.ones((4, 1)))["far"]).all()


def test_forecast_of_a_meter_that_also_injects_goes_below_zero():
    forecaster = ProfileForecaster(1, DAY, 36, Kind.LOAD)
    course = 1 - 3 * np.exp(-(((np.arange(14 * DAY) % DAY) - 13) ** 2) / 8)
    for step in range(14 * DAY):
        forecaster.update(course[step : step + 1], step % (7 * DAY))
    assert forecaster.forecast(0)[0][:DAY] == pytest.approx(course[:DAY], abs=0.1)


@pytest.mark.parametrize(("kind", "values"), [(Kind.LOAD, _load(40)), (Kind.PV, _sun(40))])
def test_missing_values_are_bridged_and_teach_nothing_wrong(kind, values):
    """Ten days with every third value missing, then the forecasts of both are about alike."""
    whole, gappy = ProfileForecaster(1, DAY, DAY, kind), ProfileForecaster(1, DAY, DAY, kind)
    for step, value in enumerate(values):
        missing = 25 * DAY <= step < 35 * DAY and step % 3 == 0
        whole.update(value, step % (7 * DAY))
        gappy.update(np.array([np.nan]) if missing else value, step % (7 * DAY))
    slot = len(values) % (7 * DAY)
    difference = np.abs(whole.forecast(slot) - gappy.forecast(slot)).mean()
    assert difference < 0.1 * values.mean()


def test_forecast_takes_a_slot_for_each_step_where_days_are_not_alike():
    forecaster = ProfileForecaster(1, DAY, DAY, Kind.LOAD)
    for step in range(28 * DAY):
        weekend = (step // DAY) % 7 >= 5
        forecaster.update(np.array([0.5 if weekend else 2.0]), step % (7 * DAY))
    monday = forecaster.forecast(np.arange(DAY))[0].mean()
    holiday = forecaster.forecast(6 * DAY + np.arange(DAY))[0].mean()
    assert holiday < 0.6 * monday
