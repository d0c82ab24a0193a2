"""The collector's cost with the embedded store, against receiving and storing with nothing around them."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from benchmarks import workload
from benchmarks.bare_chain import chain_bare, receive_bare
from benchmarks.measure import Run, Table, measured, memory_mb
from benchmarks.processes import in_background, in_child, mosquitto, service
from benchmarks.publisher import WINDOW, publish
from benchmarks.store import bare_columns
from collector.directory import Directory
from collector.marks import Marker
from collector.metrics import Metrics
from collector.quarters import QuarterJob
from energy.community import Community
from energy.quarters import QUARTER_MS, quarter_start
from messaging.codec import decode_data
from runtime.clock import SystemClock
from storage.dirty import DirtyQuarters
from storage.history.sqlite import SqliteHistory

__all__ = ["COLLECTOR", "STORE", "WINDOW", "centre", "collect"]

BATCH = 500
CHAIN, RECEIVE, DECODE, COLUMNS = "bare chain", "of it receiving", "of it decoding", "of it columns"
STORE = "our store alone"
QUARTERS = "quarter-hours at 1 Hz"
COLLECTOR = "collector, embedded store"
_QUARTER_GATEWAYS = 10


def centre(runs: int) -> list[Table]:
    """500 devices behind 50 gateways: a message per gateway and cycle, then one per reading."""
    return [_centre(runs, single=False), _centre(runs, single=True)]


def _centre(runs: int, *, single: bool) -> Table:
    paths: dict[str, tuple[Callable[[], Run], str]] = {
        CHAIN: (
            lambda: _bare(chain_bare, single=single),
            "MQTT from a blocking socket, decoded, sites summed once a second, stored, confirmed; nothing checked",
        ),
        RECEIVE: (
            lambda: _bare(receive_bare, single=single),
            "one MQTT socket, frames split, PUBACK and confirmation; nothing decoded",
        ),
        DECODE: (lambda: in_child(decode_alone, single), "msgspec, JSON into structs and dicts; nothing checked"),
        COLUMNS: (
            lambda: in_child(bare_columns, BATCH),
            f"finished columns, one blob of {BATCH} readings a commit, synced",
        ),
        STORE: (lambda: in_child(store_alone), f"`SqliteHistory.write`, {BATCH} a call"),
        COLLECTOR: (
            lambda: _collector(single=single),
            "{core:.0%} of a core; mosquitto {broker_us:.1f} µs a reading, {memory_mb:.0f} MiB resident",
        ),
    }
    if not single:
        paths[QUARTERS] = (
            lambda: in_child(quarters_alone),
            "computed from the embedded store when 900 readings of a device are there; not part of the row above",
        )
    rows = measured(runs, paths)
    how = "one reading" if single else "ten readings"
    title = f"Centre: {workload.DEVICES} devices, {how} of {len(workload.NAMES)} values a message, embedded store"
    return Table(title, "reading", rows, [CHAIN])


def _collector(*, single: bool) -> Run:
    with tempfile.TemporaryDirectory() as name:
        return collect(Path(name), {"kind": "embedded", "path": str(Path(name) / "history.db")}, {}, single=single)


def collect(folder: Path, store: dict[str, Any], pids: dict[str, int], *, single: bool = False) -> Run:
    """The workload through a broker and `commonwatt collector` into `store`, until all of it is confirmed."""
    with mosquitto(folder) as (port, broker):
        config = {
            "communities": workload.communities(),
            "mqtt": {"port": port},
            "store": store,
            "register": {"path": str(folder / "register.db")},
        }
        with service("collector", config, folder) as pid:
            run = in_child(partial(publish, single=single), port, {"measured": pid, "broker": broker, **pids})
            return Run(run.count, run.seconds, run.cpu_s, {**run.facts, "memory_mb": memory_mb(pid)})


def _bare(serve: Callable[..., None], *, single: bool) -> Run:
    """The workload to a program of bare_chain."""
    with tempfile.TemporaryDirectory() as name, mosquitto(Path(name)) as (port, broker):
        path = [Path(name) / "bare.db"] if serve is chain_bare else []
        with in_background(serve, port, *path) as pid:
            return in_child(partial(publish, single=single), port, {"measured": pid, "broker": broker})


def decode_alone(single: bool) -> Run:
    """The messages decoded into what the wire calls them, and nothing done with it."""
    payloads = [payload for _, payload in workload.messages(single=single)]
    cpu, began = time.process_time(), time.perf_counter()
    count = sum(len(decode_data(payload).readings) for payload in payloads)
    return Run(count, time.perf_counter() - began, time.process_time() - cpu)


def store_alone() -> Run:
    """Our store with finished rows, without MQTT, checks, live state and marks around it."""
    with tempfile.TemporaryDirectory() as name:
        history = SqliteHistory(Path(name) / "history.db")
        run = _written(history.write, list(workload.rows()))
        history.close()
    return run


def quarters_alone() -> Run:
    """The quarter-hours of a hundred devices that were read every second."""
    start = quarter_start(time.time_ns() // 1_000_000) - QUARTER_MS
    communities = TypeAdapter(tuple[Community, ...]).validate_python(workload.communities(_QUARTER_GATEWAYS))
    seconds = QUARTER_MS // 1000
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stores:
        history = stores.enter_context(contextlib.closing(SqliteHistory(Path(name) / "history.db")))
        dirty = stores.enter_context(contextlib.closing(DirtyQuarters(Path(name) / "dirty.db")))
        marker = Marker(dirty, {})
        rows = workload.rows(_QUARTER_GATEWAYS, seconds + 2, start_ms=start)
        for batch in workload.in_batches(rows, BATCH):
            marker.mark(plan := marker.plan(batch))
            history.write(batch)
            marker.stored(plan)
        job = QuarterJob(history, dirty, Directory(communities), marker, Metrics(), SystemClock())
        cpu, began = time.process_time(), time.perf_counter()
        computed = sum(len(job.compute(run)) for run in job.due())
        used, took = time.process_time() - cpu, time.perf_counter() - began
    return Run(computed * workload.READINGS_A_MESSAGE * seconds, took, used)


def _written(write: Callable[[list[Any]], None], records: Sequence[Any]) -> Run:
    warm = workload.WARM_CYCLES * workload.DEVICES
    for batch in workload.in_batches(records[:warm], BATCH):
        write(batch)
    cpu, began = time.process_time(), time.perf_counter()
    for batch in workload.in_batches(records[warm:], BATCH):
        write(batch)
    return Run(workload.READINGS, time.perf_counter() - began, time.process_time() - cpu)
