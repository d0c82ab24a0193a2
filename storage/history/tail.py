"""What is not sealed yet, in memory: every process that reads keeps the log's readings by (device, t).

A commit is unpacked once. Chunks double in size, so that a reading is moved only a few times until it is sealed.
"""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass

import pyarrow as pa

from storage.history.columns import joined, merged
from storage.history.commits import CommitReader, sealed_upto
from storage.history.segments import Segment

__all__ = ["Snapshot", "Tail", "segments_of"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The store at one instant. `chunks`: what is not sealed, in the order written; `upto`: the last commit in them."""

    segments: tuple[Segment, ...]
    chunks: tuple[pa.Table, ...]
    upto: int
    unreadable: tuple[int, ...]


class Tail:
    """Follows the log of one file. Safe from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._commits = CommitReader()
        self._chunks: list[pa.Table] = []
        self._unreadable: tuple[int, ...] = ()
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
            return Snapshot(segments, tuple(self._chunks), self._seen, self._unreadable)

    def _follow(self, connection: sqlite3.Connection, sealed: int) -> None:
        if sealed != self._sealed:
            self._chunks, self._unreadable, self._seen, self._sealed = [], (), sealed, sealed
        fresh = self._commits.after(connection, self._seen)
        self._seen = fresh.upto
        self._unreadable += fresh.unreadable
        if fresh.batches:
            self._add(merged([joined(fresh.batches)]))

    def _add(self, chunk: pa.Table) -> None:
        self._chunks.append(chunk)
        while len(self._chunks) > 1 and self._chunks[-2].num_rows < 2 * self._chunks[-1].num_rows:
            last = self._chunks.pop()
            self._chunks[-1] = merged([self._chunks[-1], last])


def segments_of(connection: sqlite3.Connection) -> tuple[Segment, ...]:
    """All segments, in the order of writing."""
    found = connection.execute(
        "SELECT file, position, day, t_min, t_max, rows, bytes FROM segment WHERE NOT damaged ORDER BY position, file"
    )
    return tuple(Segment(*row) for row in found)
