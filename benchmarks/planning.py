"""`python -m benchmarks.planning`: our plans beside those of EMHASS and FlexMeasures; solve times; limits in a million steps.

The two are installed from PyPI into environments of their own, under a folder that is given, and run as processes.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.measure import Facts, machine, others_cpu_seconds
from energy.dispatch.balancer import plain_rule
from energy.dispatch.fleet import tanks_of
from energy.dispatch.planner import Outlook, Planner
from energy.dispatch.program import Program
from energy.dispatch.storage import Battery, Floats, Storage
from tests.energy.dispatch.test_balancer import random_steps

__all__ = ["planning"]

PEERS: Final = {"emhass": "EMHASS", "flexmeasures": "FlexMeasures"}
_HERE: Final = Path(__file__).parent
_SELL: Final = 0.08
_KWH, _KW, _ROUND_TRIP = 6.4, 5.0, 0.9
_DAY: Final = 24

_TEXT: Final = """\
# Benchmark: planning

Written by `.venv/bin/python -m benchmarks.planning --peers DIR --out docs/benchmarks-planning.md`, which installs EMHASS and
FlexMeasures from PyPI into environments of their own under DIR when they are not there yet, and runs them as processes.
Nothing of them is part of commonwatt. Without `--out` the tables are printed.

**What.** One real home for a week (12 to 18 September 2016, hourly; `benchmarks/data/`), a battery of 6.4 kWh and 5 kW that gives
back 0.9, empty at the start, time-of-use prices, feed-in 0.08. *Optimum*: the week planned at once with its true future.
*Yesterday as forecast*: every hour a plan over 24 hours with the values of the 24 hours before; EMHASS's setpoint is held for
the hour, as it publishes it; our balancer follows the plan's value of stored energy and sees the hour's net load. EMHASS
is given an exact gap, one thread, and no limits that bind. FlexMeasures' scheduler is called itself (its fast path through
HiGHS), without its database, queue and checks, which a user pays for as well; it has no forecast of its own and so no
second row.

**How to read the times.** CPU seconds of one solve, median and slowest, of the three one after the other on one machine, for the
machine may be busy with other things: trust ratios, not figures. Ours is a program kept warm between solves, as the planner
keeps it, with net loads, prices and fill levels that are all new each time: random ones, harder than a plan that moves on by a quarter.
Every solve ended with an optimum: else this page would not have been written.

