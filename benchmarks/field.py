"""A field of simulated Modbus devices that costs as little as can be, and counts every reading taken from it.

All devices listen on one port, each on an address of its own of the loopback network: to a client they are as many
connections as real devices. A device holds twelve 32-bit numbers in one block; the last counts how often it was read,
so that each reading is known by (device, count) wherever it arrives, and a lost one by its absence.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

import uvloop

from benchmarks.processes import free_ports, in_background

__all__ = ["COUNT", "FUNCTION", "NAMES", "REGISTERS", "SCALE", "Field", "field", "host"]

NAMES: Final = (
    *("voltage_l1_v", "voltage_l2_v", "voltage_l3_v", "current_l1_a", "current_l2_a", "current_l3_a"),
    *("power_l1_w", "power_l2_w", "power_l3_w", "power_w", "frequency_hz", "energy_import_wh"),
)
SCALE: Final = 0.1
"""Of all values but the last."""
COUNT: Final = NAMES[-1]
REGISTERS: Final = 2 * len(NAMES)
FUNCTION: Final = 3
_REQUEST: Final = struct.Struct(">HHHBBHH")
_VALUES: Final = struct.Struct(f">{len(NAMES)}i")
_FIRST: Final = (2304, 2297, 2311, 52, 48, 61, 11894, 10907, 13996, 36797, 500)


def host(device: int) -> str:
    """The address of a device, 1 for the first."""
    return f"127.1.{device // 250}.{device % 250 + 1}"


@dataclass(frozen=True, slots=True)
class Field:
    """Devices 1 to `devices`, and how often each was read so far."""

    port: int
    devices: int
    counts: Sequence[int]

    def taken(self) -> list[int]:
        """Readings taken of each device since the field began."""
        return list(self.counts[: self.devices])


@contextmanager
def field(devices: int) -> Iterator[Field]:
    """Devices in a process of their own."""
    counts: Any = multiprocessing.get_context("spawn").RawArray("I", devices)
    (port,) = free_ports(1)
    with in_background(_serve, port, counts):
        yield Field(port, devices, counts)


def _serve(report: Callable[[], None], port: int, counts: Any) -> None:
    async def serve() -> None:
        loop = asyncio.get_running_loop()
        await loop.create_server(lambda: _Device(counts), "0.0.0.0", port, backlog=4096)
        report()
        await asyncio.Event().wait()

    uvloop.run(serve())


class _Device(asyncio.Protocol):
    """Answers reads of its block and of parts of it, at once."""

    def __init__(self, counts: Any) -> None:
        self._counts = counts
        self._values = [*_FIRST, 0]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        _, _, high, low = transport.get_extra_info("sockname")[0].split(".")
        self._index = int(high) * 250 + int(low) - 2

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), _REQUEST.size):
            transaction, _, _, unit, function, address, count = _REQUEST.unpack_from(data, start)
            if address + count == REGISTERS:
                self._count()
            body = _VALUES.pack(*self._values)[2 * address : 2 * (address + count)]
            head = struct.pack(">HHHBBB", transaction, 0, 3 + len(body), unit, function, len(body))
            self._transport.write(head + body)

    def _count(self) -> None:
        self._counts[self._index] += 1
        self._values[-1] = count = self._counts[self._index]
        self._values[:11] = [first + (count * 7 + n) % 10 for n, first in enumerate(_FIRST)]  # nothing stands still
