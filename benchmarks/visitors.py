"""HTTP clients that cost little: keep-alive sockets that ask again at once, and readers of an event stream."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Final, cast

import uvloop

from benchmarks.measure import Run, cpu_seconds

__all__ = ["follow", "repeat"]

_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_SETTLE_S: Final = 1.5


def repeat(port: int, path: str, pid: int, connections: int, seconds: float) -> Run:
    """Asks for `path` again and again on kept connections; the CPU is that of `pid`."""

    async def ask() -> Run:
        loop = asyncio.get_running_loop()
        request = _request(path)
        visitors = [
            (await loop.create_connection(lambda: _Visitor(request), "127.0.0.1", port))[1] for _ in range(connections)
        ]
        await asyncio.sleep(0.5)
        answers, cpu, began = sum(v.answers for v in visitors), cpu_seconds(pid), time.perf_counter()
        await asyncio.sleep(seconds)
        count = sum(v.answers for v in visitors) - answers
        size = sum(v.size for v in visitors) / len(visitors)
        return Run(count, time.perf_counter() - began, cpu_seconds(pid) - cpu, {"bytes": size})

    return uvloop.run(ask())


def follow(port: int, path: str, pid: int, clients: int, seconds: float) -> Run:
    """Reads an event stream with many clients; a unit is one event at one client."""

    async def read() -> Run:
        loop = asyncio.get_running_loop()
        idle_cpu, idle_began = cpu_seconds(pid), time.perf_counter()
        await asyncio.sleep(seconds)
        idle = (cpu_seconds(pid) - idle_cpu) / (time.perf_counter() - idle_began)
        request = _request(path)
        readers = [
            (await loop.create_connection(lambda: _Reader(request), "127.0.0.1", port))[1] for _ in range(clients)
        ]
        await asyncio.sleep(_SETTLE_S)
        events, size = sum(r.events for r in readers), sum(r.size for r in readers)
        cpu, began = cpu_seconds(pid), time.perf_counter()
        await asyncio.sleep(seconds)
        elapsed, used = time.perf_counter() - began, cpu_seconds(pid) - cpu
        events, size = sum(r.events for r in readers) - events, sum(r.size for r in readers) - size
        facts = {"idle": idle, "events_per_s": events / clients / elapsed, "bytes_per_s": size / clients / elapsed}
        return Run(events, elapsed, used, facts)

    return uvloop.run(read())


def _request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


class _Visitor(asyncio.Protocol):
    def __init__(self, request: bytes) -> None:
        self.answers = 0
        self.size = 0
        self._request = request
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._held += data
        end = self._held.find(b"\r\n\r\n")
        length = _LENGTH.search(self._held)
        if end < 0 or length is None or len(self._held) < end + 4 + int(length[1]):
            return
        if not self._held.startswith(b"HTTP/1.1 200"):
            raise OSError(self._held[:300].decode())
        self.size = int(length[1])
        self.answers += 1
        self._held = b""
        self._transport.write(self._request)


class _Reader(asyncio.Protocol):
    def __init__(self, request: bytes) -> None:
        self.events = 0
        self.size = 0
        self._request = request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        self.events += data.count(b"event: ")
        self.size += len(data)
