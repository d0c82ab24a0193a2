"""A line between clients and one server on this machine that can be cut, made slow, or swallow everything."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self

__all__ = ["Line"]

_CHUNK = 65_536


class Line:
    """Listens on `port` for what is meant for `server_port`.

    `delay_s`: how much later everything arrives. `open`: cleared, what is sent stays on its way for as long (a black
    hole that TCP gets over). `cut()`: connections break and none can be made until `mend()`.
    """

    def __init__(self, port: int, server_port: int) -> None:
        self.port = port
        self.delay_s = 0.0
        self.open = asyncio.Event()
        self.open.set()
        self._server_port = server_port
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    async def mend(self) -> None:
        """Connections can be made again."""
        if self._server is None:
            self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)

    async def cut(self) -> None:
        """All connections break; none can be made."""
        if self._server is not None:
            self._server.close()
            self._server = None
            for _ in range(
                3
            ):  # turns of the loop in which one that was just accepted begins, to be ended with the others
                await asyncio.sleep(0)
        connections = list(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._server_port)
            try:
                await _first_end(self._pass(reader, back), self._pass(there, writer))
            finally:
                back.transport.abort()
        except (OSError, asyncio.CancelledError):
            pass  # the server is away, or the line was cut
        finally:
            writer.transport.abort()
            self._connections.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await self.open.wait()
                writer.write(data)
                await writer.drain()


async def _first_end(*ways: object) -> None:
    tasks = [asyncio.ensure_future(way) for way in ways]  # type: ignore[call-overload]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
