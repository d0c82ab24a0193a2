"""What is not sealed yet, in memory: every process that reads keeps the log's readings by (device, t).

A commit is unpacked once. Chunks double in size, so that a reading is moved only a few times until it is sealed.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from energy.errors import DataError
from storage.history.columns import empty, merged, unpack
from storage.history.segments import Segment

__all__ = ["Snapshot", "Tail", "sealed_upto", "segments_of"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The store at one instant. `chunks`: what is not sealed, in the order written; `upto`: the last commit in them."""

    segments: tuple[Segment, ...]
    chunks: tuple[pa.Table, ...]
    upto: int
    sealed: int
    unreadable: tuple[int, ...]


class Tail:
    """Follows the log of one file. Safe from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._chunks: list[pa.Table] = []
        self._schemas: dict[int, pa.Schema] = {}
        self._unreadable: list[int] = []
        self._sealed = 0
        self._seen = 0

    def snapshot(self, connection: sqlite3.Connection) -> Snapshot:
        """Brings itself up to date."""
        with self._lock:
            connection.execute("BEGIN")  # segments and log belong together
            try:
                sealed = sealed_upto(connection)
                segments = segments_of(connection)
                self._follow(connection, sealed)
            finally:
                connection.execute("COMMIT")
            return Snapshot(segments, tuple(self._chunks), self._seen, self._sealed, tuple(self._unreadable))

    def _follow(self, connection: sqlite3.Connection, sealed: int) -> None:
        if sealed != self._sealed:
            self._chunks, self._unreadable, self._seen, self._sealed = [], [], sealed, sealed
        fresh = connection.execute(
            "SELECT id, layout, size, crc, blob FROM log WHERE id > ? ORDER BY id", (self._seen,)
        ).fetchall()
        if fresh:
            self._add(merged([self._unpacked(connection, *commit) for commit in fresh]))
            self._seen = fresh[-1][0]

    def _unpacked(self, connection: sqlite3.Connection, number: int, layout: int, *packed: Any) -> pa.Table:
        try:
            return unpack(self._schema(connection, layout), *packed)
        except DataError as error:
            log.error("%s (commit %d of the log); its readings are left out", error, number)  # noqa: TRY400 - for operators
            self._unreadable.append(number)
            return empty()

    def _add(self, chunk: pa.Table) -> None:
        self._chunks.append(chunk)
        while len(self._chunks) > 1 and self._chunks[-2].num_rows < 2 * self._chunks[-1].num_rows:
            last = self._chunks.pop()
            self._chunks[-1] = merged([self._chunks[-1], last])

    def _schema(self, connection: sqlite3.Connection, layout: int) -> pa.Schema:
        if layout not in self._schemas:
            (stored,) = connection.execute("SELECT schema FROM layout WHERE id = ?", (layout,)).fetchone()
            self._schemas[layout] = pa.ipc.read_schema(pa.py_buffer(stored))
        return self._schemas[layout]


def sealed_upto(connection: sqlite3.Connection) -> int:
    """Commits up to this one are in segments, whether the log still has them or not."""
    return int(connection.execute("SELECT upto FROM sealed").fetchone()[0])


def segments_of(connection: sqlite3.Connection) -> tuple[Segment, ...]:
    """All segments, in the order of writing."""
    found = connection.execute(
        "SELECT file, position, day, t_min, t_max, rows, bytes FROM segment WHERE NOT damaged ORDER BY position, file"
    )
    return tuple(Segment(*row) for row in found)
