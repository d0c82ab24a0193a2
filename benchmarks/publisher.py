"""Gateways that cost almost nothing: prebuilt messages, QoS 1, a bounded number of them not confirmed yet."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks import workload
from benchmarks.measure import Run, cpu_seconds
from benchmarks.processes import until
from messaging.codec import decode_ack

__all__ = ["WINDOW", "confirm_bare", "publish"]

WINDOW: Final = 500  # messages on their way: ten cycles of every gateway


def publish(port: int, pids: Mapping[str, int]) -> Run:
    """Publishes the workload until every message is confirmed. `pids`: whose CPU is told; `measured` is the Run's own.

    The warm-up cycles, sent again until they are confirmed, come before anything is measured.
    """
    publisher = _Publisher(port)
    prepared = workload.messages()
    warm = workload.WARM_CYCLES * workload.GATEWAYS
    publisher.warm_up(prepared[:warm])
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    began = time.perf_counter()
    publisher.send(prepared[warm:])
    publisher.wait()
    seconds = time.perf_counter() - began
    used = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}
    publisher.close()
    facts = {f"{name}_us": cpu / workload.READINGS * 1e6 for name, cpu in used.items()}
    return Run(workload.READINGS, seconds, used["measured"], facts)


class _Publisher:
    def __init__(self, port: int) -> None:
        self._room = threading.Semaphore(WINDOW)
        self._unconfirmed: set[int] = set()
        self._next = 0
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="publisher")
        self._client.max_inflight_messages_set(2 * WINDOW)
        self._client.on_message = self._on_ack
        self._client.connect("127.0.0.1", port)
        self._client.subscribe(f"cw/v1/{workload.COMMUNITY}/+/ack", qos=1)
        self._client.loop_start()

    def warm_up(self, prepared: list[tuple[str, bytes]]) -> None:
        self._unconfirmed = set(range(len(prepared)))
        while self._unconfirmed:
            for seq in sorted(self._unconfirmed):
                self._client.publish(*prepared[seq], qos=1)
            deadline = time.monotonic() + 1
            while self._unconfirmed and time.monotonic() < deadline:
                time.sleep(0.01)
        self._next = len(prepared)
        time.sleep(0.5)  # repetitions still on their way
        self._room = threading.Semaphore(WINDOW)

    def send(self, prepared: list[tuple[str, bytes]]) -> None:
        for topic, payload in prepared:
            self._room.acquire()
            self._unconfirmed.add(self._next)
            self._next += 1
            self._client.publish(topic, payload, qos=1)

    def wait(self) -> None:
        until(lambda: not self._unconfirmed, "the confirmation of every message")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_ack(self, _client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        for seq in decode_ack(bytes(message.payload)).seqs:
            if seq in self._unconfirmed:
                self._unconfirmed.discard(seq)
                self._room.release()


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
