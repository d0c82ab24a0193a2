"""The same readings in every form they take: messages of the wire, rows of the store, lines for InfluxDB.

50 gateways with ten devices each; a message is one gateway's cycle of ten readings with twelve values, random walks
rounded to what a meter resolves.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final, TypeVar

from energy.quantities import Role
from energy.quarters import QUARTER_MS, quarter_start
from messaging import topics
from messaging.codec import Data, Reading, encode
from storage.history import DeviceTags, Row

__all__ = [
    "COMMUNITY",
    "DEVICES",
    "EPOCH",
    "GATEWAYS",
    "NAMES",
    "READINGS",
    "READINGS_A_MESSAGE",
    "WARM_CYCLES",
    "batches",
    "communities",
    "in_batches",
    "messages",
    "rows",
]

COMMUNITY: Final = "bench"
EPOCH: Final = "benchmark"
GATEWAYS: Final = 50
_ROLES: Final = ("grid", "pv", "battery", "ev", "heat_pump", "lighting", "load", "load-2", "load-3", "load-4")
READINGS_A_MESSAGE: Final = len(_ROLES)
DEVICES: Final = GATEWAYS * len(_ROLES)
WARM_CYCLES: Final = 4
CYCLES: Final = 300  # fewer, and what a collector does once a second or at its start shows
READINGS: Final = CYCLES * DEVICES
"""Measured; those of the warm-up cycles come before."""
_END_MS: Final = 30_000  # a quarter-hour that ended within this is not looked at yet
_WALKS: Final = {  # start, step, decimals
    "power_w": (4200.0, 40.0, 0),
    "power_l1_w": (1400.0, 15.0, 0),
    "power_l2_w": (1400.0, 15.0, 0),
    "power_l3_w": (1400.0, 15.0, 0),
    "voltage_l1_v": (230.0, 0.3, 1),
    "voltage_l2_v": (231.0, 0.3, 1),
    "voltage_l3_v": (229.0, 0.3, 1),
    "current_l1_a": (6.1, 0.1, 2),
    "current_l2_a": (6.1, 0.1, 2),
    "current_l3_a": (6.1, 0.1, 2),
    "frequency_hz": (50.0, 0.005, 2),
}
NAMES: Final = (*_WALKS, "energy_import_wh")

_Item = TypeVar("_Item")


def communities(gateways: int = GATEWAYS) -> list[dict[str, Any]]:
    """The community as a centre's configuration has it."""
    devices = [{"id": name, "role": _role(name).value, "interval_s": 1.0} for name in _ROLES]
    sites = [
        {"id": f"site-{n}", "name": f"Site {n}", "gateway": f"gw-{n}", "devices": devices} for n in range(gateways)
    ]
    return [{"id": COMMUNITY, "name": "Benchmark", "sites": sites}]


def messages(*, single: bool = False) -> list[tuple[str, bytes]]:
    """(topic, payload) in order of time; `seq` counts through all of them. `single`: one reading a message.

    All are of one quarter-hour, which is not over: what its end costs is measured for itself, once for its 900 readings.
    """
    cycles = WARM_CYCLES + CYCLES
    quarter = quarter_start(_now_ms() - _END_MS)
    end = min(_now_ms(), quarter + QUARTER_MS - 1)
    step_ms = min(1000, (end - quarter) // cycles)
    told = list(batches(step_ms=step_ms, start_ms=end - cycles * step_ms))
    if not single:
        return [(topics.data(COMMUNITY, gateway), encode(data)) for gateway, data in told]
    found = [(topics.data(COMMUNITY, gateway), reading) for gateway, data in told for reading in data.readings]
    return [(topic, encode(Data(EPOCH, seq, [reading]))) for seq, (topic, reading) in enumerate(found)]


def batches(
    gateways: int = GATEWAYS, cycles: int = WARM_CYCLES + CYCLES, *, step_ms: int = 1000, start_ms: int | None = None
) -> Iterator[tuple[str, Data]]:
    """(gateway, its cycle), cycle after cycle from `start_ms` on, or up to now."""
    start_ms = _now_ms() - cycles * step_ms if start_ms is None else start_ms
    dice = random.Random(1)
    walks = {
        (gateway, role): {name: start for name, (start, _, _) in _WALKS.items()}
        for gateway in range(gateways)
        for role in _ROLES
    }
    for cycle in range(cycles):
        for gateway in range(gateways):
            t = start_ms + cycle * step_ms
            readings = [
                Reading(f"site-{gateway}/{role}", t, _values(walks[gateway, role], dice, cycle)) for role in _ROLES
            ]
            yield f"gw-{gateway}", Data(EPOCH, cycle * gateways + gateway, readings)


def rows(
    gateways: int = GATEWAYS, cycles: int = WARM_CYCLES + CYCLES, *, step_ms: int = 1000, start_ms: int | None = None
) -> Iterator[Row]:
    """The same readings as the store takes them."""
    tags = {
        f"site-{n}/{role}": DeviceTags(COMMUNITY, f"site-{n}", f"site-{n}/{role}", _role(role))
        for n in range(gateways)
        for role in _ROLES
    }
    for _, data in batches(gateways, cycles, step_ms=step_ms, start_ms=start_ms):
        for reading in data.readings:
            yield Row(tags[reading.device], reading.t, reading.v)


def in_batches(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """`items` in lists of `size`, the last one shorter."""
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _values(walk: dict[str, float], dice: random.Random, cycle: int) -> dict[str, float | int | str]:
    for name, (_, step, _) in _WALKS.items():
        walk[name] += dice.uniform(-step, step)
    values: dict[str, float | int | str] = {
        name: round(walk[name], decimals) if decimals else int(walk[name]) for name, (_, _, decimals) in _WALKS.items()
    }
    values["energy_import_wh"] = 1_000_000 + cycle
    return values


def _role(name: str) -> Role:
    role = Role.from_device_name(name)
    assert role is not None
    return role
