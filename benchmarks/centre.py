"""The collector's cost with the embedded store, against receiving and storing with nothing around them."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import workload
from benchmarks.measure import Run, Table, measured, memory_mb
from benchmarks.processes import in_background, in_child, mosquitto, service
from benchmarks.publisher import WINDOW, confirm_bare, publish
from energy.quantities import QUANTITIES
from storage.history.sqlite import SqliteHistory

__all__ = ["COLLECTOR", "STORE", "WINDOW", "centre", "collect"]

BATCH = 500
RECEIVE, INSERT, STORE = "bare receive", "bare `executemany`", "our store alone"
COLLECTOR = "collector, embedded store"


def centre(runs: int) -> list[Table]:
    """500 devices behind 50 gateways, a message per gateway and cycle."""
    rows = measured(
        runs,
        {
            RECEIVE: (_receive, "one MQTT socket, frames split, PUBACK and confirmation; nothing decoded"),
            INSERT: (lambda: in_child(insert_bare), f"a table of the same shape, {BATCH} a commit, WAL, synced"),
            STORE: (lambda: in_child(store_alone), f"`SqliteHistory.write`, {BATCH} a call"),
            COLLECTOR: (
                _collector,
                "{core:.0%} of a core; mosquitto {broker_us:.1f} µs a reading, {memory_mb:.0f} MiB resident",
            ),
        },
    )
    title = (
        f"Centre: {workload.DEVICES} devices, ten readings of {len(workload.NAMES)} values a message, embedded store"
    )
    return [Table(title, "reading", rows, [RECEIVE, INSERT])]


def _collector() -> Run:
    with tempfile.TemporaryDirectory() as name:
        return collect(Path(name), {"kind": "embedded", "path": str(Path(name) / "history.db")}, {})


def collect(folder: Path, store: dict[str, Any], pids: dict[str, int]) -> Run:
    """The workload through a broker and `commonwatt collector` into `store`, until all of it is confirmed."""
    with mosquitto(folder) as (port, broker):
        config = {
            "communities": workload.communities(),
            "mqtt": {"port": port},
            "store": store,
            "register": {"path": str(folder / "register.db")},
        }
        with service("collector", config, folder) as pid:
            run = in_child(publish, port, {"measured": pid, "broker": broker, **pids})
            return Run(run.count, run.seconds, run.cpu_s, {**run.facts, "memory_mb": memory_mb(pid)})


def _receive() -> Run:
    with (
        tempfile.TemporaryDirectory() as name,
        mosquitto(Path(name)) as (port, broker),
        in_background(confirm_bare, port) as pid,
    ):
        return in_child(publish, port, {"measured": pid, "broker": broker})


def insert_bare() -> Run:
    """The bound of storing: prebuilt tuples, one prepared statement, the pragmas our store has."""
    columns = ", ".join(f"{name} {'TEXT' if name == 'state' else 'REAL'}" for name in QUANTITIES)
    marks = ", ".join("?" for _ in range(3 + len(QUANTITIES)))
    devices: dict[str, int] = {}
    records = [
        (devices.setdefault(row.tags.device, len(devices)), row.t, None, *map(row.values.get, QUANTITIES))
        for row in workload.rows()
    ]
    with tempfile.TemporaryDirectory() as name:
        database = sqlite3.connect(Path(name) / "bare.db", isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=8000", "cache_size=-32768"):
            database.execute(f"PRAGMA {pragma}")
        database.execute(
            "CREATE TABLE reading (device INTEGER NOT NULL, t INTEGER NOT NULL, bad TEXT,"
            f" {columns}, PRIMARY KEY (device, t)) WITHOUT ROWID"
        )

        def write(batch: list[tuple[Any, ...]]) -> None:
            database.execute("BEGIN IMMEDIATE")
            database.executemany(f"INSERT INTO reading VALUES ({marks})", batch)
            database.execute("COMMIT")

        run = _written(write, records)
        database.close()
    return run


def store_alone() -> Run:
    """Our store with finished rows, without MQTT, checks, live state and marks around it."""
    with tempfile.TemporaryDirectory() as name:
        history = SqliteHistory(Path(name) / "history.db")
        run = _written(history.write, list(workload.rows()))
        history.close()
    return run


def _written(write: Callable[[list[Any]], None], records: Sequence[Any]) -> Run:
    warm = workload.WARM_CYCLES * workload.DEVICES
    for batch in workload.in_batches(records[:warm], BATCH):
        write(batch)
    cpu, began = time.process_time(), time.perf_counter()
    for batch in workload.in_batches(records[warm:], BATCH):
        write(batch)
    return Run(workload.READINGS, time.perf_counter() - began, time.process_time() - cpu)
