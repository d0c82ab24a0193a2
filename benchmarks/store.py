"""The embedded store alone: what a reading costs to write, keep and read again, and what its housekeeping holds up."""

from __future__ import annotations

import random
import sqlite3
import statistics
import tempfile
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks import workload
from benchmarks.bare_chain import BareLog
from benchmarks.measure import Facts, Run, Table, measured
from benchmarks.processes import in_child
from benchmarks.store_upkeep import upkeep
from energy.quantities import Quality
from energy.quarters import QUARTER_MS
from storage.history import Row, SiteQuarter
from storage.history.sealer import Limits
from storage.history.segments import DAY_MS, segments_folder
from storage.history.sqlite import SqliteHistory

__all__ = ["bare_columns", "store"]

_STEP_MS: Final = 10_000
_CYCLES: Final = 720  # two hours of 500 devices every ten seconds
_AT_ONCE: Final = Limits(seal_rows=1, raw_days=None)
_TIMES: Final = 9


def store(runs: int) -> list[Table | Facts]:
    """500 devices, 12 values a reading."""
    tables: list[Table | Facts] = []
    for size in (500, 5000):
        bound, ours = f"bare columns, {size} a commit", f"our store, {size} a commit"
        rows = measured(
            runs,
            {
                bound: (
                    lambda n=size: in_child(bare_columns, n),
                    "finished columns to Arrow, zstd, one blob a commit, synced",
                ),
                ours: (lambda n=size: in_child(_ours, n), "`SqliteHistory.write`, {disk:.0f} bytes to disk a reading"),
            },
        )
        tables.append(
            Table(f"Embedded store: {workload.DEVICES} devices, {size} readings a commit", "reading", rows, [bound])
        )
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "history.db"
        found = in_child(_hot, path)
        first = statistics.median(in_child(_first_look, path) for _ in range(runs))
        found.append(("last values of 500 devices, first question of a process that has just begun", _ms(first)))
        found += in_child(_sealed, path)
    return [
        *tables,
        Facts("Embedded store: two hours of 500 devices every ten seconds", ("what", "found"), found),
        Facts("Embedded store: what housekeeping holds up", ("what", "found"), in_child(upkeep)),
    ]


def _ours(size: int) -> Run:
    with tempfile.TemporaryDirectory() as name:
        history = SqliteHistory(Path(name) / "history.db")
        run = _written(history.write, list(workload.in_batches(workload.rows(), size)))
        history.close()
    return run


def bare_columns(size: int) -> Run:
    """The bound: columns that are there already, the same packing, the same pragmas, nothing else."""
    batches = [
        [array("q", [row.t for row in rows]), *(array("d", [row.values[n] for row in rows]) for n in workload.NAMES)]
        for rows in workload.in_batches(workload.rows(), size)
    ]
    with tempfile.TemporaryDirectory() as name:
        log = BareLog(Path(name) / "bare.db")
        run = _written(log.write, batches)
        log.close()
    return run


