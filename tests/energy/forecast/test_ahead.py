"""The forecast of a running community: from its first day on, with gaps, and how good it says it is."""

import math
from datetime import UTC, datetime

import pytest

from energy.forecast.ahead import look_ahead
from energy.forecast.messages import AheadRequest
from energy.quarters import QUARTER_MS

DAY = 96
T = int(datetime(2025, 6, 15, tzinfo=UTC).timestamp() * 1000)


def _past(days, cloud=0.4):
    """PV with days that differ, and a consumption with a course over the day, W."""
    pv, consumption = [], []
    for step in range(-days * DAY, 0):
        hour = step % DAY / 4
        sun = max(0.0, math.sin((hour - 5) / 15 * math.pi)) if 5 < hour < 20 else 0.0
        day = step // DAY
        pv.append(50_000 * sun * (1 - cloud * (day * 7 % 5) / 4))
        consumption.append(20_000 + 8_000 * math.sin(hour / 24 * 2 * math.pi) + 500 * (step * 37 % 11 - 5))
    return pv, consumption


def _ahead(days, **more):
    pv, consumption = _past(days)
    return look_ahead(AheadRequest(T, "Europe/Brussels", pv, consumption, (50.85, 4.35), **more))


def test_forecast_covers_36_hours_with_bands_around_what_is_expected():
    ahead = _ahead(14)
    for band in (ahead.pv, ahead.consumption, ahead.surplus):
        assert len(band.expected_w) == 144
        assert all(
            low <= middle <= high for low, middle, high in zip(band.low_w, band.expected_w, band.high_w, strict=True)
        )
    noon = 12 * 4
    assert ahead.pv.expected_w[noon] > 25_000
    assert ahead.pv.high_w[0] == 0.0
    assert ahead.surplus.expected_w[noon] == pytest.approx(
        ahead.pv.expected_w[noon] - ahead.consumption.expected_w[noon], abs=0.2
    )
    assert ahead.known_days == 14.0
    assert ahead.newest == T - QUARTER_MS
    assert ahead.advisable


def test_accuracy_is_told_beside_yesterdays_once_there_is_something_to_tell():
    accuracy = _ahead(14).accuracy
    assert accuracy["pv"].hour_ahead_w < accuracy["pv"].yesterday_w
    assert accuracy["consumption"].hour_ahead_w < 0.1 * accuracy["consumption"].mean_w
    assert 0.5 < accuracy["consumption"].in_band_day_ahead <= 1
    assert _ahead(1).accuracy["pv"].hour_ahead_w is None


def test_nothing_known_is_no_forecast():
    ahead = look_ahead(AheadRequest(T, "Europe/Brussels", [None] * 50, [None] * 50))
    assert (ahead.known_days, ahead.pv, ahead.surplus, ahead.newest) == (0.0, None, None, None)
    assert not ahead.advisable


@pytest.mark.parametrize(("hours", "advisable"), [(3, False), (23, False), (24, True)])
def test_first_day_has_a_forecast_but_no_advice_before_it_is_over(hours, advisable):
    pv, consumption = _past(1)
    ahead = look_ahead(AheadRequest(T, "Europe/Brussels", pv[-4 * hours :], consumption[-4 * hours :]))
    assert ahead.consumption.expected_w[0] > 5_000
    assert ahead.advisable is advisable


def test_past_that_ended_long_ago_gives_no_advice():
    pv, consumption = _past(7)
    silent = [None] * 30
    ahead = look_ahead(AheadRequest(T, "Europe/Brussels", pv + silent, consumption + silent))
    assert ahead.consumption is not None
    assert not ahead.advisable


def test_gaps_in_the_past_are_no_zeros():
    pv, consumption = _past(14)
    gappy = [None if step % 9 == 0 else value for step, value in enumerate(consumption)]
    whole, ahead = (
        look_ahead(AheadRequest(T, "Europe/Brussels", pv, each)).consumption.expected_w for each in (consumption, gappy)
    )
    assert ahead == pytest.approx(whole, abs=2_500)  # the noise in it
