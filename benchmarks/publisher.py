"""Gateways that cost almost nothing: prebuilt messages, QoS 1, a bounded number of them not confirmed yet."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Final

import uvloop

from benchmarks import workload
from benchmarks.measure import Run, cpu_seconds
from messaging.codec import decode_ack
from messaging.connection import Message, MqttSettings
from messaging.link import Link

__all__ = ["WINDOW", "publish"]

_LONGEST_S: Final = 300.0
WINDOW: Final = 5_000  # readings on their way: ten cycles of every gateway


def publish(port: int, pids: Mapping[str, int], *, single: bool = False) -> Run:
    """Publishes the workload until every message is confirmed. `pids`: whose CPU is told; `measured` is the Run's own.

    `single`: one reading a message instead of ten. The warm-up cycles, sent again until they are confirmed, come before anything is measured.
    """
    return uvloop.run(_Publisher(port).run(workload.messages(single=single), pids, single=single))


class _Publisher:
    def __init__(self, port: int) -> None:
        self._window = WINDOW
        self._unconfirmed: set[int] = set()
        self._some = asyncio.Event()
        self._link = Link(
            MqttSettings(port=port),
            "publisher",
            subscriptions=[f"cw/v1/{workload.COMMUNITY}/+/ack"],
            on_messages=self._confirmed,
        )

    async def run(self, prepared: list[tuple[str, bytes]], pids: Mapping[str, int], *, single: bool) -> Run:
        connection = asyncio.create_task(self._link.run())
        await self._link.connected.wait()
        size = 1 if single else workload.READINGS_A_MESSAGE
        self._window = WINDOW // size
        warm = workload.WARM_CYCLES * workload.DEVICES // size
        await self._warm_up(prepared[:warm])
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        began = time.perf_counter()
        await asyncio.wait_for(self._send(prepared, warm), _LONGEST_S)
        seconds = time.perf_counter() - began
        used = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}
        connection.cancel()
        await asyncio.gather(connection, return_exceptions=True)
        readings = (len(prepared) - warm) * size
        facts = {f"{name}_us": cpu / readings * 1e6 for name, cpu in used.items()}
        return Run(readings, seconds, used["measured"], facts)

    async def _warm_up(self, prepared: list[tuple[str, bytes]]) -> None:
        self._unconfirmed = set(range(len(prepared)))
        while self._unconfirmed:
            self._link.post(prepared[seq] for seq in sorted(self._unconfirmed))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    while self._unconfirmed:
                        await self._news()
        await asyncio.sleep(0.5)  # repetitions still on their way

    async def _send(self, prepared: list[tuple[str, bytes]], first: int) -> None:
        """Keeps `WINDOW` readings on their way until the last one is confirmed."""
        while first < len(prepared) or self._unconfirmed:
            room = min(self._window - len(self._unconfirmed), len(prepared) - first)
            self._unconfirmed.update(range(first, first + room))
            self._link.post(prepared[first : first + room])
            first += room
            await self._news()

    async def _news(self) -> None:
        self._some.clear()
        await self._some.wait()

    def _confirmed(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._unconfirmed.difference_update(decode_ack(message.payload).seqs)
        self._some.set()
