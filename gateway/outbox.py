"""The gateway's memory: every batch of readings, on disk until the centre confirms that its store has it.

One packed row per batch, because a row per value would wear out a memory card and fill it eight times as fast. Batches
look alike, so each is compressed with an earlier one as dictionary, which halves it again. `epoch` names this outbox's
life and `seq` never repeats within it, even after deletion.
"""

from __future__ import annotations

import logging
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.durable import DurableFile, Schema
from messaging.codec import Reading
from runtime.clock import Clock

__all__ = ["Batch", "Depth", "Outbox"]

log = logging.getLogger(__name__)

_VERSION_1: Final = """
CREATE TABLE batch (seq INTEGER PRIMARY KEY AUTOINCREMENT, oldest_ms INTEGER NOT NULL, readings BLOB NOT NULL);
CREATE TABLE outbox (epoch TEXT NOT NULL, dropped INTEGER NOT NULL);
INSERT INTO outbox VALUES (lower(hex(randomblob(16))), 0);
"""
_VERSION_2: Final = """
CREATE TABLE dictionary (id INTEGER PRIMARY KEY, readings BLOB NOT NULL);
ALTER TABLE batch ADD COLUMN dictionary INTEGER;
ALTER TABLE batch ADD COLUMN unsynchronised INTEGER NOT NULL DEFAULT 0;
"""
_SCHEMA: Final = Schema(
    "outbox", frozenset({"batch", "outbox", "dictionary"}), (_VERSION_1, _VERSION_2), one_row="outbox"
)
_DROP_AT_ONCE: Final = 64  # deleting one by one at the limit would double every commit's work
_DICTIONARY_AGE: Final = 1_000  # batches, three hours at 10 s: counters move on, and damage to one costs no more
_WINDOW: Final = 15  # zlib: 32 KiB, and a checksum at the end
_LEVEL: Final = 6
_QUICK_LEVEL: Final = 1  # from so many bytes on: a batch of hundreds of devices holds its own repetitions
_LARGE: Final = 16_384
_encoder: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Batch:
    """One row of the outbox; `readings` is the JSON list as it goes on the wire.

    `unsynchronised`: the clock was known not to be synchronised when they were taken.
    """

    seq: int
    readings: bytes
    unsynchronised: bool = False


@dataclass(frozen=True, slots=True)
class Depth:
    """What waits: number of batches, and the time (ms UTC) of the oldest reading."""

    batches: int
    oldest_ms: int | None


