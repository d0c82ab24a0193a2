"""`python -m benchmarks.savings DIR`: how often the savings' rules cry wolf on real loads, and which faults they find.

DIR holds `citylearn2022_17homes_hourly.csv.gz` (CityLearn Challenge 2022, MIT) and `openstef_load_pid*_15min.csv.gz`
(OpenSTEF's offline example, MPL-2.0). Nobody knows what was wrong at those places, so everything found there without a
fault of ours is counted as a false alarm. Faults are put into the last four weeks.
"""

from __future__ import annotations

import csv
import gzip
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from energy.buildings.annual import Climate
from energy.buildings.days import Carrier, Days, Stretch
from energy.buildings.factors import Book
from energy.buildings.indicators import Building, Metered
from energy.buildings.savings.find import find_savings
from energy.buildings.savings.load import Load
from energy.buildings.savings.saving import Looked
from runtime.presets import shipped_factors

ZONE: Final = "Europe/Brussels"
LOOKED_AT_DAYS: Final = 91
RECENT_DAYS: Final = 28
STUCK: Final = {12}  # a meter that stands still


@dataclass(frozen=True, slots=True)
class Place:
    """A real load: energy of steps from `start` (ms UTC), and the day's mean temperatures."""

    name: str
    starts: tuple[int, ...]
    energy_wh: tuple[float | None, ...]
    step_s: int
    temperatures: dict[date, float]
    opening_hours: str = ""

    def days(self) -> list[Stretch]:
        """Its whole days."""
        sums: dict[date, list[float | None]] = defaultdict(list)
        for start, energy in zip(self.starts, self.energy_wh, strict=True):
            sums[_local_day(start)].append(energy)
        full = 86_400 // self.step_s
        return [
            Stretch(Days(day, day + timedelta(days=1)), sum(known) / 1000 * full / len(known))
            for day, values in sorted(sums.items())
            if len(known := [value for value in values if value is not None]) >= 0.9 * full
        ]


def _local_day(start: int) -> date:
    return datetime.fromtimestamp(start / 1000, ZoneInfo(ZONE)).date()


