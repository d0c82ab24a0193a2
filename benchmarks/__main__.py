"""`python -m benchmarks [edge centre influxdb api demo] [--runs N] [--out FILE]`: everything, or the parts named."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import psutil

from benchmarks.api import api
from benchmarks.centre import centre
from benchmarks.demo import DemoTable, demo
from benchmarks.document import document
from benchmarks.edge import edge
from benchmarks.edge_life import LifeTable, edge_life
from benchmarks.influxdb import influxdb
from benchmarks.measure import Table, machine, others_cpu_seconds, version_of
from benchmarks.processes import broker_binary
from tests.influxdb_server import influxd

PARTS: Final[dict[str, Callable[[int], Sequence[Table | DemoTable | LifeTable]]]] = {
    "edge": edge,
    "life": edge_life,
    "centre": centre,
    "influxdb": influxdb,
    "api": api,
    "demo": demo,
}
_LIBRARIES: Final = ("pymodbus", "aiomqtt", "paho-mqtt", "uvloop", "msgspec", "fastapi", "uvicorn", "influxdb-client")


def main() -> None:
    """Measures and prints; writes the document when asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Our paths beside their raw bounds.")
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--runs", type=int, default=3, help="medians of so many")
    parser.add_argument("--out", type=Path, help="also write the document there; needs every part")
    wanted = parser.parse_args()
    unknown = [part for part in wanted.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    if wanted.out and wanted.parts:
        parser.error("--out needs every part: name none")
    began, load = time.monotonic(), os.getloadavg()[0]
    tables, others = {}, {}
    for part in wanted.parts or PARTS:
        print(f"measuring {part} ...", file=sys.stderr, flush=True)
        before, since = others_cpu_seconds(), time.monotonic()
        tables[part] = PARTS[part](wanted.runs)
        others[part] = (others_cpu_seconds() - before) / (time.monotonic() - since)
        for table in tables[part]:
            print(table.markdown(), flush=True)
    head = _head(load, others, time.monotonic() - began)
    print(head)
    if wanted.out:
        wanted.out.write_text(document(tables, head, wanted.runs), encoding="utf-8")


def _head(load: float, others: Mapping[str, float], seconds: float) -> str:
    """Where and when: machine, versions, how busy the machine was with other things."""
    servers = [version_of(broker_binary(), "-h").removesuffix(" running on libmosquitto")]
    servers += [
        version_of(binary, "version").partition(" (")[0] for number in (1, 2) if (binary := influxd(number)) is not None
    ]
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    folder = tempfile.gettempdir()
    mounts = [part for part in psutil.disk_partitions(all=True) if Path(folder).is_relative_to(part.mountpoint)]
    kind = max(mounts, key=lambda part: len(part.mountpoint)).fstype
    busy = ", ".join(f"{part} {max(0.0, cores):.2f}" for part, cores in others.items())
    return (
        f"**Machine.** {machine()}; data on {kind}.\n"
        f"**How busy.** Load average before it began: {load:.2f}. Cores that other programs took meanwhile: {busy}.\n"
        f"**Versions.** {'; '.join(servers)}; {libraries}.\n"
        f"**When.** {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {seconds / 60:.1f} minutes."
    )


if __name__ == "__main__":
    main()
