"""Scenarios: the forecast plus errors that really happened, all of them in the past."""

import numpy as np
import pytest

from energy.forecast.scenarios import ErrorScenarios, bands


def test_scenarios_before_any_error_is_known_spread_around_the_forecast():
    forecast = np.array([[2.0, -4.0]])
    spread = ErrorScenarios(1, 4, 2, 5).scenarios(forecast)[0]
    assert spread.mean(axis=0) == pytest.approx(forecast[0])
    assert (spread.min(axis=0) < forecast[0]).all()
    assert (spread.max(axis=0) > forecast[0]).all()


def test_scenarios_replay_the_course_of_past_errors_at_the_same_time_of_day():
    """Values are the step's own number, forecasts always 0: the errors of an old forecast are the numbers it met."""
    kept = ErrorScenarios(1, 4, 6, 3)
    for step in range(29):
        kept.update(np.zeros((1, 6)), np.array([float(step)]))
    expected = [
        [25, 26, 27, 28, 0, 0],
        [21, 22, 23, 24, 25, 26],
        [17, 18, 19, 20, 21, 22],
    ]  # 29 and 30 are not known yet
    assert kept.scenarios(np.full((1, 6), 100.0))[0] == pytest.approx(100.0 + np.array(expected))


def test_spread_scenarios_replay_errors_of_the_hours_around_and_none_of_the_future():
    kept = ErrorScenarios(1, 24, 4, 2, spread_h=1)
    for step in range(60):
        kept.update(np.zeros((1, 4)), np.array([float(step)]))
        assert kept.scenarios(np.zeros((1, 4))).max() <= step
    firsts = kept.scenarios(np.zeros((1, 4)))[0, :, 0]
    assert firsts == pytest.approx([35, 36, 37, 11, 12, 13, 0, 0, 0])  # and the guesses


def test_scenarios_use_no_value_of_the_present_step_or_later():
    kept = ErrorScenarios(1, 4, 8, 3)
    for step in range(40):
        kept.update(np.zeros((1, 8)), np.array([float(step)]))
        assert kept.scenarios(np.zeros((1, 8))).max() <= step


def test_bands_hold_eight_in_ten_of_what_comes():
    rng = np.random.default_rng(1)
    kept = ErrorScenarios(1, 4, 4, 30)
    inside = []
    for step in range(4 * 400):
        forecast = np.full((1, 4), 10.0)
        low, middle, high = bands(kept.scenarios(forecast))
        assert (low <= middle).all()
        assert (middle <= high).all()
        came = 10 + rng.normal(0, 1 + step % 4)
        if step > 4 * 40:
            inside.append(low[0, 0] <= came <= high[0, 0])
        kept.update(forecast, np.array([came]))
    assert 0.72 < np.mean(inside) < 0.84


def test_bands_do_not_go_below_nothing():
    assert all((band >= 0).all() for band in bands(np.full((1, 3, 2), -1.0)))
