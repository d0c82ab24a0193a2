"""A demonstration's buildings get a past: two years of meters read by hand, and the weather of these years.

What a town has before the loggers come: a caretaker's reading on the first of each month. The days just before now come
the long way, through gateways and broker (backfill.py). The figures are estimates of what the simulator would have used.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from energy.buildings.days import Carrier, Days
from energy.buildings.index import IndexMeter, IndexReading
from energy.quantities import Role
from energy.quarters import local_midnight
from simulator.config import SiteConfig
from simulator.demo import DemoBuilding, demo_fleet
from simulator.load import shape
from simulator.local_time import local_time
from simulator.weather import Weather
from storage.register.database import RegisterDatabase
from storage.register.readings_by_hand import enter
from storage.register.weather import keep_temperatures

__all__ = ["METERS", "write_past"]

METERS: Final = (
    IndexMeter(id="electricity", carrier=Carrier.ELECTRICITY, unit="kWh", name="grid"),
    IndexMeter(id="injection", carrier=Carrier.ELECTRICITY, unit="kWh", counts="export"),
    IndexMeter(id="pv", carrier=Carrier.ELECTRICITY, unit="kWh", counts="production"),
    IndexMeter(id="gas", carrier=Carrier.GAS, unit="m³"),
    IndexMeter(id="water", carrier=Carrier.WATER, unit="m³"),
)
"""What is read by hand at every building that is supplied so."""
_TIMEZONE: Final = "Europe/Brussels"
_YEARS: Final = 2
_AHEAD_DAYS: Final = 400
_DRIFT_DAYS: Final = 70
_CUBIC_METRE_KWH: Final = 11.39  # of gas; as energy/buildings/factors.yaml has it
_HOT_WATER: Final = 0.12  # part of the gas that does not follow the weather
_YIELD_KWH_KW: Final = 2.6  # of a roof in Brussels, a day on average
_OWN_USE: Final = (0.75, 0.5)  # of a roof's day at most that part is used on the spot, and of the building's day that


def write_past(register: Path, seed: int, history_start: int, sites: int) -> None:
    """Writes the two years before `history_start` (ms UTC) into the register, a site at a time: others write, too."""
    zone = ZoneInfo(_TIMEZONE)
    end = datetime.fromtimestamp(history_start / 1000, zone).date()
    days = Days(date(end.year - _YEARS, end.month, 1), end)
    weather = Weather(seed)
    known = Days(days.first, days.end + timedelta(days=_AHEAD_DAYS))  # nobody brings a demonstration its weather later
    temperatures = {day: _mean_c(weather, day, zone) for day in known}
    fleet = demo_fleet(sites)
    database = RegisterDatabase(register)
    try:
        with database.write() as connection:
            source = "simulated weather"
            keep_temperatures(connection, "uccle", temperatures, source=source, by="demo", now_ms=history_start)
        for site, config in zip(fleet.sites, fleet.config.sites, strict=True):
            if not site.original:
                continue
            past = _Past(site.building, config, temperatures, end, random.Random(f"{seed}/{site.id}"))  # noqa: S311 - a demonstration
            with database.write() as connection:
                for meter, reading in past.readings(days):
                    enter(connection, site.id, meter, reading, today=end, by="demo", note="", now_ms=history_start)
    finally:
        database.close()


def _mean_c(weather: Weather, day: date, zone: ZoneInfo) -> float:
    start = local_midnight(day, _TIMEZONE)
    instants = [start + hour * 3_600_000 for hour in range(1, 24, 3)]
    return sum(weather.temperature_c(t, local_time(t, zone)) for t in instants) / len(instants)


class _Past:
    """One building's meters."""

    def __init__(
        self,
        building: DemoBuilding,
        config: SiteConfig,
        temperatures: dict[date, float],
        end: date,
        rng: random.Random,
    ) -> None:
        self.building = building
        self.temperatures = temperatures
        self.end = end
        self.rng = rng
        self.annual_kwh = config.load.annual_kwh
        self.shape = shape(config.load.profile)
        self.peak_kw = sum((one.peak_w or 0.0) for one in config.devices if one.role is Role.PV) / 1000
        self.heat_pump_kw = sum((one.rated_w or 0.0) for one in config.devices if one.role is Role.HEAT_PUMP) / 1000
        self.year_before = rng.uniform(0.96, 1.08)  # of what is used now
        year = Days.year_until(end)
        self.degree_days = sum(max(0.0, 15 - temperatures[day]) for day in year)

    def readings(self, days: Days) -> Iterator[tuple[IndexMeter, IndexReading]]:
        """On the first of each month, and once more at the end."""
        read_on = [day for day in days if day.day == 1] + ([days.end] if days.end.day != 1 else [])
        used = [self._used(Days(first, end)) for first, end in pairwise(read_on)]
        for meter in METERS:
            if meter.carrier.value not in self.building.supplies:
                continue
            index = Decimal(self.rng.randrange(1_000, 90_000))
            yield meter, IndexReading(read_on[0], index)
            for day, amounts in zip(read_on[1:], used, strict=True):
                index += Decimal(f"{amounts[meter.id] * self.rng.gauss(1, 0.01):.2f}")
                yield meter, IndexReading(day, index)

    def _used(self, span: Days) -> dict[str, float]:
        """What each meter counts in these days."""
        amounts = dict.fromkeys((meter.id for meter in METERS), 0.0)
        for day in span:
            consumed, produced = self._consumed_kwh(day), self._produced_kwh(day)
            own = min(_OWN_USE[0] * produced, _OWN_USE[1] * consumed)
            amounts["electricity"] += consumed - own
            amounts["injection"] += produced - own
            amounts["pv"] += produced
            amounts["gas"] += self._gas_kwh(day) / _CUBIC_METRE_KWH
            amounts["water"] += self.building.water_m3 / 365
        return amounts

    def _before(self, day: date) -> float:
        return self.year_before if day < Days.year_until(self.end).first else 1.0

    def _consumed_kwh(self, day: date) -> float:
        start, zone = local_midnight(day, _TIMEZONE), ZoneInfo(_TIMEZONE)
        level = sum(self.shape(local_time(start + hour * 3_600_000, zone)) for hour in range(1, 24, 3)) / 8
        # the simulator's heat pump: its share of full power on such a day, hot water included
        heating = max(0.0, 17 - self.temperatures[day]) / 27 * 0.9 + 0.05
        return (self.annual_kwh / 365 * level + 24 * self.heat_pump_kw * heating) * self._before(day)

    def _produced_kwh(self, day: date) -> float:
        season = 1 - 0.85 * math.cos(2 * math.pi * (day.timetuple().tm_yday + 10) / 365)
        return self.peak_kw * _YIELD_KWH_KW * season

    def _gas_kwh(self, day: date) -> float:
        annual = self.building.gas_kwh
        warm = annual * (1 - _HOT_WATER) / self.degree_days * max(0.0, 15 - self.temperatures[day])
        drift = self.building.drifts if day >= self.end - timedelta(days=_DRIFT_DAYS) else 0.0
        return (warm + annual * _HOT_WATER / 365) * (1 + drift) * self._before(day)
