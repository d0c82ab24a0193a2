"""Writes a simulated year of a community's metering points and of its school's roof; the same numbers at every call.

python year.py readings.csv roof.csv
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from simulator.load import BuildingLoad, Profile
from simulator.local_time import local_time
from simulator.sun import sun_at
from simulator.weather import Weather

SEED = 7
ZONE = ZoneInfo("Europe/Brussels")
FIRST, QUARTERS, QUARTER_MS = datetime(2025, 1, 1, tzinfo=UTC), 35_040, 900_000
LATITUDE, LONGITUDE = 50.83, 4.37
YIELD_KWH = 950  # a year of a kWp, as roofs in Brussels do: the simulated sky is brighter


@dataclass(frozen=True, slots=True)
class Point:
    """A metering point; EANs are made up, with valid check digits."""

    ean: str
    profile: Profile
    kwh_year: float
    kwp: float = 0.0


POINTS = (
    Point("541448910006000017", "town_hall", 160_000),
    Point("541448910006000024", "depot", 70_000),
    Point("541448910006000031", "school", 60_000, kwp=60),
    Point("541448910006000048", "pool", 420_000),
    Point("541448910006000062", "social_housing", 31_000),
)


def sun_wh() -> list[float]:
    """Wh of a kWp on a roof that faces south at 20 degrees, of each quarter-hour."""
    roof, weather = sun_at(LATITUDE, LONGITUDE).roof(20, 180), Weather(SEED)
    middles = [_ms(number) + QUARTER_MS // 2 for number in range(QUARTERS)]
    made = [roof.irradiance_wm2(t) * weather.clearness(t, LATITUDE, LONGITUDE) for t in middles]
    scale = YIELD_KWH * 1000 / sum(made)
    return [each * scale for each in made]


def readings(sun: list[float]) -> Iterator[str]:
    """A line for each point and quarter-hour: what the grid meter counted."""
    loads = [BuildingLoad(SEED, point.profile, point.profile, point.kwh_year) for point in POINTS]
    yield "ean,start,withdrawal_kwh,injection_kwh"
    for number in range(QUARTERS):
        middle = _ms(number) + QUARTER_MS // 2
        local = local_time(middle, ZONE)
        for point, load in zip(POINTS, loads, strict=True):
            net_kwh = (load.power_w(middle, local) / 4 - sun[number] * point.kwp) / 1000
            injected = f"{max(-net_kwh, 0):.3f}" if point.kwp else ""
            yield f"{point.ean},{_iso(number)},{max(net_kwh, 0):.3f},{injected}"


def roof(sun: list[float]) -> Iterator[str]:
    """A line for each quarter-hour: what the school's inverters counted."""
    (school,) = [point for point in POINTS if point.kwp]
    yield "start,kwh"
    for number in range(QUARTERS):
        yield f"{_iso(number)},{sun[number] * school.kwp / 1000:.3f}"


def _ms(number: int) -> int:
    return round(FIRST.timestamp() * 1000) + number * QUARTER_MS


def _iso(number: int) -> str:
    return f"{datetime.fromtimestamp(_ms(number) / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


if __name__ == "__main__":
    readings_file, roof_file = map(Path, sys.argv[1:])
    made = sun_wh()
    readings_file.write_text("\n".join(readings(made)) + "\n", encoding="utf-8")
    roof_file.write_text("\n".join(roof(made)) + "\n", encoding="utf-8")
