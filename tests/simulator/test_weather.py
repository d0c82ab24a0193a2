"""Weather is the same for the same seed, smooth, varied, and shared by neighbours."""

from __future__ import annotations

import datetime as dt
import itertools
from zoneinfo import ZoneInfo

import pytest

from simulator.local_time import local_time
from simulator.weather import Weather

HERE = (50.85, 4.35)
START_MS = round(dt.datetime(2026, 3, 1, tzinfo=dt.UTC).timestamp() * 1000)
DAYS = 90


def daily_means(weather: Weather, place: tuple[float, float]) -> list[float]:
    return [
        sum(weather.clearness(START_MS + day * 86_400_000 + hour * 3_600_000, *place) for hour in range(24)) / 24
        for day in range(DAYS)
    ]


def correlation(first: list[float], second: list[float]) -> float:
    mean_1, mean_2 = sum(first) / len(first), sum(second) / len(second)
    both = sum((a - mean_1) * (b - mean_2) for a, b in zip(first, second, strict=True))
    return both / (sum((a - mean_1) ** 2 for a in first) * sum((b - mean_2) ** 2 for b in second)) ** 0.5


def test_clearness_same_seed_same_sky_other_seed_other_sky() -> None:
    assert daily_means(Weather(1), HERE) == daily_means(Weather(1), HERE)
    assert daily_means(Weather(1), HERE) != daily_means(Weather(2), HERE)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_season_has_clear_and_cloudy_days(seed: int) -> None:
    means = daily_means(Weather(seed), HERE)
    assert sum(mean > 0.9 for mean in means) > DAYS / 10
    assert sum(mean < 0.5 for mean in means) > DAYS / 10


def test_neighbours_see_the_same_days_and_other_minutes() -> None:
    weather = Weather(1)
    neighbour = (50.86, 4.40)
    assert correlation(daily_means(weather, HERE), daily_means(weather, neighbour)) > 0.95
    minutes = [START_MS + minute * 60_000 for minute in range(0, 30 * 1440, 7)]
    assert any(abs(weather.clearness(t, *HERE) - weather.clearness(t, *neighbour)) > 0.3 for t in minutes)


def test_clearness_stays_between_thick_cloud_and_full_sun_and_moves_smoothly() -> None:
    weather = Weather(4)
    values = [weather.clearness(START_MS + second * 1000, *HERE) for second in range(0, 5 * 86_400, 30)]
    assert 0.1 < min(values) < 0.4
    assert max(values) == 1.0
    assert max(abs(a - b) for a, b in itertools.pairwise(values)) < 0.2


def test_temperature_summer_afternoon_is_warmer_than_winter_night() -> None:
    weather, zone = Weather(1), ZoneInfo("Europe/Brussels")

    def mean(month: int, hour: int) -> float:
        instants = [
            round(dt.datetime(2026, month, day, hour, tzinfo=dt.UTC).timestamp() * 1000) for day in range(1, 29)
        ]
        return sum(weather.temperature_c(t, local_time(t, zone)) for t in instants) / len(instants)

    assert 18 < mean(7, 13) < 28
    assert -4 < mean(1, 4) < 6
