"""What the gateways said they would commit, and what they had committed; told by datagrams that outlive them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from messaging.codec import Reading

__all__ = ["Key", "Ledger", "listening"]

Key = tuple[str, int]
"""Device, t (ms UTC)."""

_ROOM = 4 * 1024 * 1024


@dataclass
class Ledger(asyncio.DatagramProtocol):
    """`asked`: by device and instant the readings that went to a commit, in order; more than one where a clock was set
    back. `kept`: those of commits that were done; `unkept`: of the others what they held, by their names, in order;
    `newest`: the last name of all.
    """

    asked: dict[Key, list[Reading]] = field(default_factory=dict)
    kept: set[Key] = field(default_factory=set)
    commits: int = 0
    unkept: dict[str, list[Key]] = field(default_factory=dict)
    newest: str = ""
    source: socket.socket | None = None

    def drain(self) -> None:
        """Takes what a process said before it ended."""
        assert self.source is not None
        with contextlib.suppress(BlockingIOError):
            while True:
                self.datagram_received(self.source.recv(_ROOM), None)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        told = json.loads(data)
        if "readings" not in told:
            self.kept.update(self.unkept.pop(told["name"]))
            self.commits += 1
            return
        readings = [Reading(*reading) for reading in told["readings"]]
        for reading in readings:
            self.asked.setdefault((reading.device, reading.t), []).append(reading)
        self.newest = told["name"]
        self.unkept[self.newest] = [(reading.device, reading.t) for reading in readings]


@asynccontextmanager
async def listening(path: Path) -> AsyncIterator[Ledger]:
    """A ledger behind a socket at `path`."""
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
    sock.setblocking(False)
    sock.bind(str(path))
    transport, ledger = await loop.create_datagram_endpoint(lambda: Ledger(source=sock), sock=sock)
    try:
        yield ledger
    finally:
        transport.close()
