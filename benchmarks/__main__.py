"""`python -m benchmarks [PART ...] [--runs N] [--out FILE]`: everything, or the parts named."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import psutil

from benchmarks.acting import acting
from benchmarks.api import api
from benchmarks.centre import centre
from benchmarks.demo import demo
from benchmarks.document import document, peers_page
from benchmarks.edge import edge
from benchmarks.edge_life import edge_life
from benchmarks.edge_month import edge_month
from benchmarks.edge_peers import edge_peers
from benchmarks.influxdb import influxdb
from benchmarks.measure import machine, others_cpu_seconds, version_of
from benchmarks.peers import lacking
from benchmarks.processes import broker_binary
from benchmarks.results import AnyTable, Found, keep, kept
from benchmarks.scale import scale
from benchmarks.settle import settle
from benchmarks.store import store
from tests.influxdb_server import influxd

PARTS: Final[dict[str, Callable[[int], Sequence[AnyTable]]]] = {
    "edge": edge,
    "life": edge_life,
    "edge-peers": edge_peers,
    "month": edge_month,
    "store": store,
    "centre": centre,
    "influxdb": influxdb,
    "api": api,
    "demo": demo,
    "acting": acting,
    "settle": settle,
    "scale": scale,
}
_LONG: Final = {"acting", "month", "scale"}
_LIBRARIES: Final = ("pymodbus", "aiomqtt", "paho-mqtt", "uvloop", "msgspec", "fastapi", "uvicorn", "influxdb-client")


def _usual() -> list[str]:
    """All but those that take long or whose peers are not installed."""
    return [part for part in PARTS if part not in _LONG and (part != "edge-peers" or not lacking())]


def main() -> None:
    """Measures and prints; writes the document when asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Our paths beside their raw bounds.")
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; default: all that can run here")
    parser.add_argument("--runs", type=int, default=3, help="medians of so many")
    parser.add_argument("--out", type=Path, help="also compose the document there, the other parts as found last")
    parser.add_argument("--peers-page", type=Path, help="also write the page about the gateway's peers there")
    wanted = parser.parse_args()
    unknown = [part for part in wanted.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    for part in wanted.parts or _usual():
        print(f"measuring {part} ...", file=sys.stderr, flush=True)
        load, before, since = os.getloadavg()[0], others_cpu_seconds(), time.monotonic()
        tables = PARTS[part](wanted.runs)
        seconds = time.monotonic() - since
        found = Found(tables, _head(load, (others_cpu_seconds() - before) / seconds, seconds), wanted.runs)
        keep(part, found)
        for table in tables:
            print(table.markdown(), flush=True)
        print(found.when)
    if wanted.out:
        parts = {part: last for part in PARTS if (last := kept(part)) is not None}
        missing = [part for part in PARTS if part not in parts and part not in _LONG]
        if missing:
            parser.error(f"nothing is known yet of {', '.join(missing)}: measure that first")
        wanted.out.write_text(document(parts), encoding="utf-8")
    if wanted.peers_page:
        if (last := kept("edge-peers")) is None:
            parser.error("nothing is known yet of edge-peers: measure that first")
        wanted.peers_page.write_text(peers_page(last), encoding="utf-8")


def _head(load: float, others: float, seconds: float) -> str:
    """Where and when: machine, versions, how busy the machine was with other things."""
    servers = [version_of(broker_binary(), "-h").removesuffix(" running on libmosquitto")]
    servers += [
        version_of(binary, "version").partition(" (")[0] for number in (1, 2) if (binary := influxd(number)) is not None
    ]
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    folder = tempfile.gettempdir()
    mounts = [part for part in psutil.disk_partitions(all=True) if Path(folder).is_relative_to(part.mountpoint)]
    kind = max(mounts, key=lambda part: len(part.mountpoint)).fstype
    return (
        f"**Machine.** {machine()}; data on {kind}.\n"
        f"**How busy.** Load average before it began: {load:.2f}; other programs took {max(0.0, others):.2f} cores meanwhile.\n"
        f"**Versions.** {'; '.join(servers)}; {libraries}.\n"
        f"**When.** {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {seconds / 60:.1f} minutes."
    )


if __name__ == "__main__":
    main()
