"""The shortest program that does a collector's work without its care: MQTT in, decoded, summed, stored, confirmed.

A blocking socket and nothing that could be left out: no checks, no quarantine, no names of gateways compared, no marks for
quarter-hours, no second connection. What it stores is what our store's log holds, and it confirms what is synced.
"""

from __future__ import annotations

import select
import socket
import sqlite3
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from benchmarks import workload
from messaging.codec import Data, Reading

__all__ = ["BareLog", "chain_bare", "receive_bare"]

_BATCH: Final = 500
_PATIENCE_S: Final = 0.02
_SUMMED: Final = ("grid", "pv", "battery")
_decoder: Final = msgspec.json.Decoder(Data)


class _Packet(NamedTuple):
    """A message: where to confirm it, its packet id, what it says."""

    ack_topic: bytes
    packet_id: bytes
    payload: memoryview


class BareLog:
    """Columns packed as our log's commits are, into a table of nothing but them, synced."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=8000"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, blob BLOB)")
        self._codec = pa.Codec("zstd", compression_level=1)
        self._names = ["t", *workload.NAMES]
        self._kinds = [pa.int64(), *[pa.float64()] * len(workload.NAMES)]

    def write(self, columns: list[Any]) -> None:
        """One commit of these columns, `t` and those of the workload."""
        arrays = [
            pa.Array.from_buffers(kind, len(column), [None, pa.py_buffer(column)])
            for kind, column in zip(self._kinds, columns, strict=True)
        ]
        message = pa.RecordBatch.from_arrays(arrays, names=self._names).serialize()
        self._database.execute("BEGIN IMMEDIATE")
        self._database.execute("INSERT INTO log (blob) VALUES (?)", (self._codec.compress(message, asbytes=True),))
        self._database.execute("COMMIT")

    def close(self) -> None:
        """Closes the file."""
        self._database.close()


def receive_bare(report: Callable[[], None], port: int) -> None:
    """Receives and confirms, and does nothing else."""
    with _subscribed(port) as sock:
        report()
        held = b""
        while chunk := sock.recv(262_144):
            packets, held = _packets(held + chunk)
            if packets:
                sock.sendall(b"".join([*_pubacks(packets), *_acks(packets, [_seq(packet) for packet in packets])]))


def chain_bare(report: Callable[[], None], port: int, path: Path) -> None:
    """Receives, decodes, keeps the newest of each device, sums sites once a second, stores and confirms."""
    log = BareLog(path)
    newest: dict[str, Reading] = {}
    waiting: list[tuple[_Packet, Data]] = []
    size, summed_s = 0, time.monotonic()
    with _subscribed(port) as sock:
        report()
        held = b""
        while True:
            if (size >= _BATCH or not select.select([sock], [], [], _PATIENCE_S)[0]) and waiting:
                readings = [reading for _, data in waiting for reading in data.readings]
                log.write(_columns(readings))
                sock.sendall(b"".join(_acks([packet for packet, _ in waiting], [data.seq for _, data in waiting])))
                waiting, size = [], 0
            if time.monotonic() - summed_s >= 1:
                summed_s = time.monotonic()
                _sums(newest)
            if select.select([sock], [], [], _PATIENCE_S)[0]:
                packets, held = _packets(held + sock.recv(262_144))
                sock.sendall(b"".join(_pubacks(packets)))
                for packet in packets:
                    data = _decoder.decode(packet.payload)
                    for reading in data.readings:
                        newest[reading.device] = reading
                    waiting.append((packet, data))
                    size += len(data.readings)


def _columns(readings: list[Reading]) -> list[Any]:
    values = np.fromiter(
        (value for reading in readings for value in reading.v.values()), np.float64, len(readings) * len(workload.NAMES)
    )
    table = np.ascontiguousarray(values.reshape(len(readings), -1).T)
    return [array("q", [reading.t for reading in readings]), *table]


def _sums(newest: dict[str, Reading]) -> dict[str, float]:
    """What each site uses."""
    found: dict[str, float] = {}
    for device, reading in newest.items():
        site, _, role = device.partition("/")
        if role in _SUMMED:
            found[site] = found.get(site, 0.0) + float(reading.v["power_w"])
    return found


def _subscribed(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(_packet(0x10, b"\0\4MQTT\4\2\0\x3c\0\4bare"))
    sock.sendall(_packet(0x82, b"\0\1" + _text(f"cw/v1/{workload.COMMUNITY}/+/data".encode()) + b"\1"))
    return sock


def _packets(held: bytes) -> tuple[list[_Packet], bytes]:
    """The messages in the whole packets of `held`, and what is left of it."""
    found: list[_Packet] = []
    start, view = 0, memoryview(held)
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
            end = at + 2 + int.from_bytes(held[at : at + 2], "big")
            topic = held[at + 2 : end - len(b"data")] + b"ack"
            found.append(_Packet(topic, held[end : end + 2], view[end + 2 : at + length]))
        start = at + length
    return found, held[start:]


def _pubacks(packets: list[_Packet]) -> list[bytes]:
    return [b"\x40\x02" + packet.packet_id for packet in packets]


def _acks(packets: list[_Packet], seqs: list[int]) -> list[bytes]:
    """The confirmations of these messages, one a gateway."""
    confirmed: dict[bytes, list[int]] = {}
    for packet, seq in zip(packets, seqs, strict=True):
        confirmed.setdefault(packet.ack_topic, []).append(seq)
    return [
        _packet(0x30, _text(topic) + msgspec.json.encode({"epoch": workload.EPOCH, "seqs": several}))
        for topic, several in confirmed.items()
    ]


def _seq(packet: _Packet) -> int:
    """By hand, without decoding the rest: `"seq":17,`."""
    payload = packet.payload.tobytes()
    at = payload.index(b'"seq":') + 6
    return int(payload[at : payload.index(b",", at)])


def _packet(kind: int, body: bytes) -> bytes:
    length, size = b"", len(body)
    while True:
        size, digit = size >> 7, size & 0x7F
        length += bytes([digit | 0x80 if size else digit])
        if not size:
            return bytes([kind]) + length + body


def _text(text: bytes) -> bytes:
    return len(text).to_bytes(2, "big") + text
