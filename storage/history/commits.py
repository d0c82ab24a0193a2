"""Commits of the log as they are read: damaged ones are told and left out."""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from energy.errors import DataError
from storage.history.columns import unpack

__all__ = ["CommitReader", "Commits", "sealed_upto"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Commits:
    """Some commits in the order written, as `unpack` gives them; `upto`: the last of them."""

    batches: tuple[pa.RecordBatch, ...]
    upto: int
    unreadable: tuple[int, ...] = ()


class CommitReader:
    """Reads the log of one file. For one thread at a time."""

    def __init__(self) -> None:
        self._schemas: dict[int, pa.Schema] = {}

    def after(self, connection: sqlite3.Connection, upto: int) -> Commits:
        """Those later than `upto` that are not deleted."""
        found = connection.execute("SELECT id, layout, size, crc, blob FROM log WHERE id > ? ORDER BY id", (upto,))
        batches, unreadable = [], []
        for number, layout, *packed in found.fetchall():
            upto = number
            try:
                batches.append(self._unpacked(connection, layout, *packed))
            except DataError as error:
                log.error("%s (commit %d of the log); its readings are left out", error, number)  # noqa: TRY400 - for operators
                unreadable.append(number)
        return Commits(tuple(batches), upto, tuple(unreadable))

    def _unpacked(self, connection: sqlite3.Connection, layout: int, *packed: Any) -> pa.RecordBatch:
        if layout not in self._schemas:
            (stored,) = connection.execute("SELECT schema FROM layout WHERE id = ?", (layout,)).fetchone()
            self._schemas[layout] = pa.ipc.read_schema(pa.py_buffer(stored))
        return unpack(self._schemas[layout], *packed)


def sealed_upto(connection: sqlite3.Connection) -> int:
    """Commits up to this one are in segments, whether the log still has them or not."""
    return int(connection.execute("SELECT upto FROM sealed").fetchone()[0])
