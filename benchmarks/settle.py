"""What settling costs: the keys beside bare numpy arithmetic, and the whole command from file to file."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv
from pyarrow import parquet as pq

from benchmarks.measure import Facts, Run, Table, measured
from benchmarks.processes import in_child
from energy.quarters import QUARTER_MS
from energy.sharing.ean import check_digit
from energy.sharing.key import SHORT_NAMES, Roster, SharingKey
from energy.sharing.whole import share_whole

__all__ = ["settle"]

Energies = npt.NDArray[np.int64]
_Divide = Callable[[Energies, Energies, Energies], Energies]

_POINTS: Final = 1000
_QUARTERS: Final = 2880
_START: Final = 1_767_225_600_000
_BOUND: Final = "numpy alone, pro rata"
_ADDED_UP: Final = "numpy alone, pro rata, added up"
_COMMANDS: Final = {  # name: (points, days, Parquet, runs at most)
    "100 points, a month, CSV": (100, 30, False, 9),
    "1,000 points, a month, Parquet": (1000, 30, True, 9),
    "1,000 points, a year, Parquet": (1000, 365, True, 1),
}


def settle(runs: int) -> list[Table | Facts]:
    """1,000 points of which every fifth injects, and the files of a month and a year."""
    paths: Mapping[str, tuple[Callable[[], Run], str]] = {
        _BOUND: (
            lambda: in_child(_bare, _floored),
            "`c * min(G, C) // C` on both sides: nothing added up, no own injection, no ties",
        ),
        _ADDED_UP: (
            lambda: in_child(_bare, _by_remainders),
            "the same with the Wh that flooring leaves given to the largest remainders; no own injection",
        ),
    }
    ours = {name: (lambda name=name: in_child(_key, name), "`share_whole`, exact to the Wh") for name in SHORT_NAMES}
    rows = measured(runs, {**paths, **ours})
    title = f"Sharing: {_POINTS:,} points, {_QUARTERS:,} quarter-hours, by key; thousands of points in a quarter-hour"
    return [
        Table(title, "thousand", rows, [_BOUND]),
        Facts("`commonwatt settle`, file to file", ("what", "CPU", "time", "memory", "rows/s"), _commands(runs)),
    ]


def _energies(points: int, quarters: int, seed: int = 1) -> tuple[Energies, Energies]:
    """Wh withdrawn and injected: about as much as a fifth of the points with roofs would, from none to more than is used."""
    random = np.random.default_rng(seed)
    withdrawal = random.integers(0, 3000, (quarters, points))
    roofs = np.arange(points) % 5 == 0
    sun = random.random((quarters, 1)) * 6000
    return withdrawal, np.where(roofs, random.integers(0, 3000, (quarters, points)) * sun // 1500, 0).astype(np.int64)


def _bare(divide: _Divide) -> Run:
    withdrawal, injection = _energies(_POINTS, _QUARTERS)
    return _timed(lambda: _numpy_alone(withdrawal, injection, divide))


def _numpy_alone(withdrawal: Energies, injection: Energies, divide: _Divide) -> tuple[Energies, Energies]:
    received, given = np.empty_like(withdrawal), np.empty_like(injection)
    for first in range(0, _QUARTERS, 64):
        rows = slice(first, first + 64)
        pool, wanted = injection[rows].sum(axis=1, keepdims=True), withdrawal[rows].sum(axis=1, keepdims=True)
        received[rows] = divide(withdrawal[rows], np.minimum(pool, wanted), np.maximum(wanted, 1))
        total = received[rows].sum(axis=1, keepdims=True)
        given[rows] = divide(injection[rows], total, np.maximum(pool, 1))
    return received, given


def _floored(parts: Energies, amount: Energies, total: Energies) -> Energies:
    """`amount` of each row in proportion to its parts, which are `total` together."""
    return parts * amount // total


def _by_remainders(parts: Energies, amount: Energies, total: Energies) -> Energies:
    """The same, and what flooring leaves is given out as well."""
    product = parts * amount
    floors = product // total
    order = np.argsort(floors * total - product, axis=1, kind="stable")
    missing = np.arange(parts.shape[1]) < amount - floors.sum(axis=1, keepdims=True)
    more = np.zeros(parts.shape, dtype=bool)
    np.put_along_axis(more, order, missing, axis=1)
    return floors + more


def _key(name: str) -> Run:
    withdrawal, injection = _energies(_POINTS, _QUARTERS)
    points = [f"p{n:04}" for n in range(_POINTS)]
    standing = {point: {"weight": f"1/{_POINTS}", "tier": 1 + n % 3} for n, point in enumerate(points)}
    key = SharingKey.model_validate({"participants": standing, "rounds": name})
    roster = Roster.of(key, points, [True] * _POINTS)
    known = np.ones(withdrawal.shape, dtype=bool)
    return _timed(lambda: share_whole(key, roster, withdrawal, injection, known))


def _timed(work: Callable[[], Any]) -> Run:
    began, cpu = time.perf_counter(), time.process_time()
    work()
    return Run(_POINTS * _QUARTERS / 1000, time.perf_counter() - began, time.process_time() - cpu)


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
            withdrawal, injection = _energies(points, 96, seed=day)
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
