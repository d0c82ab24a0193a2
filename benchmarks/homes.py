"""`python -m benchmarks.homes FILE`: the back-test of CityLearn's 17 homes, a year by the hour, as docs/dispatch.md has it."""

from __future__ import annotations

import argparse
import csv
import gzip
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from unittest.mock import patch

import numpy as np

from cli.backtest.command import backtest
from energy.dispatch.planner import Outlook, Plan, Planner
from energy.dispatch.storage import Floats

__all__ = ["Part", "as_the_centre_follows", "main", "write_case"]

CASES: Final = {
    "own": ("own", "", ""),
    "pooled": ("pooled", "", ""),
    "own-capacity": ("own", ", capacity: {eur_kw: 4}", ""),
    "pooled-capacity": ("pooled", ", capacity: {eur_kw: 4}", ""),
    "pooled-perfect": ("pooled", "", "forecast: perfect\nhorizon_h: 48\n"),
}
_HOMES: Final = range(1, 18)
_FIRST: Final = datetime(2016, 7, 31, 23, tzinfo=UTC)  # the file's own clock, taken as UTC
_BATTERY: Final = "{capacity_kwh: 6.4, power_kw: 5.0, round_trip_efficiency: 0.9}"
_HELD_EUR_KWH: Final = 1e6
_HEAD: Final = (
    "| case | no control | plain rule | commonwatt | perfect foresight | captured | worse than the rule | s |\n"
    + "|---" * 8
    + "|"
)


@dataclass(frozen=True, slots=True)
class Part:
    """What of the file is a case: which homes, which days (None: all), and how long a step is."""

    homes: tuple[int, ...] = tuple(_HOMES)
    first_day: int = 0
    days: int | None = None
    minutes: int = 60


def main() -> None:
    """Prints a row per case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.homes", description=__doc__)
    parser.add_argument("file", type=Path, help="citylearn2022_17homes_hourly.csv.gz")
    parser.add_argument("--only", choices=CASES, action="append", help="this case; may be given again")
    parser.add_argument(
        "--centre", action="store_true", help="plans that know the peak are followed as the centre does"
    )
    parser.add_argument("--days", type=int, help="so many days, from nothing, instead of the year")
    parser.add_argument("--first-day", type=int, default=0, help="of those days, in the file")
    parser.add_argument(
        "--minutes", type=int, default=60, choices=(15, 30, 60), help="length of a step; noise within the hour"
    )
    parser.add_argument("--home", type=int, choices=_HOMES, action="append", help="this home; may be given again")
    wanted = parser.parse_args()
    part = Part(tuple(wanted.home or _HOMES), wanted.first_day, wanted.days, wanted.minutes)
    print(_HEAD)
    follows = as_the_centre_follows() if wanted.centre else nullcontext()
    with tempfile.TemporaryDirectory() as folder, follows:
        for name in wanted.only or CASES:
            print(_row(name, wanted.file, Path(folder) / name, part), flush=True)


@contextmanager
def as_the_centre_follows() -> Iterator[None]:
    """The balancer is given the value curve in hundredths and a peak target that it holds, and nothing else of the plan."""
    planned = Planner.plan

    def plan(planner: Planner, outlook: Outlook, energy_kwh: Floats) -> Plan:
        found = planned(planner, outlook, energy_kwh)
        if found.peak_value is None:
            return found
        hundredths = found.value_eur_kwh.reshape(len(energy_kwh), 100, -1)
        value = np.repeat(hundredths.mean(axis=2), hundredths.shape[2], axis=1)
        held = np.full_like(found.over_eur_kwh, _HELD_EUR_KWH)
        return replace(found, value_eur_kwh=value, over_eur_kwh=held, peak_value=None)

    with patch.object(Planner, "plan", plan):
        yield


def write_case(name: str, file: Path, case: Path, part: Part | None = None) -> None:
    """Writes case.yaml and data.csv of one of `CASES`."""
    part = part or Part()
    metering, capacity, more = CASES[name]
    case.mkdir(parents=True, exist_ok=True)
    sites = "".join(f"      - {{id: home-{home:02d}, batteries: [{_BATTERY}]}}\n" for home in part.homes)
    (case / "case.yaml").write_text(
        f"name: {name}\ntimezone: UTC\n{more}tariffs: {{tou: {{feed_in_eur_kwh: 0.08{capacity}}}}}\n"
        f"communities:\n  - id: homes\n    metering: {metering}\n    sites:\n{sites}",
        encoding="utf-8",
    )
    with gzip.open(file, "rt", encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    first = 0 if part.days is None else 1 + 24 * part.first_day  # the file's first hour is the last of a day
    rows = rows[first:] if part.days is None else rows[first : first + 24 * part.days]
    within = 60 // part.minutes
    powers = {
        column: _within_hours(np.array([float(row[column]) for row in rows]), within, seed)
        for seed, column in enumerate(f"{kind}_{home}" for home in part.homes for kind in ("load", "pv"))
    }
    with (case / "data.csv").open("w", encoding="utf-8") as out:
        out.write("start,site,load_kw,pv_kw,price_eur_kwh\n")
        for step in range(len(rows) * within):
            start = (_FIRST + timedelta(hours=first, minutes=step * part.minutes)).isoformat()
            for home in part.homes:
                load, pv = powers[f"load_{home}"][step], powers[f"pv_{home}"][step]
                out.write(f"{start},home-{home:02d},{load},{pv},{rows[step // within]['price']}\n")


def _within_hours(mean_kw: Floats, steps: int, seed: int) -> Floats:
    """Hourly means as so many steps an hour: noise (gamma, deviation one half) that keeps each hour's mean."""
    if steps == 1:
        return mean_kw
    noise = np.random.default_rng(seed).gamma(4.0, size=(len(mean_kw), steps))
    return np.asarray((mean_kw[:, None] * noise / noise.mean(axis=1, keepdims=True)).round(4).ravel())


def _row(name: str, file: Path, case: Path, part: Part) -> str:
    write_case(name, file, case, part)
    began = time.process_time()
    facts = backtest(case, case / "out")
    digits = 0 if part.days is None else 2
    costs = [f"{each['cost_eur']:,.{digits}f}" for each in facts["controllers"].values()]
    worse = facts["communities"][0]["members_worse_than_plain_rule"]
    seconds = time.process_time() - began
    return f"| {name} | {' | '.join(costs)} | {facts['captured'] or 0.0:.4f} | {len(worse)} | {seconds:.0f} |"


if __name__ == "__main__":
    main()
