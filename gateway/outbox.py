"""The gateway's memory: every batch of readings, on disk until the centre confirms that its store has it.

SQLite in WAL mode with synchronous=FULL: what `append` returned survives a crash and a power cut. One packed row per
batch, because a row per value would wear out a memory card and fill it eight times as fast. `epoch` names this
outbox's life and `seq` never repeats within it, even after deletion.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from energy.errors import ConfigError, StoreError
from messaging.codec import Reading
from runtime.clock import Clock

__all__ = ["Batch", "Depth", "Outbox"]

log = logging.getLogger(__name__)

SCHEMA_VERSION: Final = 1
_SCHEMA: Final = """
BEGIN;
CREATE TABLE batch (seq INTEGER PRIMARY KEY AUTOINCREMENT, oldest_ms INTEGER NOT NULL, readings BLOB NOT NULL);
CREATE TABLE outbox (epoch TEXT NOT NULL, dropped INTEGER NOT NULL);
INSERT INTO outbox VALUES (lower(hex(randomblob(16))), 0);
PRAGMA user_version = 1;
COMMIT;
"""
_DROP_AT_ONCE: Final = 64  # deleting one by one at the limit would double every commit's work
_encoder: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Batch:
    """One row of the outbox; `readings` is the JSON list as it goes on the wire."""

    seq: int
    readings: bytes


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
        self._path = path
        self._clock = clock
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self.set_aside: Path | None = None
        """Where the damaged file that was found went, if one was."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_write(path, str(error.strerror)) from error
        self._db = self._open_or_replace()
        self._page_bytes: int = self._db.execute("PRAGMA page_size").fetchone()[0]
        self.epoch, self.dropped_total = self._db.execute("SELECT epoch, dropped FROM outbox").fetchone()

    def append(self, readings: Sequence[Reading]) -> int:
        """Keeps a batch and returns its `seq`; on disk when it returns. At the limit the oldest batches go."""
        packed = zlib.compress(_encoder.encode(list(readings)), 1)
        oldest = min(reading.t for reading in readings)
        with self._transaction() as db:
            seq = db.execute("INSERT INTO batch (oldest_ms, readings) VALUES (?, ?)", (oldest, packed)).lastrowid
            assert seq is not None
            dropped = self._make_room(db, keep=seq)
        if dropped:
            self.dropped_total += dropped
        return seq

    def pending(self, after: int, up_to: int, limit: int) -> list[Batch]:
        """Unconfirmed batches with after < seq <= up_to, oldest first, at most `limit`."""
        with self._transaction() as db:
            rows = db.execute(
                "SELECT seq, readings FROM batch WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?", (after, up_to, limit)
            ).fetchall()
            batches = []
            for seq, packed in rows:
                try:
                    batches.append(Batch(seq, zlib.decompress(packed)))
                except (zlib.error, TypeError):
                    self._drop_unreadable(db, seq)
        return batches

    def confirm(self, epoch: str, seqs: Sequence[int]) -> int:
        """Forgets the batches the centre's store has; returns how many. Those of another epoch are none of ours."""
        if epoch != self.epoch:
            return 0
        with self._transaction() as db:
            return db.executemany("DELETE FROM batch WHERE seq = ?", [(seq,) for seq in seqs]).rowcount

    def depth(self) -> Depth:
        """How much waits."""
        with self._transaction() as db:
            count = db.execute("SELECT count(*) FROM batch").fetchone()[0]
            row = db.execute("SELECT oldest_ms FROM batch ORDER BY seq LIMIT 1").fetchone()
        return Depth(count, row[0] if row else None)

    def last_seq(self) -> int:
        """The highest `seq` ever given out, 0 before the first."""
        with self._transaction() as db:
            row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'batch'").fetchone()
        return row[0] if row else 0

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                self._roll_back()
                raise StoreError(f"the outbox {self._path} failed: {error}", hint="check the disk") from error
            except BaseException:
                self._roll_back()
                raise

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

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
        log.error("outbox %s: batch %d is damaged and dropped", self._path, seq)
        db.execute("DELETE FROM batch WHERE seq = ?", (seq,))
        db.execute("UPDATE outbox SET dropped = dropped + 1")
        self.dropped_total += 1

    def _open_or_replace(self) -> sqlite3.Connection:
        try:
            return self._open()
        except sqlite3.OperationalError as error:
            raise _cannot_write(self._path, str(error)) from error
        except sqlite3.DatabaseError as error:
            self._set_aside(error)
            return self._open()

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=5)
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise ConfigError(
                f"the outbox {self._path} was written by a newer version ({version} > {SCHEMA_VERSION})",
                hint="install that version again, or move the file away: what it holds is then not sent",
            )
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            db.executescript(_SCHEMA)
        elif (problem := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(problem)
        elif not {"batch", "outbox"} <= tables or not db.execute("SELECT count(*) FROM outbox").fetchone()[0]:
            raise sqlite3.DatabaseError("it is not an outbox")

    def _set_aside(self, error: sqlite3.DatabaseError) -> None:
        self.set_aside = self._path.with_name(f"{self._path.name}.damaged-{self._clock.now_ms()}")
        log.error(
            "the outbox %s is damaged (%s): set aside as %s, a new one begins", self._path, error, self.set_aside.name
        )
        self._path.rename(self.set_aside)
        for suffix in ("-wal", "-shm"):
            leftover = self._path.with_name(self._path.name + suffix)
            if leftover.exists():
                leftover.rename(self.set_aside.with_name(self.set_aside.name + suffix))


def _cannot_write(path: Path, reason: str) -> ConfigError:
    return ConfigError(
        f"cannot keep the outbox {path}: {reason}",
        field="data_dir",
        hint="check the folder's path, rights and free space",
    )
