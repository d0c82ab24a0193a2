"""How things are measured: CPU time by the kernel's accounting, paths interleaved, medians, Markdown tables."""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

__all__ = [
    "Facts",
    "Row",
    "Run",
    "Table",
    "cpu_seconds",
    "machine",
    "measured",
    "memory_mb",
    "others_cpu_seconds",
    "version_of",
]

_SCHEDULED_CLOCK = 2  # the kernel's number for a process's CPU time in nanoseconds (CPUCLOCK_SCHED)


@dataclass(frozen=True, slots=True)
class Run:
    """`count` units of work done in `seconds`, at `cpu_s` of the measured process; `facts` by name, for the note."""

    count: float
    seconds: float
    cpu_s: float
    facts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """The runs of one path. `note` is formatted with the medians of the runs' facts."""

    name: str
    runs: Sequence[Run]
    note: str = ""

    @property
    def per_s(self) -> float:
        """Median of units a second."""
        return statistics.median(run.count / run.seconds for run in self.runs)

    @property
    def cpu_us(self) -> float:
        """Median of CPU microseconds a unit."""
        return statistics.median(self._cpu_us)

    @property
    def range_us(self) -> tuple[float, float]:
        """Least and most of CPU microseconds a unit."""
        return min(self._cpu_us), max(self._cpu_us)

    @property
    def facts(self) -> dict[str, float]:
        """Medians of the facts, with `core`: the share of one core used."""
        names = {name for run in self.runs for name in run.facts}
        medians = {name: statistics.median(run.facts[name] for run in self.runs) for name in names}
        return {"core": statistics.median(run.cpu_s / run.seconds for run in self.runs), **medians}

    @property
    def _cpu_us(self) -> list[float]:
        return [run.cpu_s / run.count * 1e6 for run in self.runs]


@dataclass(frozen=True, slots=True)
class Table:
    """Paths beside each other. `bounds`: the rows whose CPU together is the raw bound."""

    title: str
    unit: str
    rows: Sequence[Row]
    bounds: Sequence[str]

    @property
    def names(self) -> list[str]:
        """Of its paths."""
        return [row.name for row in self.rows]

    @property
    def bound_us(self) -> float:
        """CPU microseconds a unit of the raw bound."""
        return sum(row.cpu_us for row in self.rows if row.name in self.bounds)

    def ratio(self, name: str) -> float:
        """CPU a unit of a path, in multiples of the raw bound."""
        return self.row(name).cpu_us / self.bound_us

    def row(self, name: str) -> Row:
        """The path of that name."""
        return next(row for row in self.rows if row.name == name)

    def markdown(self) -> str:
        """The table as it is printed."""
        article = "an" if self.unit[0] in "aeiou" else "a"
        lines = [
            f"### {self.title}",
            "",
            f"| path | {self.unit}s/s | CPU µs {article} {self.unit}, median (range) | × raw bound | |",  # noqa: RUF001
            "|---|---:|---:|---:|---|",
        ]
        for row in self.rows:
            low, high = row.range_us
            name = f"{row.name} *(bound)*" if row.name in self.bounds else row.name
            note = row.note.format(**row.facts)
            cpu = f"{row.cpu_us:,.1f} ({low:,.1f} to {high:,.1f})"
            ratio = self.ratio(row.name)
            lines.append(f"| {name} | {row.per_s:,.0f} | {cpu} | {ratio:.{1 if ratio >= 1 else 2}f} | {note} |")
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Facts:
    """Findings in words and figures; the first column names, the others are figures."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """The table as it is printed."""
        head = f"| {' | '.join(self.columns)} |"
        lines = [f"### {self.title}", "", head, "|---|" + "---:|" * (len(self.columns) - 1)]
        return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in self.rows)]) + "\n"


def measured(runs: int, paths: Mapping[str, tuple[Callable[[], Run], str]]) -> list[Row]:
    """Every path `runs` times, interleaved, so that a noisy minute hits all of them alike."""
    found: dict[str, list[Run]] = {name: [] for name in paths}
    for _ in range(runs):
        for name, (run, _note) in paths.items():
            found[name].append(run())
    return [Row(name, found[name], note) for name, (_, note) in paths.items()]


def cpu_seconds(pid: int) -> float:
    """CPU time of a process with all its threads, ended ones too; to the nanosecond, not to the tick."""
    return time.clock_gettime((~pid << 3) | _SCHEDULED_CLOCK)


def others_cpu_seconds() -> float:
    """CPU time of everything on this machine but us and our ended children; only differences mean something."""
    machine_wide = psutil.cpu_times()
    busy = machine_wide.user + machine_wide.nice + machine_wide.system + machine_wide.irq + machine_wide.softirq
    ours = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return float(busy - sum(usage.ru_utime + usage.ru_stime for usage in ours))


def memory_mb(pid: int) -> float:
    """Resident memory of a process, MiB."""
    return float(psutil.Process(pid).memory_info().rss / 2**20)


def machine() -> str:
    """The machine in one line."""
    facts = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.split(":")[1].strip() for line in facts if line.startswith("model name")), platform.machine())
    memory = psutil.virtual_memory().total / 2**30
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, {system}"


def version_of(*command: str) -> str:
    """The first line a program says of its version."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except FileNotFoundError:
        return "not installed"
    told = (done.stdout or done.stderr).strip()
    return told.splitlines()[0] if told else "of unknown version"
