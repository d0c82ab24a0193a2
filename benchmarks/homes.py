"""`python -m benchmarks.homes FILE`: the back-test of CityLearn's 17 homes, a year by the hour, as docs/dispatch.md has it."""

from __future__ import annotations

import argparse
import csv
import gzip
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cli.backtest.command import backtest

__all__ = ["main", "write_case"]

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
_HEAD: Final = (
    "| case | no control | plain rule | commonwatt | perfect foresight | captured | worse than the rule | s |\n"
    + "|---" * 8
    + "|"
)


def main() -> None:
    """Prints a row per case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.homes", description=__doc__)
    parser.add_argument("file", type=Path, help="citylearn2022_17homes_hourly.csv.gz")
    parser.add_argument("--only", choices=CASES, action="append", help="this case; may be given again")
    wanted = parser.parse_args()
    print(_HEAD)
    with tempfile.TemporaryDirectory() as folder:
        for name in wanted.only or CASES:
            print(_row(name, wanted.file, Path(folder) / name), flush=True)


def write_case(name: str, file: Path, case: Path) -> None:
    """Writes case.yaml and data.csv of one of `CASES`."""
    metering, capacity, more = CASES[name]
    case.mkdir(parents=True, exist_ok=True)
    sites = "".join(f"      - {{id: home-{home:02d}, batteries: [{_BATTERY}]}}\n" for home in _HOMES)
    (case / "case.yaml").write_text(
        f"name: {name}\ntimezone: UTC\n{more}tariffs: {{tou: {{feed_in_eur_kwh: 0.08{capacity}}}}}\n"
        f"communities:\n  - id: homes\n    metering: {metering}\n    sites:\n{sites}",
        encoding="utf-8",
    )
    with (
        gzip.open(file, "rt", encoding="utf-8", newline="") as source,
        (case / "data.csv").open("w", encoding="utf-8") as out,
    ):
        out.write("start,site,load_kw,pv_kw,price_eur_kwh\n")
        for step, row in enumerate(csv.DictReader(source)):
            start = (_FIRST + timedelta(hours=step)).isoformat()
            for home in _HOMES:
                out.write(f"{start},home-{home:02d},{row[f'load_{home}']},{row[f'pv_{home}']},{row['price']}\n")


def _row(name: str, file: Path, case: Path) -> str:
    write_case(name, file, case)
    began = time.process_time()
    facts = backtest(case, case / "out")
    costs = [f"{each['cost_eur']:,.0f}" for each in facts["controllers"].values()]
    worse = facts["communities"][0]["members_worse_than_plain_rule"]
    seconds = time.process_time() - began
    return f"| {name} | {' | '.join(costs)} | {facts['captured']:.4f} | {len(worse)} | {seconds:.0f} |"


if __name__ == "__main__":
    main()
