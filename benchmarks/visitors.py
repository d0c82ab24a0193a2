"""HTTP clients that cost little: keep-alive sockets that ask again at once, and readers of an event stream."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final, cast

import uvloop

from benchmarks.measure import Run, cpu_seconds

__all__ = ["Seen", "ask", "follow", "repeat", "visit"]

_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_INVERTER: Final = re.compile(rb'data: \{"id":"([^"]+)".*"role":"pv","t":(\d+)')
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


@dataclass(slots=True)
class Seen:
    """What visitors saw in the measured time. `late_ms`: from a reading to its event."""

    events_per_s: float = 0.0
    late_ms: list[float] = field(default_factory=list)
    live_ms: list[float] = field(default_factory=list)
    history_ms: list[float] = field(default_factory=list)


def visit(port: int, keys: Sequence[tuple[str, str]], visitors: int, warm_s: float, seconds: float) -> Seen:
    """Visitors of the stream, in turn with each of the (community, key) pairs, and one who asks again and again."""

    async def look() -> Seen:
        loop = asyncio.get_running_loop()
        seen = Seen()
        readers = []
        for number in range(visitors):
            request = _request("/api/v1/live/stream", keys[number % len(keys)][1])
            reader = _Watcher(request, seen if number < len(keys) else None)
            await loop.create_connection(lambda reader=reader: reader, "127.0.0.1", port)  # type: ignore[misc]
            readers.append(reader)
        await asyncio.sleep(warm_s)
        seen.late_ms.clear()
        events = sum(reader.events for reader in readers)
        asking = asyncio.create_task(_ask_again(port, keys, seen))
        await asyncio.sleep(seconds)
        asking.cancel()
        seen.events_per_s = (sum(reader.events for reader in readers) - events) / seconds
        return seen

    return uvloop.run(look())


async def _ask_again(port: int, keys: Sequence[tuple[str, str]], seen: Seen) -> None:
    """Twice a second the live object, once a second an hour of one site."""
    for turn in count():
        _, key = keys[turn % len(keys)]
        now_ms = time.time_ns() // 1_000_000
        site = re.search(rb'"sites":\[\{"id":"([^"]+)"', await _timed(port, "/api/v1/live", key, seen.live_ms))
        if site and turn % 2:
            period = f"from={now_ms - 3_600_000}&to={now_ms}&step=1m&quantity=consumption_w"
            await _timed(port, f"/api/v1/sites/{site[1].decode()}/history?{period}", key, seen.history_ms)
        await asyncio.sleep(0.5)


async def _timed(port: int, path: str, key: str, times_ms: list[float]) -> bytes:
    began = time.perf_counter()
    answer = await ask(port, path, key)
    times_ms.append((time.perf_counter() - began) * 1000)
    return answer


async def ask(port: int, path: str, key: str) -> bytes:
    """The whole answer to one request on a connection of its own. Raises OSError when it is none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_request(path, key, close=True))
    answer = await reader.read()
    writer.close()
    if not answer.startswith(b"HTTP/1.1 200"):
        raise OSError(answer[:500].decode())
    return answer


def _request(path: str, key: str | None = None, *, close: bool = False) -> bytes:
    headers = ["Host: 127.0.0.1"]
    if key is not None:
        headers.append(f"Authorization: Bearer {key}")
    if close:
        headers.append("Connection: close")
    return "\r\n".join([f"GET {path} HTTP/1.1", *headers, "", ""]).encode()


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


class _Watcher(_Reader):
    """Counts events; with `seen` it looks at how old the newest reading of every site's inverter is."""

    def __init__(self, request: bytes, seen: Seen | None) -> None:
        super().__init__(request)
        self._seen = seen
        self._held = b""
        self._newest: dict[bytes, int] = {}

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._seen is None:
            return
        now_ms = time.time_ns() / 1_000_000
        *whole, self._held = (self._held + data).split(b"\n\n")
        for event in whole:
            found = _INVERTER.search(event) if b"event: site" in event else None
            if found is None:
                continue
            t = int(found[2])
            if t > self._newest.get(found[1], 0):
                self._newest[found[1]] = t
                self._seen.late_ms.append(now_ms - t)
