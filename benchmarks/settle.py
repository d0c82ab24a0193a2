"""What settling costs: the keys beside bare numpy arithmetic, and the whole command from file to file."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from pyarrow import csv
from pyarrow import parquet as pq

from benchmarks.measure import Facts
from benchmarks.processes import in_child
from benchmarks.sharing import random_energies, sharing
from energy.quarters import QUARTER_MS
from energy.sharing.ean import check_digit

__all__ = ["settle"]

_START: Final = 1_767_225_600_000
_COLUMNS: Final = ("what", "CPU", "time", "memory", "rows/s")
_COMMANDS: Final = {  # name: (points, days, Parquet, runs at most)
    "100 points, a month, CSV": (100, 30, False, 9),
    "1,000 points, a month, Parquet": (1000, 30, True, 9),
    "1,000 points, three months, Parquet": (1000, 91, True, 3),
    "1,000 points, half a year, Parquet": (1000, 182, True, 1),
    "1,000 points, a year, Parquet": (1000, 365, True, 1),
}


def settle(runs: int) -> list[Facts]:
    """1,000 points of which every fifth injects, and the files of a month and a year."""
    return [*sharing(runs), Facts("`commonwatt settle`, file to file", _COLUMNS, _commands(runs))]


def _commands(runs: int) -> list[tuple[str, ...]]:
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "key.yaml").write_text("rounds: prorata\n")
        for told, (points, days, as_parquet, most) in _COMMANDS.items():
            file = folder / "readings"
            in_child(_write, str(file), points, days, as_parquet)
            taken = [_command(folder, file) for _ in range(min(runs, most))]
            cpu, seconds, megabytes = (statistics.median(values) for values in zip(*taken, strict=True))
            rate = points * days * 96 / seconds
            found.append((told, f"{cpu:.1f} s", f"{seconds:.1f} s", f"{megabytes:,.0f} MB", f"{rate:,.0f}"))
    return found


def _write(path: str, points: int, days: int, as_parquet: bool) -> None:
    """A file of readings as gateways and grid operators give them: by start, whole Wh."""
    first = [f"5414489{n:010}" for n in range(points)]
    eans = pa.array([digits + str(check_digit(digits)) for digits in first])
    kinds = [("ean", pa.dictionary(pa.int32(), pa.string())), ("start", pa.timestamp("ms", "UTC"))]
    schema = pa.schema([*kinds, ("withdrawal_kwh", pa.float64()), ("injection_kwh", pa.float64())])
    with (pq.ParquetWriter if as_parquet else csv.CSVWriter)(path, schema) as file:
        for day in range(days):
            withdrawal, injection = random_energies(points, 96, seed=day)
            starts = _START + (day * 96 + np.arange(96)) * QUARTER_MS
            columns = [
                pa.DictionaryArray.from_arrays(pa.array(np.tile(np.arange(points, dtype=np.int32), 96)), eans),
                pa.array(np.repeat(starts, points)).cast(kinds[1][1]),
                pa.array(withdrawal.reshape(-1) / 1000),
                pa.array(injection.reshape(-1) / 1000),
            ]
            file.write_table(pa.Table.from_arrays(columns, schema=schema))


def _command(folder: Path, readings: Path) -> tuple[float, float, float]:
    """(CPU seconds, seconds, MiB) of the whole command in a process of its own."""
    options = ["--readings", readings, "--key", folder / "key.yaml", "--out", folder / "out.csv"]
    command = [sys.executable, "-m", "cli.main", "settle", *map(str, options)]
    began = time.perf_counter()
    silent = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
    process = os.posix_spawn(sys.executable, command, os.environ, file_actions=[silent])
    _, status, usage = os.wait4(process, 0)
    if status:
        raise RuntimeError(f"settle ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - began, usage.ru_maxrss / 1024
