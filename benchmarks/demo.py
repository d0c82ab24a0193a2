"""The demonstration as a newcomer meets it: seconds until twelve sites are live, and what it costs afterwards."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import cpu_seconds, memory_mb
from benchmarks.processes import demo_command, free_ports, until

__all__ = ["DemoTable", "demo", "running_demo"]

SITES = 12
SECONDS = 10.0
_PAST_S = 120.0  # by then the week of the past is there


@dataclass(frozen=True, slots=True)
class DemoTable:
    """`starts_s`: seconds to twelve live sites; `past_s`: to a week of past, with its quarter-hours; by process: share of a core, MiB."""

    starts_s: Sequence[float]
    past_s: float
    processes: Mapping[str, tuple[float, float]]

    @property
    def start_s(self) -> float:
        """Median."""
        return statistics.median(self.starts_s)

    @property
    def core(self) -> float:
        """Share of a core of all processes together."""
        return sum(core for core, _ in self.processes.values())

    def markdown(self) -> str:
        """The table as it is printed."""
        low, high = min(self.starts_s), max(self.starts_s)
        lines = [
            "### Demo: `commonwatt demo` on a fresh folder",
            "",
            f"{SITES} sites live after {self.start_s:.1f} s (median; {low:.1f} to {high:.1f}), the week before computed",
            f"after {self.past_s:.0f} s. Then, devices read every 2 s, over {SECONDS:.0f} s of one run:",
            "",
            "| process | of a core | resident MiB |",
            "|---|---:|---:|",
            *(f"| {name} | {core:.1%} | {memory:.0f} |" for name, (core, memory) in self.processes.items()),
            f"| all | {self.core:.1%} | {sum(memory for _, memory in self.processes.values()):.0f} |",
        ]
        return "\n".join(lines) + "\n"


def demo(runs: int) -> list[DemoTable]:
    """`runs` fresh starts; the last one is left running until its past is written, and then measured."""
    starts = []
    for last in [*[False] * (runs - 1), True]:
        with tempfile.TemporaryDirectory() as name, running_demo(Path(name) / "demo") as (seconds, began):
            starts.append(seconds)
            if last:
                past, processes = _settled(Path(name) / "demo", began)
    return [DemoTable(starts, past, processes)]


@contextmanager
def running_demo(folder: Path, *arguments: str) -> Iterator[tuple[float, float]]:
    """A running demonstration: (seconds it took to go live, when it began on the monotonic clock)."""
    (port,) = free_ports(1)
    began = time.monotonic()
    process = subprocess.Popen(
        demo_command(folder, port, *arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: _sites_live(port) >= SITES, f"{SITES} live sites")
        yield time.monotonic() - began, began
    finally:
        process.terminate()
        process.wait(30)


def _settled(folder: Path, began: float) -> tuple[float, dict[str, tuple[float, float]]]:
    until((folder / "backfilled").exists, "the week before", timeout_s=_PAST_S)
    until(lambda: _quarters_to_compute(folder / "dirty.db") <= 2 * SITES, "the quarter-hours of that week")
    past_s = time.monotonic() - began
    told = json.loads((folder / "processes.json").read_text(encoding="utf-8"))
    pids = {name: pid for name, pid in told.items() if pid is not None and name != "backfill"}
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    time.sleep(SECONDS)
    return past_s, {name: ((cpu_seconds(pid) - before[name]) / SECONDS, memory_mb(pid)) for name, pid in pids.items()}


def _quarters_to_compute(path: Path) -> int:
    """Quarter-hours the collector still has to compute; of each site the one that runs stays marked."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        count: int = database.execute("SELECT count(*) FROM dirty").fetchone()[0]
        return count


def _sites_live(port: int) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/live", timeout=5) as answer:
            live = json.load(answer)
    except (urllib.error.URLError, ConnectionError):
        return 0
    return sum(site["consumption_w"] is not None for site in live["sites"])
