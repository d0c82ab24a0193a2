"""The collector's cost with the embedded store, against receiving and storing with nothing around them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import workload
from benchmarks.measure import Run, Table, measured, memory_mb
from benchmarks.processes import in_background, in_child, mosquitto, service
from benchmarks.publisher import WINDOW, confirm_bare, publish
from benchmarks.store import bare_columns
from storage.history.sqlite import SqliteHistory

__all__ = ["COLLECTOR", "STORE", "WINDOW", "centre", "collect"]

BATCH = 500
RECEIVE, COLUMNS, STORE = "bare receive", "bare columns", "our store alone"
COLLECTOR = "collector, embedded store"


def centre(runs: int) -> list[Table]:
    """500 devices behind 50 gateways, a message per gateway and cycle."""
    rows = measured(
        runs,
        {
            RECEIVE: (_receive, "one MQTT socket, frames split, PUBACK and confirmation; nothing decoded"),
            COLUMNS: (
                lambda: in_child(bare_columns, BATCH),
                f"finished columns, one blob of {BATCH} readings a commit, synced",
            ),
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
    return [Table(title, "reading", rows, [RECEIVE, COLUMNS])]


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
