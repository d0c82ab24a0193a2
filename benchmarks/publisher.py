"""Gateways that cost almost nothing: prebuilt messages, QoS 1, a bounded number of them not confirmed yet."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
import uvloop

from benchmarks import workload
from benchmarks.measure import Run, cpu_seconds
from messaging.codec import decode_ack
from messaging.connection import Message, MqttSettings
from messaging.link import Link

__all__ = ["WINDOW", "confirm_bare", "publish"]

_LONGEST_S: Final = 300.0
WINDOW: Final = 500  # messages on their way: ten cycles of every gateway


def publish(port: int, pids: Mapping[str, int], *, single: bool = False) -> Run:
    """Publishes the workload until every message is confirmed. `pids`: whose CPU is told; `measured` is the Run's own.

    `single`: one reading a message instead of ten. The warm-up cycles, sent again until they are confirmed, come before anything is measured.
    """
    return uvloop.run(_Publisher(port).run(workload.messages(single=single), pids, single=single))


class _Publisher:
    def __init__(self, port: int) -> None:
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
        warm = workload.WARM_CYCLES * workload.GATEWAYS
        await self._warm_up(prepared[:warm])
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        began = time.perf_counter()
        await asyncio.wait_for(self._send(prepared, warm), _LONGEST_S)
        seconds = time.perf_counter() - began
        used = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}
        connection.cancel()
        await asyncio.gather(connection, return_exceptions=True)
        readings = (len(prepared) - warm) * (1 if single else workload.READINGS_A_MESSAGE)
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
        """Keeps `WINDOW` messages on their way until the last one is confirmed."""
        while first < len(prepared) or self._unconfirmed:
            room = min(WINDOW - len(self._unconfirmed), len(prepared) - first)
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


_SEQ: Final = re.compile(rb'"seq":(\d+)')


def confirm_bare(report: Callable[[], None], port: int) -> None:
    """The bound of receiving: a socket, frames split, PUBACK and confirmation sent; nothing decoded or stored."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(_packet(0x10, b"\0\4MQTT\4\2\0\x3c\0\4bare"))
        sock.sendall(_packet(0x82, b"\0\1" + _text(f"cw/v1/{workload.COMMUNITY}/+/data".encode()) + b"\1"))
        report()
        held = b""
        while chunk := sock.recv(262_144):
            held += chunk
            answers, rest = _answers(held)
            held = held[rest:]
            if answers:
                sock.sendall(b"".join(answers))


def _answers(held: bytes) -> tuple[list[bytes], int]:
    """What is sent back for the whole packets in `held`, and where the first incomplete one begins."""
    answers: list[bytes] = []
    confirmed: dict[bytes, list[int]] = {}
    start = 0
    while len(held) - start >= 2:
        length, shift, at = 0, 0, start + 1
        while at < len(held):
            length |= (held[at] & 0x7F) << shift
            shift += 7
            at += 1
            if held[at - 1] < 0x80:
                break
        else:
            break
        if at + length > len(held):
            break
        if held[start] & 0xF0 == 0x30:
            topic_end = at + 2 + int.from_bytes(held[at : at + 2], "big")
            answers.append(b"\x40\x02" + held[topic_end : topic_end + 2])
            seq = _SEQ.search(held, topic_end)
            assert seq is not None
            confirmed.setdefault(held[at + 2 : topic_end], []).append(int(seq[1]))
        start = at + length
    for topic, seqs in confirmed.items():
        payload = msgspec.json.encode({"epoch": workload.EPOCH, "seqs": seqs})
        answers.append(_packet(0x30, _text(topic[: -len(b"data")] + b"ack") + payload))
    return answers, start


def _packet(kind: int, body: bytes) -> bytes:
    length, size = b"", len(body)
    while True:
        size, digit = size >> 7, size & 0x7F
        length += bytes([digit | 0x80 if size else digit])
        if not size:
            return bytes([kind]) + length + body


def _text(text: bytes) -> bytes:
    return len(text).to_bytes(2, "big") + text
