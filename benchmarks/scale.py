"""A region on one machine: a thousand sites read once a second, their visitors, and what each process takes of it."""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.fleet import FleetRun, fleet, fleet_communities
from benchmarks.measure import Facts
from benchmarks.processes import free_ports, in_child, mosquitto, service, until, wait_for_port
from benchmarks.visitors import Seen, ask, visit
from runtime.clock import SystemClock
from storage.register.database import RegisterDatabase
from storage.register.keys import create
from storage.register.roles import AccessRole
from tests.influxdb_server import InfluxServer, influxd

__all__ = ["scale"]

SITES: Final = 1000
PER_COMMUNITY: Final = 50
VISITORS: Final = 100
WARM_S: Final = 40.0
SECONDS: Final = 60.0
_LAST_S: Final = 300.0  # a run may take longer than what it measures


@dataclass(frozen=True, slots=True)
class Size:
    """How much is run. `visitors`: of the event stream, each of one community."""

    sites: int = SITES
    per_community: int = PER_COMMUNITY
    visitors: int = VISITORS
    warm_s: float = WARM_S
    seconds: float = SECONDS


def scale(_runs: int) -> list[Facts]:
    """One run with the embedded store, one with InfluxDB where it is installed."""
    return [table for store in _stores() for table in run(store, Size())]


def _stores() -> list[str]:
    return ["embedded", *(["influxdb"] if influxd(1) is not None else [])]


def run(store: str, size: Size) -> list[Facts]:
    """The tables of one run."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a connection a roof, here and at the broker
    with tempfile.TemporaryDirectory() as name, _store(store, Path(name)) as (settings, pids):
        found, seen = _measured(Path(name), settings, pids, size)
    title = f"{size.sites:,} sites, {3 * size.sites:,} devices at 1 Hz, {store} store"
    return [_processes(f"{title}: processes", found), _times(f"{title}: times", found, seen, size)]


def _measured(folder: Path, store: dict[str, Any], pids: dict[str, int], size: Size) -> tuple[FleetRun, Seen]:
    communities = fleet_communities(size.sites, size.per_community)
    (port,) = free_ports(1)
    with mosquitto(folder) as (broker, broker_pid):
        config = {
            "communities": communities,
            "mqtt": {"port": broker},
            "store": store,
            "register": {"path": str(folder / "register.db")},
            "api": {"port": port, "keys_file": str(folder / "keys.json"), "rate_per_s": 0},
        }
        visitors = _keys(folder / "register.db", [one["id"] for one in communities])
        with service("collector", config, folder) as collector, service("api", config, folder) as api:
            wait_for_port(port)
            until(lambda: _is_live(port, visitors), "the collector's first picture", timeout_s=120)
            watched = {"mosquitto": broker_pid, "collector": collector, "API": api, **pids}
            with ThreadPoolExecutor(2) as children:
                child = partial(in_child, within_s=size.warm_s + size.seconds + _LAST_S)
                roofs = children.submit(
                    child, fleet, broker, size.sites, size.per_community, size.warm_s, size.seconds, watched
                )
                guests = children.submit(child, visit, port, visitors, size.visitors, size.warm_s, size.seconds)
                return roofs.result(), guests.result()


def _keys(register: Path, communities: list[str]) -> list[tuple[str, str]]:
    """A viewer's key for each community."""
    now_ms = SystemClock().now_ms()
    with closing(RegisterDatabase(register)) as database, database.write() as connection:
        return [
            (one, create(connection, one, AccessRole.VIEWER, communities=[one], by="benchmark", now_ms=now_ms))
            for one in communities
        ]


def _is_live(port: int, visitors: list[tuple[str, str]]) -> bool:
    """Whether every community is told of: then the collector listens."""
    return all(b'"communities":[{' in asyncio.run(ask(port, "/api/v1/live", key)) for _, key in visitors)


@contextmanager
def _store(kind: str, folder: Path) -> Iterator[tuple[dict[str, Any], dict[str, int]]]:
    if kind == "embedded":
        yield {"kind": "embedded", "path": str(folder / "history.db")}, {}
        return
    binary = influxd(1)
    assert binary is not None
    server = InfluxServer(binary, 1, folder / "server")
    server.start()
    try:
        assert server.process is not None
        settings = server.fresh().model_dump(mode="json", exclude_none=True)
        yield {"kind": "influxdb", **settings}, {"influxd": server.process.pid}
    finally:
        server.kill()


def _processes(title: str, found: FleetRun) -> Facts:
    rows = []
    for name, each in found.watched.items():
        middle = len(each.memory_mb) // 2
        halves = [statistics.median(each.memory_mb[:middle]), statistics.median(each.memory_mb[middle:])]
        memory = [each.memory_mb[0], *halves, max(each.memory_mb)]
        rows.append([name, f"{each.core:.1%}", *(f"{mb:,.0f}" for mb in memory)])
    columns = ["process", "of a core", "MiB at the begin", "median of the first half", "of the second", "most"]
    return Facts(f"{title}, {found.seconds / 60:,.1f} minutes", columns, rows)


def _times(title: str, found: FleetRun, seen: Seen, size: Size) -> Facts:
    sent = found.sent / found.seconds
    rows = [
        ["from a reading to its confirmation, ms", *_shares([1000 * late for late in found.late_s])],
        ["from a reading to the browser, ms", *_shares(seen.late_ms)],
        [f"`GET /api/v1/live` of {size.per_community} sites, ms", *_shares(seen.live_ms)],
        ["an hour of a site's history, ms", *_shares(seen.history_ms)],
    ]
    counts = (
        f"{sent:,.0f} messages, {sent * 3:,.0f} readings, {sent * 36:,.0f} values a second; {found.repeated:,} sent again,"
        f" {found.lost:,} never confirmed; {seen.events_per_s:,.0f} events a second to {size.visitors} visitors"
    )
    return Facts(f"{title} ({counts})", ["", "count", "median", "p99", "longest"], rows)


def _shares(values: Sequence[float]) -> list[str]:
    if not values:
        return ["0", "-", "-", "-"]
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return [f"{len(ordered):,}", f"{statistics.median(ordered):,.0f}", f"{p99:,.0f}", f"{ordered[-1]:,.0f}"]


def main() -> None:
    """One run of a size of one's own, printed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--store", choices=["embedded", "influxdb"], default="embedded")
    options: list[tuple[str, Callable[[str], Any], Any]] = [
        ("--sites", int, SITES),
        ("--per-community", int, PER_COMMUNITY),
        ("--visitors", int, VISITORS),
        ("--warm-s", float, WARM_S),
        ("--seconds", float, SECONDS),
    ]
    for name, kind, usual in options:
        parser.add_argument(name, type=kind, default=usual)
    wanted = vars(parser.parse_args())
    for table in run(wanted.pop("store"), Size(**wanted)):
        print(table.markdown(), flush=True)


if __name__ == "__main__":
    main()
