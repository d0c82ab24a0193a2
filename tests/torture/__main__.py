"""`python -m tests.torture`: the long form, and the page that tells what it found."""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import cast

from runtime.service import configure_logs
from tests.torture.harness import Verdict, torture
from tests.torture.installation import StoreKind, missing

_PAGE = """# Under torture

Written by `make torture`; {when}, {machine}.

Simulated roofs, four gateways, a mosquitto, a collector, an API and a store run as processes, at {speed:g} times the pace of
a clock, each behind a line of its own. At random they are killed, frozen, robbed of their disk or its speed, set wrong, cut
off, slowed down or left talking into nothing; whoever was killed is started again, nothing else is touched. Every gateway
tells before and after each commit what it keeps. At the end the store must hold every reading that was committed, once,
unaltered and nothing else; and all quarter-hours must equal those that the same readings give when they are delivered
through a broker and a collector that nothing happens to.

{tables}
What this does not show: loss of power (kill -9 leaves what the kernel holds; what is committed is synced, see
[edge.md](edge.md)), and a disk that lies about that.
"""


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--store", choices=("embedded", "influxdb"), action="append", help="default: both")
    parser.add_argument("--out", type=Path, help="write the page there")
    told = parser.parse_args()
    configure_logs()
    tables, clean = [], True
    for store in cast("list[StoreKind]", told.store or ["embedded", "influxdb"]):
        if lack := missing(store):
            print(f"{store}: left out, {lack}", file=sys.stderr)
            continue
        folder = Path(tempfile.mkdtemp(prefix="torture-"))
        verdict = asyncio.run(torture(folder, store, most_kills=told.kills, seed=told.seed))
        clean &= verdict.clean
        tables.append(_table(store, verdict))
        print(tables[-1] if verdict.clean else f"{verdict}\nwhat the processes said: {folder}/said.log")
    if told.out is not None and clean:
        told.out.write_text(_page(tables), encoding="utf-8")
    return 0 if clean and tables else 1


def _page(tables: list[str]) -> str:
    from tests.torture.installation import SPEED

    when = dt.datetime.now(dt.UTC).date().isoformat()
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[1]:.1f}"
    return _PAGE.format(when=when, machine=machine, speed=SPEED, tables="\n".join(tables))


def _table(store: str, verdict: Verdict) -> str:
    rows = [
        ("kills", verdict.kills),
        ("commits of the gateways", verdict.commits),
        ("readings committed", verdict.committed),
        ("of these not in the store", len(verdict.lost)),
        ("in the store more than once", len(verdict.doubled)),
        ("in the store with another value", len(verdict.altered)),
        ("in the store though no gateway read them", len(verdict.invented)),
        ("quarter-hours of devices and sites compared", verdict.quarters),
        ("of these other than undisturbed", len(verdict.other_quarters)),
        ("processes that began on a full disk, ended and were started again", verdict.ended_for_room),
        ("processes that ended by themselves for any other reason", sum(verdict.ended_alone.values())),
        ("seconds until the store had all after the last fault", f"{verdict.caught_up_s:.1f}"),
    ]
    found = "\n".join(
        f"| {name} | {value:,} |" if isinstance(value, int) else f"| {name} | {value} |" for name, value in rows
    )
    struck = "\n".join(f"| {name} | {times} |" for name, times in sorted(verdict.struck.items()))
    return (
        f"## Store: {store}\n\n| | |\n|---|---:|\n{found}\n\n"
        f"| what happened, in {verdict.seconds / 60:.0f} minutes | times |\n|---|---:|\n{struck}\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())