def _written(write: Callable[[Any], None], batches: Sequence[Any]) -> Run:
    warm = max(1, len(batches) // 26)
    for batch in batches[:warm]:
        write(batch)
    me = psutil.Process()
    disk, cpu, began = me.io_counters().write_bytes, time.process_time(), time.perf_counter()
    count = 0
    for batch in batches[warm:]:
        write(batch)
        count += len(batch) if isinstance(batch[0], Row) else len(batch[0])
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    return Run(count, seconds, used, {"disk": (me.io_counters().write_bytes - disk) / count})


def _first_look(path: Path) -> float:
    """Seconds from a store that is just opened to its answer; the modules are loaded."""
    reader = SqliteHistory(path, read_only=True)
    seconds = _seconds(reader.last, 1)
    reader.close()
    return seconds


def _two_hours() -> list[Row]:
    return list(workload.rows(cycles=_CYCLES, step_ms=_STEP_MS))


def _hot(path: Path) -> list[tuple[str, str]]:
    """Everything in the log."""
    rows = _two_hours()
    me = psutil.Process()
    history = SqliteHistory(path, limits=_AT_ONCE)
    before = me.io_counters().write_bytes
    for batch in workload.in_batches(rows, 500):
        history.write(batch)
    written = me.io_counters().write_bytes - before
    hot = _one(path, "SELECT sum(length(blob)) FROM log")
    device, newest = rows[3].tags.device, rows[-1].t
    reader = SqliteHistory(path, read_only=True)
    found = [
        ("bytes a value in the log", f"{hot / len(rows) / len(workload.NAMES):.2f}"),
        ("bytes to disk a reading of 12 values, log alone", f"{written / len(rows):.0f}"),
        ("last values of 500 devices, after every commit", _ms(_after_commits(history, reader, rows))),
        ("the same without a commit between", _ms(_seconds(reader.last))),
        (
            "one device, two hours raw, from the log, first question",
            _ms(_seconds(lambda: reader.readings(device, 0, newest), 1)),
        ),
        ("the same again", _ms(_seconds(lambda: reader.readings(device, 0, newest)))),
    ]
    reader.close()
    history.close()
    return found


def _sealed(path: Path) -> list[tuple[str, str]]:
    """The same as files of days, and a year of quarter-hours."""
    rows = _two_hours()
    me = psutil.Process()
    history = SqliteHistory(path, limits=_AT_ONCE)
    newest, device = rows[-1].t, rows[3].tags.device
    before, began = me.io_counters().write_bytes, time.perf_counter()
    stall, write = _while_sealing(history, rows)
    sealing, written = time.perf_counter() - began, me.io_counters().write_bytes - before
    size = sum(file.stat().st_size for file in segments_folder(path).iterdir())
    raw = _seconds(lambda: history.readings(device, 0, newest))
    series = _seconds(lambda: history.series(device, "power_w", rows[0].t, newest, QUARTER_MS))
    year, packed = _year(history)
    history.close()
    return [
        ("bytes a value sealed", f"{size / len(rows) / len(workload.NAMES):.2f}"),
        ("bytes to disk a reading, by the seal", f"{written / len(rows):.0f}"),
        (f"seal of {len(rows):,} readings beside a writer", f"{sealing:.2f} s"),
        ("longest that it held the interpreter up", _ms(stall)),
        ("longest write meanwhile", _ms(write)),
        ("one device, two hours raw, sealed", _ms(raw)),
        ("the same to quarter-hours", _ms(series)),
        ("a year of quarter-hours of one site", _ms(year)),
        ("bytes a quarter-hour of a site, packed", f"{packed:.1f}"),
    ]


def _while_sealing(history: SqliteHistory, rows: Sequence[Row]) -> tuple[float, float]:
    """(longest tick of a thread that sleeps a millisecond, longest write of 500 readings) while all is sealed."""
    done = threading.Event()

    def seal() -> None:
        while history.maintain(rows[-1].t):
            pass
        done.set()

    ticks, writes = [0.0], [0.0]

    def tick() -> None:
        while not done.is_set():
            began = time.perf_counter()
            time.sleep(0.001)
            ticks.append(time.perf_counter() - began - 0.001)

    threads = [threading.Thread(target=seal), threading.Thread(target=tick)]
    for thread in threads:
        thread.start()
    while not done.is_set():
        writes.append(_seconds(lambda: history.write(rows[:500]), 1))
        if len(writes) > 40:
            done.wait()
    for thread in threads:
        thread.join()
    return max(ticks), max(writes)


def _after_commits(history: SqliteHistory, reader: SqliteHistory, rows: Sequence[Row]) -> float:
    found = []
    for _ in range(_TIMES):
        history.write(rows[-500:])
        found.append(_seconds(reader.last, 1))
    return statistics.median(found)


def _year(history: SqliteHistory) -> tuple[float, float]:
    """Seconds to read it, and bytes a quarter-hour."""
    dice = random.Random(1)
    quarters = [
        SiteQuarter(
            workload.COMMUNITY,
            "site-1",
            n * QUARTER_MS,
            *(float(dice.randrange(4000)) for _ in range(6)),  # type: ignore[arg-type]
            Quality.MEASURED,
        )
        for n in range(365 * 96)
    ]
    history.write_quarters([], quarters)
    while history.maintain(quarters[-1].start + 2 * DAY_MS):
        pass
    seconds = _seconds(lambda: history.site_quarters(["site-1"], 0, 366 * 96 * QUARTER_MS))
    with history._database.read() as connection:  # noqa: SLF001 - a fact no caller of the store needs
        (size,) = connection.execute("SELECT sum(length(blob)) FROM site_month").fetchone()
    return seconds, size / len(quarters)


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"


def _seconds(work: Callable[[], Any], times: int = _TIMES) -> float:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def _one(path: Path, query: str) -> int:
    database = sqlite3.connect(path)
    (value,) = database.execute(query).fetchone()
    database.close()
    return int(value)
