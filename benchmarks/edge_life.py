"""A gateway's life on a small computer: what it takes at its ordinary pace, and whether it grows with time."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks.edge import PROFILE, Acker, serve_meters
from benchmarks.measure import cpu_seconds, memory_mb
from benchmarks.processes import free_ports, in_background, mosquitto, service, until
from gateway.device import locate
from gateway.profile import Library
from runtime.clock import CLOCK_ENV, ScaledClock

__all__ = ["DEVICES", "INTERVAL_S", "LifeTable", "edge_life", "gateway_config"]

DEVICES: Final = 20
INTERVAL_S: Final = 10.0
PACE_S: Final = 40.0
SOAK_S: Final = 40.0
SOAK_WARM_S: Final = 10.0
SOAK_SPEED: Final = 60.0


@dataclass(frozen=True, slots=True)
class LifeTable:
    """What was measured beside what is promised."""

    title: str
    rows: Sequence[tuple[str, str, str]]

    def markdown(self) -> str:
        """The table as it is printed."""
        lines = [f"### {self.title}", "", "| what | measured | promised |", "|---|---:|---:|"]
        return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in self.rows)]) + "\n"


@dataclass(frozen=True, slots=True)
class _Sample:
    at_s: float
    memory_mb: float
    files: int


def edge_life(_runs: int) -> list[LifeTable]:
    """Both last their seconds once, however many runs are asked for."""
    with in_background(serve_meters, ports := free_ports(1)):
        return [_pace(ports[0]), _soak(ports[0])]


def _pace(port: int) -> LifeTable:
    """CPU and memory at the pace of every day."""
    with _gateway(port) as (pid, acker):
        acker.wait_for(2 * DEVICES)
        cpu, readings, began = cpu_seconds(pid), acker.readings, time.perf_counter()
        time.sleep(PACE_S)
        seconds = time.perf_counter() - began
        core = (cpu_seconds(pid) - cpu) / seconds
        rows = [
            ("readings a second", f"{(acker.readings - readings) / seconds:.1f}", f"{DEVICES / INTERVAL_S:.1f}"),
            ("share of one core", f"{core:.2%}", "< 5 %"),
            ("resident memory", f"{memory_mb(pid):.1f} MiB", "< 80 MB"),
        ]
    values = sum(len(places) for places in locate(Library(None).get(PROFILE), {}).quantities.values())
    return LifeTable(f"Edge: {DEVICES} devices, {DEVICES * values} values every {INTERVAL_S:g} s", rows)


def _soak(port: int) -> LifeTable:
    """Memory and open files on a clock that runs fast; the first seconds, in which caches fill, do not count."""
    now_ms = time.time_ns() // 1_000_000
    os.environ[CLOCK_ENV] = ScaledClock(now_ms, now_ms, SOAK_SPEED).spec
    try:
        with _gateway(port) as (pid, acker):
            acker.wait_for(DEVICES)
            readings, began = acker.readings, time.perf_counter()
            samples = list(_samples(pid))
            readings, seconds = acker.readings - readings, time.perf_counter() - began
    finally:
        del os.environ[CLOCK_ENV]
    half = len(samples) // 2
    first, last = samples[:half], samples[half:]
    growth = statistics.linear_regression([s.at_s for s in samples], [s.memory_mb for s in samples]).slope
    rows = [
        ("readings", f"{readings:,}", f"{DEVICES / INTERVAL_S * SOAK_SPEED * seconds:,.0f}"),
        ("simulated time", f"{seconds * SOAK_SPEED / 60:.0f} min", ""),
        ("resident memory, first and second half", f"{_median(first):.2f}, {_median(last):.2f} MiB", "equal"),
        ("growth of memory in a simulated day", f"{growth * 86_400 / SOAK_SPEED:+.1f} MiB", "0"),
        ("open files, least and most", f"{min(s.files for s in samples)}, {max(s.files for s in samples)}", "equal"),
    ]
    return LifeTable(f"Edge: the same, {SOAK_SPEED:g} times as fast", rows)


def _samples(pid: int) -> Iterator[_Sample]:
    process = psutil.Process(pid)
    time.sleep(SOAK_WARM_S)
    began = time.perf_counter()
    while (at_s := time.perf_counter() - began) < SOAK_S:
        yield _Sample(at_s, memory_mb(pid), process.num_fds())
        time.sleep(0.5)


def _median(samples: Sequence[_Sample]) -> float:
    return statistics.median(sample.memory_mb for sample in samples)


@contextmanager
def _gateway(port: int) -> Iterator[tuple[int, Acker]]:
    """A gateway of its own with its broker and a centre that confirms: (pid, centre)."""
    with (
        tempfile.TemporaryDirectory() as name,
        mosquitto(Path(name)) as (broker, _),
        Acker(broker) as acker,
        service("gateway", gateway_config(port, broker, name), Path(name)) as pid,
    ):
        until(lambda: acker.readings, "the first reading of the gateway")
        yield pid, acker


def gateway_config(port: int, broker: int, folder: str) -> dict[str, Any]:
    """The gateway's configuration: one bus with every device."""
    devices = [
        {"device": f"site-{unit}/grid", "profile": PROFILE, "unit": unit, "interval_s": INTERVAL_S}
        for unit in range(1, DEVICES + 1)
    ]
    bus = {"id": "bus", "url": f"tcp://127.0.0.1:{port}", "devices": devices}
    return {"gateway": "gw", "community": "bench", "data_dir": folder, "mqtt": {"port": broker}, "buses": [bus]}