{tables}
{when}
"""


def planning(peers: Path, runs: int) -> list[Facts]:
    """All tables. Raises SystemExit when a peer cannot be installed or run."""
    task = _task(runs)
    found = {name: _peer(name, peers, task) for name in PEERS}
    return [_costs(task, found), _times(task, found), _limits()]


def _task(runs: int) -> dict[str, Any]:
    """What all plan: the day before and the week, and a site with 20 batteries."""
    with (_HERE / "data" / "home-01.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {"load_kw": "load_kw", "pv_kw": "pv_kw", "buy": "price_eur_kwh"}
    series = {name: [float(row[column]) for row in rows] for name, column in columns.items()}
    draw = np.random.default_rng(1)
    batteries = [
        {"kwh": draw.uniform(5, 50), "kw": draw.uniform(3, 20), "round_trip": draw.uniform(0.8, 0.95)}
        for _ in range(200)
    ]
    quarters = {
        "net_kw": draw.uniform(-40, 60, 96).tolist(),
        "buy": draw.uniform(0.1, 0.4, 96).tolist(),
        "sell": [0.05] * 96,
        "batteries": batteries,
    }
    battery = {"kwh": _KWH, "kw": _KW, "round_trip": _ROUND_TRIP}
    return {**series, "sell": [_SELL] * len(rows), "battery": battery, "repeat": runs, "quarters": quarters}


# ours


def _battery(kwh: float, kw: float, round_trip: float) -> Battery:
    return Battery(kwh, kw, kw, round_trip**0.5, round_trip**0.5)


def _week(task: dict[str, Any]) -> tuple[Floats, Floats, Floats]:
    net = np.array(task["load_kw"]) - np.array(task["pv_kw"])
    return net, np.array(task["buy"]), np.array(task["sell"])


def _cost(grid_kw: Floats, buy: Floats, sell: Floats) -> float:
    return float((np.maximum(grid_kw, 0) * buy - np.maximum(-grid_kw, 0) * sell).sum())


def _optimum(task: dict[str, Any]) -> float:
    net, buy, sell = (values[_DAY:] for values in _week(task))
    storage = Storage.behind([[_battery(_KWH, _KW, _ROUND_TRIP)]])
    return Program(storage, len(net), 1.0).solve(net, buy, sell, np.zeros(1)).cost_eur


def _driven(task: dict[str, Any], control: Callable[[int, Floats], Floats]) -> float:
    """Cost of the week under a controller that is given the hour and the energy in store."""
    net, buy, sell = _week(task)
    storage = Storage.behind([[_battery(_KWH, _KW, _ROUND_TRIP)]])
    energy, grid = np.zeros(1), []
    for hour in range(_DAY, len(net)):
        power = control(hour, energy)
        energy = energy + storage.stored_kwh(power, 1.0)
        grid.append(net[hour] + power[0])
    return _cost(np.array(grid), buy[_DAY:], sell[_DAY:])


def _ruled(task: dict[str, Any]) -> float:
    net, storage = _week(task)[0], Storage.behind([[_battery(_KWH, _KW, _ROUND_TRIP)]])
    return _driven(task, lambda hour, energy: plain_rule(net[hour : hour + 1], storage, energy, 1.0))


def _followed(task: dict[str, Any]) -> float:
    """Yesterday as the only scenario, followed by the balancer."""
    net, buy, sell = _week(task)
    tanks, _ = tanks_of([_battery(_KWH, _KW, _ROUND_TRIP)], [0], 1)
    planner = Planner(tanks, _DAY, 1.0)

    def control(hour: int, energy: Floats) -> Floats:
        ahead = slice(hour, hour + _DAY)
        prices = (np.pad(values[ahead], (0, max(0, hour + _DAY - len(net)))) for values in (buy, sell))
        outlook = Outlook(
            net[None, None, hour - _DAY : hour],
            *(values[None, :] for values in prices),
            billed_kw=np.zeros(1),
            ends=hour + _DAY >= len(net),
        )
        return planner.plan(outlook, energy).battery_kw(net[hour : hour + 1], energy, 1.0)

    return _driven(task, control)


def _solves(task: dict[str, Any], count: int, steps: int) -> tuple[float, list[float]]:
    """CPU seconds of the first solve with building, and of warm ones with other net loads, prices and fill levels."""
    quarters = task["quarters"]
    storage = Storage.behind([[_battery(**each)] for each in quarters["batteries"][:count]])
    net, buy, sell = (np.array(quarters[name])[:steps] for name in ("net_kw", "buy", "sell"))
    scale, draw = max(1.0, count / 20), np.random.default_rng(2)
    began = time.process_time()
    program = Program(storage, steps, 0.25)
    program.solve(scale * net, buy, sell, storage.capacity_kwh / 2)
    cold, warm = time.process_time() - began, []
    for _ in range(max(3, task["repeat"])):
        net = net + draw.normal(0, 3, steps)
        net, buy = np.roll(net, -1), np.roll(buy, -1)
        began = time.process_time()
        program.solve(scale * net, buy, sell, storage.capacity_kwh * draw.uniform(0.4, 0.6, count))
        warm.append(time.process_time() - began)
    return cold, warm


# theirs


def _peer(name: str, peers: Path, task: dict[str, Any]) -> dict[str, Any]:
    """What the peer finds for the task, in a process with its own interpreter."""
    python = peers / name / "bin" / "python"
    if not python.exists():
        print(f"installing {PEERS[name]} into {peers / name} ...", file=sys.stderr, flush=True)
        venv.create(peers / name, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", name], check=True)
    script = _HERE / f"planning_{name}.py"
    done = subprocess.run([python, script], input=json.dumps(task), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{PEERS[name]} failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout[done.stdout.index('{"version"') :])
    return found


# tables


def _costs(task: dict[str, Any], found: dict[str, Any]) -> Facts:
    net, buy, sell = (values[_DAY:] for values in _week(task))
    emhass, flexmeasures = found["emhass"], found["flexmeasures"]
    ours = _optimum(task)

    def optimum(name: str, cost: float) -> list[str]:
        return [name, f"{cost:.3f}", f"{cost / ours - 1:+.4%}"]

    rows = [
        ["no battery", f"{_cost(net, buy, sell):.3f}", ""],
        ["plain rule", f"{_ruled(task):.3f}", ""],
        optimum("optimum, commonwatt", ours),
        optimum(f"optimum, EMHASS {emhass['version']}", emhass["optimum"]),
        optimum(f"optimum, FlexMeasures {flexmeasures['version']}", flexmeasures["optimum"]),
        optimum("yesterday as forecast, commonwatt", _followed(task)),
        optimum("yesterday as forecast, EMHASS", emhass["held"]),
    ]
    return Facts("A week of one home: cost", ("how", "cost", "against our optimum"), rows)


def _times(task: dict[str, Any], found: dict[str, Any]) -> Facts:
    rows = []
    for count, steps in ((1, 24), (1, 96), (20, 96), (200, 96)):
        cold, warm = _solves(task, count, steps)
        what = f"{count} batter{'y' if count == 1 else 'ies'}, {steps} steps"
        rows.append([f"{what}: commonwatt, warm", *_seconds(warm)])
        rows.append([f"{what}: commonwatt, built and solved the first time", _shown(cold), ""])
        if steps == 24:
            rows.append([f"{what}: EMHASS", *_seconds(found["emhass"]["seconds"]["24"][1:])])
        elif str(count) in found["flexmeasures"]["seconds"]:
            rows.append([f"{what}: FlexMeasures", *_seconds(found["flexmeasures"]["seconds"][str(count)])])
    return Facts("CPU time of one solve, seconds", ("what", "median", "slowest"), rows)


def _seconds(values: list[float]) -> list[str]:
    return [_shown(float(np.median(values))), _shown(max(values))]


def _shown(seconds: float) -> str:
    return f"{seconds:.4f}"


def _limits() -> Facts:
    worst = random_steps(1000, 1000)
    rows = [["steps of the balancer with random batteries, values, prices and peaks", "1,000,000"]]
    rows.append(["worst excess over a limit of power or energy, kW or kWh", f"{worst:.1e}"])
    return Facts("Limits", ("what", "found"), rows)


def main() -> None:
    """Measures and prints; writes the page when asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planning", description="Plans beside those of others.")
    parser.add_argument(
        "--peers", type=Path, required=True, help="folder of the environments of EMHASS and FlexMeasures"
    )
    parser.add_argument("--runs", type=int, default=9, help="solves of each kind")
    parser.add_argument("--out", type=Path, help="page to write")
    wanted = parser.parse_args()
    load, before, since = os.getloadavg()[0], others_cpu_seconds(), time.monotonic()
    tables = planning(wanted.peers, wanted.runs)
    seconds = time.monotonic() - since
    others = max(0.0, (others_cpu_seconds() - before) / seconds)
    when = (
        f"**Machine.** {machine()}.\n"
        f"**How busy.** Load average before it began: {load:.2f}; other programs took {others:.2f} cores meanwhile.\n"
        f"**Versions.** highspy {version('highspy')}, numpy {version('numpy')}.\n"
        f"**When.** {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {seconds / 60:.1f} minutes."
    )
    page = _TEXT.format(tables="\n".join(table.markdown() for table in tables), when=when)
    print(page)
    if wanted.out:
        wanted.out.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