def homes(folder: Path) -> Iterator[Place]:
    """The 17 homes; their local clock is taken for ours."""
    with gzip.open(folder / "citylearn2022_17homes_hourly.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    first = datetime(2016, 7, 31, 23, tzinfo=UTC)
    starts = tuple(int((first + timedelta(hours=n)).timestamp() * 1000) for n in range(len(rows)))
    by_day: dict[date, list[float]] = defaultdict(list)
    for start, row in zip(starts, rows, strict=True):
        by_day[_local_day(start)].append(float(row["temp"]))
    temperatures = {day: sum(values) / len(values) for day, values in by_day.items() if len(values) > 20}
    for number in range(1, 18):
        if number not in STUCK:
            energy = tuple(float(row[f"load_{number}"]) * 1000 for row in rows)
            yield Place(f"home {number}", starts, energy, 3600, temperatures)


def blocks(folder: Path) -> Iterator[Place]:
    """Four homes behind one meter, as a small block of flats."""
    each = list(homes(folder))
    for first in range(0, len(each), 4):
        four = each[first : first + 4]
        energy = tuple(
            sum(value or 0.0 for value in values) for values in zip(*(one.energy_wh for one in four), strict=True)
        )
        yield replace(four[0], name=f"block {first // 4 + 1}", energy_wh=energy)


def grid_points(folder: Path) -> Iterator[Place]:
    """The two grid points, in W of net load; the temperature is that of the forecast beside it."""
    for path in sorted(folder.glob("openstef_load_pid*_15min.csv.gz")):
        with gzip.open(path, "rt") as file:
            rows = list(csv.DictReader(file))
        starts = tuple(int(datetime.fromisoformat(row["index"]).timestamp() * 1000) for row in rows)
        energy = tuple(float(row["load"]) * 250_000 if row["load"] else None for row in rows)
        by_day: dict[date, list[float]] = defaultdict(list)
        for start, row in zip(starts, rows, strict=True):
            if row["temp"]:
                by_day[_local_day(start)].append(float(row["temp"]))
        temperatures = {day: sum(values) / len(values) for day, values in by_day.items() if len(values) > 80}
        yield Place(path.name[9:20], starts, energy, 900, temperatures, "Mo-Fr 08:00-18:00")


def look(place: Place, end: date) -> Looked:
    """What the rules find before `end`."""
    end_ms = datetime(end.year, end.month, end.day, tzinfo=ZoneInfo(ZONE)).timestamp() * 1000
    first_ms = end_ms - LOOKED_AT_DAYS * 86_400_000
    chosen = [n for n, start in enumerate(place.starts) if first_ms <= start < end_ms]
    load = Load.of_energy([place.starts[n] for n in chosen], [place.energy_wh[n] for n in chosen], ZONE, place.step_s)
    building = Building(place.name, place.name, "dwelling", "c", "m", opening_hours=place.opening_hours)
    metered = Metered({Carrier.ELECTRICITY: [one for one in place.days() if one.days.end <= end]})
    climate = Climate(place.temperatures, "there", Book((shipped_factors(),)))
    return find_savings(building, metered, load, climate, end)


Fault = Callable[[Sequence[float], Sequence[datetime]], list[float]]


def more(share: float) -> Fault:
    """Everything runs so much harder."""
    return lambda energy, _: [each * (1 + share) for each in energy]


def always_on(share: float) -> Fault:
    """A constant load of that part of the mean is left on."""

    def fault(energy: Sequence[float], _: Sequence[datetime]) -> list[float]:
        extra = share * sum(energy) / len(energy)
        return [each + extra for each in energy]

    return fault


def closed_as_open(energy: Sequence[float], when: Sequence[datetime]) -> list[float]:
    """At night and at weekends it runs at 60 % of what a working day adds."""
    by_hour: dict[int, list[float]] = defaultdict(list)
    for each, local in zip(energy, when, strict=True):
        if local.weekday() < 5:
            by_hour[local.hour].append(each)
    working = float(np.mean([np.mean(by_hour[hour]) for hour in range(9, 17)]))
    return [
        each if local.weekday() < 5 and 8 <= local.hour < 18 else max(each, 0.6 * working)
        for each, local in zip(energy, when, strict=True)
    ]


def morning_peak(energy: Sequence[float], when: Sequence[datetime]) -> list[float]:
    """From 6 to 7 everything starts at once."""
    high = 2.5 * float(np.percentile(np.array(energy), 90))
    return [max(each, high) if local.hour == 6 else each for each, local in zip(energy, when, strict=True)]


FAULTS: Final[dict[str, tuple[Fault, tuple[str, ...]]]] = {
    "5 % more": (more(0.05), ("drift",)),
    "10 % more": (more(0.10), ("drift",)),
    "20 % more": (more(0.20), ("drift",)),
    "30 % more": (more(0.30), ("drift",)),
    "10 % of the mean left on": (always_on(0.10), ("base_load", "drift")),
    "20 % of the mean left on": (always_on(0.20), ("base_load", "drift")),
    "40 % of the mean left on": (always_on(0.40), ("base_load", "drift")),
    "closed hours as open ones": (closed_as_open, ("out_of_hours",)),
    "all at once at 6": (morning_peak, ("peaks",)),
}


def with_fault(place: Place, fault: Fault, end: date, days: int) -> Place:
    """The place with a fault in the last `days` days."""
    first = end - timedelta(days=days)
    chosen = [
        n for n, start in enumerate(place.starts) if first <= _local_day(start) < end and place.energy_wh[n] is not None
    ]
    when = [datetime.fromtimestamp(place.starts[n] / 1000, ZoneInfo(ZONE)) for n in chosen]
    changed = list(place.energy_wh)
    for n, value in zip(chosen, fault([place.energy_wh[n] or 0.0 for n in chosen], when), strict=True):
        changed[n] = value
    return replace(place, energy_wh=tuple(changed))


def ends(place: Place) -> list[date]:
    """The days on which it is looked at: every four weeks, once twelve weeks are known."""
    first, last = _local_day(place.starts[0]) + timedelta(days=86), _local_day(place.starts[-1])
    return [first + timedelta(days=28 * n) for n in range((last - first).days // 28 + 1)]


def run(name: str, places: Sequence[Place]) -> None:
    """Prints what is found in one set."""
    looks = [(place, end) for place in places for end in ends(place)]
    found: Counter[str] = Counter()
    blind: Counter[str] = Counter()
    clean = {}
    for place, end in looks:
        result = look(place, end)
        clean[place.name, end] = {one.kind.value for one in result.savings}
        found.update(clean[place.name, end])
        blind.update({f"{one.kind}: {one.why}" for one in result.not_looked})
    print(f"\n{name}: {len(places)} places, {len(looks)} looks")
    print("  found without a fault of ours:", dict(found), "  could not look:", dict(blind))
    for fault, (change, kinds) in FAULTS.items():
        if "out_of_hours" in kinds and not places[0].opening_hours:
            continue
        span = LOOKED_AT_DAYS if kinds[0] in {"out_of_hours", "peaks"} else RECENT_DAYS
        hits, tried = 0, 0
        for place, end in looks:
            if clean[place.name, end] & set(kinds):
                continue  # it was found before the fault
            tried += 1
            result = look(with_fault(place, change, end, span), end)
            hits += bool({one.kind.value for one in result.savings} & set(kinds))
        share = hits / tried if tried else math.nan
        print(f"  {fault}: found in {hits} of {tried} ({share:.0%}) as {' or '.join(kinds)}")


if __name__ == "__main__":
    where = Path(sys.argv[1])
    run("CityLearn homes", list(homes(where)))
    run("blocks of four homes", list(blocks(where)))
    run("OpenSTEF grid points", list(grid_points(where)))
