"""Five made-up buildings for the report: one that drifts, one left on, one peaking, one hardly known, one quiet."""

from __future__ import annotations

import math
import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from api.buildings.accounts import Account
from api.buildings.report.content import Material
from api.buildings.sources import Place
from energy.buildings.annual import Climate
from energy.buildings.days import Carrier, Days, Stretch
from energy.buildings.factors import Book, FactorsFile
from energy.buildings.indicators import Building, Metered, building_year
from energy.buildings.portfolio import target_state
from energy.buildings.savings.find import find_savings
from energy.buildings.savings.load import Load
from energy.community import Community
from runtime.presets import shipped_factors

ZONE = ZoneInfo("Europe/Brussels")
MONTH = Days.of_month(2026, 10)
YEAR = Days.year_until(MONTH.end)
SPAN = Days(date(2024, 10, 1), MONTH.end)
RECENT = MONTH.end - timedelta(days=28)
SOURCED = {"evidence": "secondary", "source": "contract of the town", "as_of": "2026-11-01"}
OWN = FactorsFile.model_validate(
    {
        "factors": [{"what": "price", "carrier": "gas", "value": 0.085, "unit": "EUR/kWh", **SOURCED}],
        "targets": [
            {
                "id": "plage-1", "municipality": "Ixelles", "carriers": ["electricity", "gas"], "reference_year": 2019,
                "reference_kwh": 1_400_000, "reduction": 0.1, "due": "2028-12-31", "penalty_eur_kwh": 0.06, **SOURCED,
            }
        ],
    }
)  # fmt: skip
BUILDINGS = (
    ("hall", "Maison communale d'Ixelles", "town_hall", 4200.0, "Mo-Fr 08:00-18:00"),
    ("school", "École Sans Souci", "school", 3100.0, "Mo-Fr 07:30-18:00"),
    ("pool", "Piscine d'Ixelles", "pool", 2600.0, "Mo-Su 07:00-22:00"),
    ("homes", "Logements Helmet", "social_housing", 5200.0, ""),
    ("depot", "Dépôt communal", "depot", None, "Mo-Fr 06:00-20:00"),
)


def temperatures() -> dict[date, float]:
    rng = random.Random(4)
    return {
        day: 10.5 - 7.5 * math.cos(2 * math.pi * (day.timetuple().tm_yday - 20) / 365) + rng.gauss(0, 2.3)
        for day in SPAN
    }


def _load(kind: str, mean_w: float) -> Load:
    rng, starts, energies = random.Random(5), [], []
    at = datetime.combine(MONTH.end - timedelta(days=393), datetime.min.time(), ZONE).astimezone(UTC)
    end = datetime.combine(MONTH.end, datetime.min.time(), ZONE).astimezone(UTC)
    while at < end:
        local = at.astimezone(ZONE)
        working = local.weekday() < 5 and 8 <= local.hour < 18
        power = mean_w * (0.4 + (1.2 if working else 0.0)) * rng.gauss(1, 0.07)
        if kind == "town_hall" and not working and 5 <= local.hour < 23:
            power += 0.75 * mean_w
        if kind == "school" and working and local.hour == 8 and local.minute < 30:
            power += 2.2 * mean_w
        starts.append(int(at.timestamp() * 1000))
        energies.append(power / 4)
        at += timedelta(minutes=15)
    return Load.of_energy(starts, energies, "Europe/Brussels", 900)


def _metered(place: int, kind: str, area: float, known: dict[date, float]) -> Metered:
    rng = random.Random(place)
    gas = [
        Stretch(
            Days(day, day + timedelta(days=1)),
            area / 3000 * (60 + 70 * max(0.0, 15 - known[day])) * rng.gauss(1, 0.06)
            * (1.3 if kind == "pool" and day >= RECENT else 1.0) * (0.94 if day >= YEAR.first else 1.0),
        )
        for day in SPAN
    ]  # fmt: skip
    electricity = [Stretch(Days(day, day + timedelta(days=1)), area / 3000 * 420 * rng.gauss(1, 0.05)) for day in SPAN]
    water = [Stretch(Days(day, day + timedelta(days=1)), area / 1000 * rng.gauss(2, 0.2)) for day in SPAN]
    if kind == "depot":
        return Metered({Carrier.ELECTRICITY: electricity[:500]})
    return Metered({Carrier.ELECTRICITY: electricity, Carrier.GAS: gas, Carrier.WATER: water})


def material() -> Material:
    """A month of Ixelles."""
    book = Book((OWN, shipped_factors()))
    known = temperatures()
    climate = Climate(known, "uccle", book)
    accounts = []
    for place, (name, title, kind, area, hours) in enumerate(BUILDINGS):
        supplies = (Carrier.ELECTRICITY, Carrier.GAS, Carrier.WATER)
        building = Building(
            name, title, kind, "ixelles", "Ixelles", area_m2=area, opening_hours=hours, supplies=supplies
        )
        metered = _metered(place, kind, area or 2000.0, known)
        load = _load(kind, (area or 2000.0) * 4) if kind in {"town_hall", "school", "pool"} else None
        site = {"id": name, "name": title, "kind": kind, "gateway": "gw"}
        community = Community.model_validate({"id": "ixelles", "name": "Ixelles", "sites": [site]})
        accounts.append(
            Account(
                Place(community, community.sites[0]),
                building_year(building, metered, YEAR, climate),
                metered,
                find_savings(building, metered, load, climate, MONTH.end),
                None,
                None,
            )
        )
    targets = [target_state(one, [each.year for each in accounts]) for one in book.targets("Ixelles", MONTH.end)]
    return Material("Ixelles", MONTH, accounts, targets, book, "uccle", date(2026, 11, 3))
