"""The last reading of every device: a note of them in SQLite, renewed with every so many commits, and the log since.

So a process that has just begun reads one row and a few commits, however long the log is.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from typing import Final
from zlib import crc32

import numpy as np
import pyarrow as pa

from storage.history import DeviceTags, Row
from storage.history.columns import ALONE, empty, joined, merged, rows_at, rows_of
from storage.history.commits import CommitReader
from storage.history.devices import device_tags

__all__ = ["LastReadings", "LastWriter", "newest"]

log = logging.getLogger(__name__)

_ROWS_A_DEVICE: Final = 16  # renewed after so many readings a device ...
_COMMITS: Final = 64  # ... or so many commits


class LastReadings:
    """As readers have them. Remembers its last answer and follows the log. Safe from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._commits = CommitReader()
        self._rows: dict[str, Row] = {}
        self._upto = -1

    def rows(self, connection: sqlite3.Connection) -> Mapping[str, Row]:
        """By device."""
        with self._lock:
            connection.execute("BEGIN")  # the note and the log belong together
            try:
                noted = _noted(connection, self._upto)
                fresh = self._commits.after(connection, self._upto if noted is None else noted[0])
                if noted is not None or fresh.batches:
                    self._rows = self._renewed(noted and noted[1], fresh.batches, device_tags(connection))
                self._upto = fresh.upto
            finally:
                connection.execute("COMMIT")
            return self._rows

    def _renewed(
        self, noted: pa.Table | None, fresh: Sequence[pa.RecordBatch], tags: Mapping[int, DeviceTags]
    ) -> dict[str, Row]:
        if noted is not None:
            return {row.tags.device: row for row in rows_of(newest([*noted.to_batches(), *fresh]), tags)}
        rows = dict(self._rows)  # the one before may be in use
        for row in rows_of(newest(fresh), tags):
            rows[row.tags.device] = _later(rows.get(row.tags.device), row)
        return rows


class LastWriter:
    """Keeps the note. Its methods are called inside the transaction that they belong to.

    `lock` is held from before that transaction until it stands, or is undone and forgotten.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._noted: pa.Table | None = None
        self._fresh: list[pa.RecordBatch] = []
        self._rows = 0
        self._upto = 0

    def forget(self) -> None:
        """After a transaction was undone: what is in memory may not stand."""
        self._noted = None

    def add(self, connection: sqlite3.Connection, commit: int, batch: pa.RecordBatch) -> None:
        """Follows a commit that was just written; renews the note when it is due."""
        if self._noted is None:
            self._noted = self._load(connection)  # and with it the commit
        else:
            self._fresh.append(batch)
            self._rows += batch.num_rows
            self._upto = commit
        if len(self._fresh) >= _COMMITS or self._rows > _ROWS_A_DEVICE * max(1, self._noted.num_rows):
            self.note(connection)

    def note(self, connection: sqlite3.Connection, older: pa.Table | None = None) -> None:
        """Renews the note; `older`: readings that are in no commit."""
        if self._noted is None:
            self._noted = self._load(connection)
        before = [] if older is None else older.to_batches()
        self._noted = newest([*before, *self._noted.to_batches(), *self._fresh])
        self._fresh, self._rows = [], 0
        blob = _written(self._noted)
        connection.execute("DELETE FROM last_note")
        connection.execute("INSERT INTO last_note VALUES (?, ?, ?)", (self._upto, crc32(blob), blob))

    def _load(self, connection: sqlite3.Connection) -> pa.Table:
        """What the note says."""
        upto, noted = _noted(connection, -1) or (0, empty())
        since = CommitReader().after(connection, upto)
        self._fresh, self._upto = list(since.batches), since.upto
        self._rows = sum(batch.num_rows for batch in self._fresh)
        return noted


def newest(parts: Sequence[pa.RecordBatch]) -> pa.Table:
    """The last reading of every device, by device, of readings in the order they were written."""
    parts = [part for part in parts if part.num_rows]
    if not parts:
        return empty()
    devices = [np.from_dlpack(part.column(0)) for part in parts]
    times = [np.from_dlpack(part.column(1)) for part in parts]
    last = np.full(max(int(np.maximum.reduce(numbers)) for numbers in devices) + 1, np.iinfo(np.int64).min)
    for numbers, t in zip(devices, times, strict=True):
        np.maximum.at(last, numbers, t)  # type: ignore[arg-type]
    found = []
    for part, numbers, t in zip(parts, devices, times, strict=True):
        at = np.flatnonzero(t == last[numbers])
        if len(at):
            found.append(rows_at(part, at))
    return merged([joined(found)])


def _noted(connection: sqlite3.Connection, upto: int) -> tuple[int, pa.Table] | None:
    """The note and the commit up to which it counts, if that is later than `upto`."""
    found = connection.execute("SELECT upto, crc, blob FROM last_note WHERE upto > ?", (upto,)).fetchone()
    if found is None:
        return None
    upto, crc, blob = found
    if crc32(blob) != crc:
        log.error("the note of last readings is damaged and left out: a device shows again when it speaks")
        return None
    return upto, pa.ipc.open_stream(blob, options=ALONE).read_all()


def _written(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(
        sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
    ) as stream:
        stream.write_table(table)
    blob: bytes = sink.getvalue().to_pybytes()
    return blob


def _later(one: Row | None, other: Row) -> Row:
    """The later of two readings of a device; `other` was written later, and two of one instant are one."""
    if one is None or one.t < other.t:
        return other
    if one.t > other.t:
        return one
    if one.values.keys() == other.values.keys():
        return other
    told = {**one.values, **other.values}
    return Row(other.tags, other.t, told, tuple(name for name in other.bad or one.bad if name not in told))
