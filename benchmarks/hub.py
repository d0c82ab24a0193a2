"""`python -m benchmarks.hub DIR`: the back-test of a charging hub on four months of real sessions, as docs/dispatch.md has it."""

from __future__ import annotations

import argparse
import csv
import gzip
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from cli.backtest.command import backtest

__all__ = ["main", "write_case"]

# What a car asks, and what a kWh costs beside the day-ahead price: so much that charging at once costs 8,554 either way.
CASES: Final = {"requested": ("requested_kwh", 0.0774), "delivered": ("delivered_kwh", 0.17624)}
_ZONE: Final = ZoneInfo("America/Los_Angeles")
_FIRST, _END = datetime(2019, 5, 1, tzinfo=_ZONE).astimezone(UTC), datetime(2019, 9, 1, tzinfo=_ZONE).astimezone(UTC)
_PRICES_FROM: Final = datetime(2023, 5, 1, tzinfo=UTC)
_CHARGER_KW: Final = 6.6
_STEP: Final = timedelta(minutes=15)
_CASE: Final = f"""\
name: A charging hub
timezone: America/Los_Angeles
horizon_h: 24
tariffs: {{dynamic: {{feed_in_eur_kwh: 0, capacity: {{eur_kw: 4.17}}}}}}
communities: [{{id: hub, metering: own, sites: [{{id: caltech, charging: {{charger_kw: {_CHARGER_KW}}}}}]}}]
"""
_HEAD: Final = (
    "| energy asked | sessions | left before declared | declared over 1 h wrong | charged at once | commonwatt | unmet | perfect foresight | s |\n"
    + "|---" * 9
    + "|"
)


def main() -> None:
    """Prints a row per case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hub", description=__doc__)
    parser.add_argument(
        "directory", type=Path, help="acn_sessions_2019_2021.csv.gz and nl_day_ahead_hourly_2023_2024.csv.gz"
    )
    parser.add_argument("--only", choices=CASES, action="append", help="this case; may be given again")
    wanted = parser.parse_args()
    print(_HEAD)
    with tempfile.TemporaryDirectory() as folder:
        for name in wanted.only or CASES:
            print(_row(name, wanted.directory, Path(folder) / name), flush=True)


def write_case(name: str, directory: Path, case: Path) -> list[timedelta]:
    """Writes case.yaml, data.csv and sessions.csv of one of `CASES`; how much later than it left each car had declared."""
    column, added = CASES[name]
    case.mkdir(parents=True, exist_ok=True)
    (case / "case.yaml").write_text(_CASE, encoding="utf-8")
    prices = {
        row["time_utc"]: float(row["eur_per_mwh"]) / 1000 for row in _rows(directory, "nl_day_ahead_hourly_2023_2024")
    }
    with (case / "data.csv").open("w", encoding="utf-8") as out:
        out.write("start,site,load_kw,pv_kw,price_eur_kwh\n")
        for step in range((_END - _FIRST) // _STEP):
            hour = f"{_PRICES_FROM + step * _STEP:%Y-%m-%d %H}:00"
            out.write(f"{(_FIRST + step * _STEP).isoformat()},caltech,0,0,{prices[hour] + added:.6f}\n")
    late = []
    with (case / "sessions.csv").open("w", encoding="utf-8") as out:
        out.write("site,arrival,departure,energy_kwh,declared_departure\n")
        for arrival, departure, declared, asked in _sessions(directory, column):
            possible = _CHARGER_KW * ((departure - arrival) / timedelta(hours=1))
            energy = min(asked, possible) if name == "requested" else asked
            out.write(f"caltech,{arrival.isoformat()},{departure.isoformat()},{energy:.5f},{declared.isoformat()}\n")
            late.append(declared - departure)
    return late


def _sessions(directory: Path, column: str) -> Iterator[tuple[datetime, datetime, datetime, float]]:
    """Arrival, departure, declared departure and energy, kWh, of the hub's sessions that began in these months."""
    for row in _rows(directory, "acn_sessions_2019_2021"):
        if row["site"] == "caltech" and _FIRST <= _instant(row["arrival"]) < _END:
            arrival, departure, declared = (_instant(row[at]) for at in ("arrival", "departure", "estimated_departure"))
            yield arrival, departure, declared, float(row[column])


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _rows(directory: Path, name: str) -> Iterator[dict[str, str]]:
    with gzip.open(directory / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _row(name: str, directory: Path, case: Path) -> str:
    late = write_case(name, directory, case)
    left, wrong = (
        sum(map(told, late)) / len(late)
        for told in (lambda by: by > timedelta(), lambda by: abs(by) > timedelta(hours=1))
    )
    began = time.process_time()
    facts = backtest(case, case / "out")["controllers"]
    rule, ours, perfect = (facts[each]["cost_eur"] for each in ("plain_rule", "commonwatt", "perfect_foresight"))
    unmet = facts["commonwatt"]["cars_unmet_kwh"] / facts["commonwatt"]["cars_asked_kwh"]
    seconds = time.process_time() - began
    return f"| {name} | {len(late)} | {left:.0%} | {wrong:.0%} | {rule:,.0f} | {ours:,.0f} | {unmet:.2%} | {perfect:,.0f} | {seconds:.0f} |"


if __name__ == "__main__":
    main()
