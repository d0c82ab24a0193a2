"""The sun against facts known without pvlib."""

from __future__ import annotations

import datetime as dt

import pytest

from simulator.sun import Sun, sun_at


def at(text: str) -> int:
    return round(dt.datetime.fromisoformat(text).timestamp() * 1000)


def highest(sun: Sun, day: str) -> float:
    midnight = at(f"{day}T00:00:00+00:00")
    return max(sun.elevation_deg(midnight + minute * 60_000) for minute in range(0, 1440, 5))


@pytest.mark.parametrize(("day", "declination"), [("2026-06-21", 23.44), ("2026-12-21", -23.44), ("2026-03-20", 0.0)])
def test_elevation_at_noon_is_colatitude_plus_declination(day: str, declination: float) -> None:
    sun = Sun(50.85, 4.35)
    assert highest(sun, day) == pytest.approx(90 - 50.85 + declination, abs=0.3)


def test_sun_of_brussels_is_highest_about_16_minutes_before_utc_noon_at_midsummer() -> None:
    """Longitude 4.35° is 17.4 min ahead of Greenwich; the equation of time takes back 1.9 min."""
    sun = Sun(50.85, 4.35)
    midnight = at("2026-06-21T00:00:00+00:00")
    minutes = max(range(1440), key=lambda minute: sun.elevation_deg(midnight + minute * 60_000))
    assert minutes == pytest.approx(720 - 17.4 + 1.9, abs=3)


def test_roof_gets_nothing_at_night_and_about_1000_at_best() -> None:
    roof = Sun(50.85, 4.35).roof(35, 180)
    assert roof.irradiance_wm2(at("2026-06-21T23:30:00+00:00")) == 0.0
    assert roof.irradiance_wm2(at("2026-12-21T18:00:00+00:00")) == 0.0
    assert 900 < roof.irradiance_wm2(at("2026-06-21T11:45:00+00:00")) < 1080
    assert 350 < roof.irradiance_wm2(at("2026-12-21T11:40:00+00:00")) < 750


def test_east_roof_leads_in_the_morning_and_west_roof_in_the_evening() -> None:
    sun = Sun(50.85, 4.35)
    east, west = sun.roof(30, 90), sun.roof(30, 270)
    morning, evening = at("2026-06-21T06:00:00+00:00"), at("2026-06-21T17:30:00+00:00")
    assert east.irradiance_wm2(morning) > 2 * west.irradiance_wm2(morning)
    assert west.irradiance_wm2(evening) > 2 * east.irradiance_wm2(evening)


def test_irradiance_is_continuous_where_two_blocks_meet() -> None:
    roof = Sun(50.85, 4.35).roof(35, 180)
    seam = at("2026-06-21T11:00:00+00:00") // (8 * 86_400_000) * (8 * 86_400_000)
    assert roof.irradiance_wm2(seam - 1) == pytest.approx(roof.irradiance_wm2(seam), abs=0.1)


def test_sites_of_one_city_share_one_sun() -> None:
    assert sun_at(50.8333, 4.3664) is sun_at(50.8467, 4.3525)