class Outbox:
    """Calls block for a disk's sync; services make them in a worker thread. Safe to share between threads.

    Raises StoreError when the disk cannot take or give data, ConfigError when a newer version wrote the file.
    """

    def __init__(self, path: Path, clock: Clock, *, limit_bytes: int = 256 * 1024 * 1024) -> None:
        self._file = DurableFile(path, _SCHEMA, clock, rescue=_rescue)
        self._limit_bytes = limit_bytes
        self._dictionaries: dict[int | None, bytes] = {None: b""}
        with self._file.transaction() as db:
            self._page_bytes: int = db.execute("PRAGMA page_size").fetchone()[0]
            self._held: int = db.execute("SELECT count(*) FROM batch").fetchone()[0]
            self.epoch, self.dropped_total = db.execute("SELECT epoch, dropped FROM outbox").fetchone()
            self._newest_dictionary = db.execute("SELECT max(id) FROM dictionary").fetchone()[0]
        self._dictionary_used = 0
        self._newest = Batch(-1, b"")

    @property
    def set_aside(self) -> Path | None:
        """Where the damaged file that was found went, if one was."""
        return self._file.set_aside

    def append(self, readings: Sequence[Reading], *, unsynchronised: bool = False) -> int:
        """Keeps a batch and returns its `seq`; on disk when it returns. At the limit the oldest batches go."""
        encoded = _encoder.encode(list(readings))
        oldest = min(reading.t for reading in readings)
        with self._file.transaction() as db:
            dictionary = self._dictionary_for(db, encoded)
            packed = _packed(encoded, self._dictionary(db, dictionary))
            seq = db.execute(
                "INSERT INTO batch (oldest_ms, readings, dictionary, unsynchronised) VALUES (?, ?, ?, ?)",
                (oldest, packed, dictionary, unsynchronised),
            ).lastrowid
            assert seq is not None
            dropped = self._make_room(db, keep=seq)
        self.dropped_total += dropped
        self._held += 1 - dropped
        self._newest_dictionary = dictionary
        self._dictionary_used += 1
        self._newest = Batch(seq, encoded, unsynchronised)
        return seq

    def pending(self, after: int, up_to: int, limit: int) -> list[Batch]:
        """Unconfirmed batches with after < seq <= up_to, oldest first, at most `limit`."""
        with self._file.transaction() as db:
            rows = db.execute(
                "SELECT seq, readings, dictionary, unsynchronised FROM batch WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
                (after, up_to, limit),
            ).fetchall()
            batches = []
            for seq, packed, dictionary, unsynchronised in rows:
                if seq == self._newest.seq:  # most often it is sent at once: nothing to unpack
                    batches.append(self._newest)
                    continue
                try:
                    readings = _unpacked(packed, self._dictionary(db, dictionary))
                    batches.append(Batch(seq, readings, bool(unsynchronised)))
                except (zlib.error, TypeError):
                    self._drop_unreadable(db, seq)
        return batches

    def confirm(self, epoch: str, seqs: Sequence[int]) -> int:
        """Forgets the batches the centre's store has; returns how many. Those of another epoch are none of ours."""
        if epoch != self.epoch:
            return 0
        with self._file.transaction() as db:
            forgotten = db.executemany("DELETE FROM batch WHERE seq = ?", [(seq,) for seq in seqs]).rowcount
        self._held -= forgotten
        return forgotten

    def depth(self) -> Depth:
        """How much waits."""
        with self._file.transaction() as db:
            row = db.execute("SELECT oldest_ms FROM batch ORDER BY seq LIMIT 1").fetchone()
        return Depth(self._held, row[0] if row else None)

    def last_seq(self) -> int:
        """The highest `seq` ever given out, 0 before the first."""
        with self._file.transaction() as db:
            row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'batch'").fetchone()
        return row[0] if row else 0

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _dictionary_for(self, db: sqlite3.Connection, encoded: bytes) -> int:
        """The dictionary a new batch is compressed with: a recent batch, kept as it was."""
        if self._newest_dictionary is not None and self._dictionary_used < _DICTIONARY_AGE:
            return int(self._newest_dictionary)
        db.execute("DELETE FROM dictionary WHERE id NOT IN (SELECT dictionary FROM batch WHERE dictionary > 0)")
        made = db.execute("INSERT INTO dictionary (readings) VALUES (?)", (encoded,)).lastrowid
        assert made is not None
        self._dictionaries = {None: b"", made: encoded}
        self._dictionary_used = 0
        return made

    def _dictionary(self, db: sqlite3.Connection, number: int | None) -> bytes:
        known = self._dictionaries.get(number)
        if known is None:
            row = db.execute("SELECT readings FROM dictionary WHERE id = ?", (number,)).fetchone()
            known = self._dictionaries[number] = row[0] if row else b""
        return known

    def _make_room(self, db: sqlite3.Connection, *, keep: int) -> int:
        dropped = 0
        while self._used_bytes(db) > self._limit_bytes:
            found = db.execute(
                "DELETE FROM batch WHERE seq IN (SELECT seq FROM batch WHERE seq < ? ORDER BY seq LIMIT ?)",
                (keep, _DROP_AT_ONCE),
            ).rowcount
            if not found:
                break
            dropped += found
        if dropped:
            db.execute("UPDATE outbox SET dropped = dropped + ?", (dropped,))
        return dropped

    def _used_bytes(self, db: sqlite3.Connection) -> int:
        pages: int = db.execute("PRAGMA page_count").fetchone()[0]
        free: int = db.execute("PRAGMA freelist_count").fetchone()[0]
        return (pages - free) * self._page_bytes

    def _drop_unreadable(self, db: sqlite3.Connection, seq: int) -> None:
        log.error("outbox %s: batch %d is damaged and dropped", self._file.path, seq)
        db.execute("DELETE FROM batch WHERE seq = ?", (seq,))
        db.execute("UPDATE outbox SET dropped = dropped + 1")
        self.dropped_total += 1
        self._held -= 1


def _packed(encoded: bytes, dictionary: bytes) -> bytes:
    level = _LEVEL if len(encoded) < _LARGE else _QUICK_LEVEL
    packer = zlib.compressobj(level, zlib.DEFLATED, _WINDOW, zdict=dictionary)
    return packer.compress(encoded) + packer.flush()


def _unpacked(packed: bytes, dictionary: bytes) -> bytes:
    """Raises zlib.error when it is damaged."""
    unpacker = zlib.decompressobj(_WINDOW, zdict=dictionary)
    unpacked = unpacker.decompress(packed) + unpacker.flush()
    if not unpacker.eof:
        raise zlib.error("it is cut short")
    return unpacked


def _rescue(damaged: sqlite3.Connection, fresh: sqlite3.Connection) -> int:
    """Copies the batches in front of and behind the damage, under new numbers of the new epoch."""
    columns = {name for _, name, *_ in damaged.execute("PRAGMA table_info(batch)")}
    chosen = "oldest_ms, readings, NULL, 0"
    dictionaries = []
    if "dictionary" in columns:
        chosen = "oldest_ms, readings, dictionary, unsynchronised"
        dictionaries = list(_readable(damaged, "SELECT id, readings FROM dictionary ORDER BY id"))
    fresh.executemany("INSERT INTO dictionary VALUES (?, ?)", dictionaries)
    found: dict[int, tuple[Any, ...]] = {}
    for order in ("ASC", "DESC"):
        for seq, *row in _readable(damaged, f"SELECT seq, {chosen} FROM batch ORDER BY seq {order}"):  # noqa: S608 - names of ours
            if seq in found:
                break
            found[seq] = tuple(row)
    rows = [found[seq] for seq in sorted(found)]
    fresh.executemany("INSERT INTO batch (oldest_ms, readings, dictionary, unsynchronised) VALUES (?, ?, ?, ?)", rows)
    return len(rows)


def _readable(db: sqlite3.Connection, select: str) -> Iterator[tuple[Any, ...]]:
    """Rows until the first that cannot be read."""
    try:
        yield from db.execute(select)
    except sqlite3.DatabaseError:
        return
