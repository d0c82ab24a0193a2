"""The sun's course: against pvlib, and what it changes for a plant whose clock is wrong."""

import numpy as np
import pytest

from energy.forecast.profile import Kind, ProfileForecaster
from energy.forecast.season import Season, clear_sky_wm2

BRUSSELS = (50.85, 4.35)
FIRST_MS = 1_754_006_400_000  # 2025-08-01 00:00 UTC
DAY = 96
STEP_MS = 900_000


def _clear(days, late_steps=0):
    middles = FIRST_MS + (np.arange(days * DAY) - late_steps + 0.5) * STEP_MS
    return np.array([[clear_sky_wm2(middle, *BRUSSELS)] for middle in middles]) / 1000


def test_clear_sky_is_pvlibs_haurwitz():
    """pvlib and its companions take 150 MB and seconds to load: an oracle here, not a part of the centre."""
    pandas = pytest.importorskip("pandas")
    clearsky = pytest.importorskip("pvlib.clearsky")
    solarposition = pytest.importorskip("pvlib.solarposition")
    times = pandas.date_range("2026-01-01", "2026-12-31", freq="7h7min", tz="UTC")
    zenith = solarposition.get_solarposition(times, *BRUSSELS)["zenith"]
    theirs = clearsky.haurwitz(zenith)["ghi"].to_numpy()
    ours = np.array([clear_sky_wm2(moment.timestamp() * 1000, *BRUSSELS) for moment in times])
    assert ours == pytest.approx(theirs, abs=3.0)


def test_ratio_tells_how_much_lower_the_sun_stands_than_two_weeks_before():
    season = Season(FIRST_MS, DAY, [BRUSSELS])
    noon = 60 * DAY + 47
    sun = _clear(61)
    assert season.ratio(noon, 1, 14)[0, 0] == pytest.approx(sun[noon, 0] / sun[noon - 14 * DAY, 0], abs=0.01)
    assert season.ratio(60 * DAY, 1, 14)[0, 0] == 1.0  # midnight


@pytest.mark.parametrize("late_steps", [0, 8])
def test_forecast_of_clear_days_in_autumn_follows_the_sun_also_where_the_clock_is_wrong(late_steps):
    values = _clear(61, late_steps)
    errors = {}
    for name, season in (("placed", Season(FIRST_MS, DAY, [BRUSSELS])), ("unknown", None)):
        forecaster = ProfileForecaster(1, DAY, DAY, Kind.PV, season)
        for step in range(60 * DAY):
            forecaster.update(values[step], step % (7 * DAY))
        errors[name] = np.abs(forecaster.forecast(60 * DAY % (7 * DAY))[0] - values[60 * DAY :, 0]).mean()
    assert errors["placed"] < 0.5 * errors["unknown"]
