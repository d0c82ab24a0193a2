"""A made-up office whose faults are known: weather, people and machines, with the scatter of a real one."""

import math
import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from energy.buildings.annual import Climate
from energy.buildings.days import Carrier, Days, Stretch
from energy.buildings.factors import Book
from energy.buildings.indicators import Building, Metered
from energy.buildings.savings.find import find_savings
from energy.buildings.savings.load import Load
from runtime.presets import shipped_factors

ZONE = "Europe/Brussels"
END = date(2026, 11, 1)
FIRST = date(2025, 6, 1)
HOURS = "Mo-Fr 08:00-18:00"
SPAN = Days(FIRST, END)


def temperature(day, rng):
    season = 10.5 - 7.5 * math.cos(2 * math.pi * (day.timetuple().tm_yday - 20) / 365)
    return season + rng.gauss(0, 2.5)


def temperatures(seed=7):
    rng = random.Random(seed)
    return {day: temperature(day, rng) for day in SPAN}


def climate(known=None):
    return Climate(temperatures() if known is None else known, "uccle", Book((shipped_factors(),)))


def office_w(local, rng):
    """Mean power of a quarter-hour: 4 kW always, 16 kW more while open."""
    working = local.weekday() < 5 and 8 <= local.hour < 18
    return 4000 * rng.gauss(1, 0.05) + (16_000 * rng.gauss(1, 0.1) if working else 0)


def quarters(count=91, power_w=office_w, seed=3):
    """(start ms, Wh) of every quarter-hour of the last `count` days."""
    days = Days(END - timedelta(days=count), END)
    rng = random.Random(seed)
    zone = ZoneInfo(ZONE)
    at = datetime.combine(days.first, datetime.min.time(), zone).astimezone(UTC)
    end = datetime.combine(days.end, datetime.min.time(), zone).astimezone(UTC)
    found = []
    while at < end:
        found.append((int(at.timestamp() * 1000), power_w(at.astimezone(zone), rng) / 4))
        at += timedelta(minutes=15)
    return found


def load(found):
    return Load.of_energy([start for start, _ in found], [energy for _, energy in found], ZONE, 900)


def daily(use, days=SPAN):
    return [Stretch(Days(day, day + timedelta(days=1)), use(day)) for day in days]


def office(**more):
    facts = {
        "id": "hall", "name": "Hall", "kind": "town_hall", "community": "ixelles", "municipality": "Ixelles",
        "area_m2": 2000.0, "opening_hours": HOURS, "supplies": (Carrier.ELECTRICITY, Carrier.GAS),
    }  # fmt: skip
    return Building(**(facts | more))


def look(used=None, power=None, known=None, like=None, **more):
    return find_savings(office(**more), Metered(used or {}), power, climate(known), END, like_base_w_m2=like)


def kinds(looked):
    return {one.kind.value for one in looked.savings}
