"""Seeded weather: clouds that drift over the city, and the outside temperature.

A slow noise decides how cloudy the day is, a fast one is the field of clouds itself. The field is frozen and carried by
the wind, so that a site down the wind sees its neighbour's cloud some minutes later and sites in one city go together.
"""

from __future__ import annotations

import math

from simulator.local_time import LocalTime
from simulator.noise import seed_of, smooth, smooth_2d

__all__ = ["Weather"]

WIND_MS = 8.0
COVER_PERIOD_MS = 1.6 * 86_400_000
CLOUD_PERIOD_MS = 14 * 60_000
CLOUD_WIDTH_M = 5_000.0
THICKNESS_PERIOD_MS = 3 * 3_600_000
METRES_PER_DEGREE = 111_320.0


class Weather:
    """The weather of a world. Every answer depends on seed, time and place only."""

    def __init__(self, seed: int) -> None:
        self._cover = seed_of(seed, "cover")
        self._clouds = seed_of(seed, "clouds")
        self._thickness = seed_of(seed, "thickness")
        self._temperature = seed_of(seed, "temperature")

    def cover(self, t_ms: int) -> float:
        """How cloudy the hour is: 0 or less is a clear sky, 1 or more overcast."""
        return (smooth(self._cover, t_ms / COVER_PERIOD_MS) - 0.42) / 0.3

    def clearness(self, t_ms: int, latitude: float, longitude: float) -> float:
        """The share of the clear sky's light that reaches a place: 1 in the sun, about 0.2 under a thick cloud."""
        cover = self.cover(t_ms)
        if cover <= -0.2:
            return 1.0
        east_m = longitude * METRES_PER_DEGREE * math.cos(math.radians(latitude))
        north_m = latitude * METRES_PER_DEGREE
        carried_ms = t_ms - east_m / WIND_MS * 1000  # the wind blows from the west
        gap = smooth_2d(self._clouds, carried_ms / CLOUD_PERIOD_MS, north_m / CLOUD_WIDTH_M)
        shade = min(1.0, max(0.0, (cover - gap) / 0.3 + 0.5))
        under = 0.16 + 0.22 * smooth(self._thickness, carried_ms / THICKNESS_PERIOD_MS)
        return 1.0 + (under - 1.0) * shade

    def temperature_c(self, t_ms: int, local: LocalTime) -> float:
        """Outside temperature of the city: the year's and the day's swing about Brussels' means, and spells."""
        season = 10.8 - 7.8 * math.cos(2 * math.pi * (local.day_of_year - 20) / 365)
        day = 3.2 * math.cos(2 * math.pi * (local.minute / 1440 - 15 / 24))
        spell = 9.0 * (smooth(self._temperature, t_ms / (3 * 86_400_000)) - 0.5)
        return season + day + spell
