"""Writes a simulated July of the demonstration's community Ixelles as a meter company's file; the same numbers at every call.

python readings.py meters.csv            the pool's meter says nothing on 14 July
python readings.py meters.csv --late     what it said when somebody had read it by hand
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from simulator.config import DeviceConfig, LoadConfig, SimulatorConfig, SiteConfig
from simulator.demo import demo_fleet
from simulator.load import Profile
from simulator.world import World

SEED = 7
ZONE = ZoneInfo("Europe/Brussels")
FIRST, END = datetime(2026, 7, 1, tzinfo=ZONE), datetime(2026, 8, 1, tzinfo=ZONE)
QUARTER = timedelta(minutes=15)
SILENT = ("ixelles-pool", datetime(2026, 7, 14, tzinfo=ZONE).date())
EANS = {  # made up, with valid check digits
    "ixelles-town-hall": "541448910006000017",
    "ixelles-depot": "541448910006000024",
    "ixelles-school": "541448910006000031",
    "ixelles-pool": "541448910006000048",
    "bakery": "541448910006000055",
    "home-1": "541448910006000062",
    "home-2": "541448910006000079",
}
SMALL: dict[str, tuple[Profile, float]] = {  # profile and kWh a year of members that the demonstration has no roof of
    "bakery": ("depot", 38_000),
    "home-1": ("social_housing", 3_100),
    "home-2": ("social_housing", 2_400),
}


def world() -> World:
    """The community's four buildings with roofs, batteries, cars and heat pump, and three members who only take."""
    own = [site for site in demo_fleet(12).config.sites if site.id in EANS]
    meter = DeviceConfig(id="grid", kind="sdm630", role="grid", port=16000)
    small = [
        SiteConfig(
            id=name,
            latitude=50.83,
            longitude=4.37,
            load=LoadConfig(profile=profile, annual_kwh=kwh),
            devices=(meter.model_copy(update={"port": 16000 + number}),),
        )
        for number, (name, (profile, kwh)) in enumerate(SMALL.items())
    ]
    return World(SimulatorConfig(seed=SEED, sites=(*own, *small)), _ms(FIRST))


def rows(late: bool) -> Iterator[str]:
    """A line for each meter and quarter-hour, by the local clock, with decimal commas."""
    simulated = world()
    counted = {site: counters(simulated, site) for site in EANS}
    yield "EAN;Start;Withdrawal (kWh);Injection (kWh)"
    for number in range((_ms(END) - _ms(FIRST)) // 900_000):
        start = FIRST + number * QUARTER  # July has no change of the clock
        simulated.advance(_ms(start + QUARTER))
        for site, ean in EANS.items():
            before, counted[site] = counted[site], counters(simulated, site)
            taken, fed = (
                f"{(now - then) / 1000:.3f}".replace(".", ",") for then, now in zip(before, counted[site], strict=True)
            )
            if (site, start.date()) == SILENT and not late:
                taken = fed = ""
            yield f"{ean};{start:%Y-%m-%d %H:%M};{taken};{fed}"


def counters(simulated: World, site: str) -> tuple[int, int]:
    """What the site's grid meter counted until now: withdrawn and injected, whole Wh."""
    meter = simulated.devices[f"{site}/grid"].counters
    return round(meter.import_wh), round(meter.export_wh)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


if __name__ == "__main__":
    file, *words = sys.argv[1:]
    Path(file).write_text("\n".join(rows("--late" in words)) + "\n", encoding="utf-8")
