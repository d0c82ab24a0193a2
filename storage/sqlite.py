"""SQLite opened the one way this project uses it: WAL, durable commits, a versioned schema, errors as StoreError.

One process writes through one connection; any number of threads and processes read beside it, each thread with a
connection of its own for as long as it reads.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from energy.errors import StoreError

__all__ = ["Database", "Schema", "explain", "locked"]

_BUSY_S: Final = 5.0
_WAL_PAGES: Final = 16_000  # the same leaf pages are written again and again: check-pointing rarely writes them once
_WAL_LIMIT_BYTES: Final = 64 * 1024 * 1024
_INCREMENTAL: Final = 2  # SQLite's number of that way of vacuuming
_PAGES_AT_ONCE: Final = 250  # given back in one transaction; a writer waits no longer than that takes
_WRITER_CACHE_KIB: Final = 32 * 1024

_HINTS: Final = {
    "SQLITE_FULL": "free space on that disk; nothing was half written and writing goes on as soon as there is room",
    "SQLITE_BUSY": "another process holds the file; it is tried again",
    "SQLITE_CORRUPT": "stop the services, move the file aside and restore a backup; a new file is created without one",
    "SQLITE_NOTADB": "the path holds something else; correct `path` or move that file aside",
    "SQLITE_READONLY": "give the service's user the right to write that file and its folder",
    "SQLITE_CANTOPEN": "check that the folder exists and that the service's user may read and write it",
    "SQLITE_IOERR": "check the disk (dmesg) and its free space",
}


@dataclass(frozen=True, slots=True)
class Schema:
    """What a file must hold. `migrations[n]` are the statements that take it from version n to n + 1.

    `complete` adds, in the same transaction, what is derived from the program and carries no version.
    """

    name: str
    migrations: tuple[tuple[str, ...], ...]
    complete: Callable[[sqlite3.Connection], None] = lambda _: None

    @property
    def version(self) -> int:
        """The version this program writes."""
        return len(self.migrations)


class Database:
    """One SQLite file. `exclusive`: no second writer may open it while this one lives.

    Raises StoreError wherever SQLite raises, with the next step as hint. A reader may be made before the file exists:
    its reads raise StoreError until the writer has created it.
    """

    def __init__(self, path: Path, schema: Schema, *, read_only: bool = False, exclusive: bool = False) -> None:
        self.path = path
        self._schema = schema
        self._closed = False
        self._idle: list[sqlite3.Connection] = []
        self._idle_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._lock_file: int | None = None
        self._writer: sqlite3.Connection | None = None
        self._uncopied = 0
        if not read_only:
            self._open_writer(exclusive)

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection that cannot write, for this thread until the block ends."""
        try:
            connection = self._borrow()
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            self._give_back(connection)
        except sqlite3.Error as error:
            raise self._explained(error) from error

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction: durable when the block ends, undone when it raises. Writers take turns."""
        with self._write_lock:
            if self._writer is None:
                raise StoreError(f"{self._schema.name} {self.path} is not open for writing")
            try:
                with _transaction(self._writer):
                    yield self._writer
                self._uncopied += 1
            except sqlite3.Error as error:
                raise self._explained(error) from error

    def checkpoint(self, commits: int) -> None:
        """Copies what is committed from the write-ahead log into the file, after so many commits; nobody waits for it.

        A commit does the same when `_WAL_PAGES` are waiting, and waits for the disk.
        """
        if self._uncopied < commits:
            return
        self._uncopied = 0
        try:
            with contextlib.closing(_connect(self.path, read_only=False)) as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def give_back(self, spare_bytes: int) -> bool:
        """Gives some free pages back to the disk when more than `spare_bytes` and half of the file are free.

        True when there may be more. Of a file older than version 4 no page is given back, all are used again.
        """
        with self.read() as connection:
            free, pages, page_bytes, mode = (
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("freelist_count", "page_count", "page_size", "auto_vacuum")
            )
        if mode != _INCREMENTAL or free * page_bytes <= spare_bytes or free * 2 <= pages:
            return False
        with self._write_lock:
            if self._writer is None:
                raise StoreError(f"{self._schema.name} {self.path} is not open for writing")
            try:
                # A transaction of its own; `execute` would stop after the first page.
                self._writer.executescript(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})")
                self._uncopied += 1
            except sqlite3.Error as error:
                raise self._explained(error) from error
        return True

    def close(self) -> None:
        """Closes every connection and lets another writer in. May be called again."""
        with self._idle_lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        with self._write_lock:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            self._unlock()

    def _open_writer(self, exclusive: bool) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock_file = _lock(self.path, self._schema.name, wait=not exclusive)
        except OSError as error:
            raise StoreError(
                f"{self._schema.name} {self.path} cannot be opened: {error.strerror}", hint=_HINTS["SQLITE_CANTOPEN"]
            ) from error
        try:
            self._writer = self._prepared_writer()
        except BaseException:
            self._unlock()
            raise
        if not exclusive:  # the lock only kept two processes from creating the file at the same moment
            self._unlock()

    def _prepared_writer(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = None
        try:
            connection = _connect(self.path, read_only=False)
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # of a file that is made now: see `give_back`
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(f"PRAGMA wal_autocheckpoint={_WAL_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit={_WAL_LIMIT_BYTES}")
            connection.execute(f"PRAGMA cache_size=-{_WRITER_CACHE_KIB}")
            self._migrate(connection)
            return connection
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, sqlite3.Error):
                raise self._explained(error) from error
            raise

    def _migrate(self, connection: sqlite3.Connection) -> None:
        with _transaction(connection):
            version = _version(connection)
            self._refuse_newer(version)
            for statements in self._schema.migrations[version:]:
                for statement in statements:
                    connection.execute(statement)
            self._schema.complete(connection)
            if version != self._schema.version:
                connection.execute(f"PRAGMA user_version={self._schema.version}")

    def _refuse_newer(self, version: int) -> None:
        if version > self._schema.version:
            raise StoreError(
                f"{self._schema.name} {self.path} has schema version {version}, this program knows up to "
                f"{self._schema.version}",
                hint="run the newer commonwatt that wrote it, or restore a backup made before the upgrade",
            )

    def _borrow(self) -> sqlite3.Connection:
        with self._idle_lock:
            if self._closed:
                raise StoreError(f"{self._schema.name} {self.path} is closed")
            if self._idle:
                return self._idle.pop()
        if not self.path.exists():
            raise StoreError(
                f"{self._schema.name} {self.path} does not exist yet", hint="start the collector: it creates the file"
            )
        connection = _connect(self.path, read_only=True)
        try:
            self._check_readable(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_readable(self, connection: sqlite3.Connection) -> None:
        version = _version(connection)
        self._refuse_newer(version)
        if version < self._schema.version and self._writer is None:
            raise StoreError(
                f"{self._schema.name} {self.path} has no schema version {self._schema.version} yet",
                hint="start the collector of this version: it brings the file up to date",
            )

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._idle_lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def _unlock(self) -> None:
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def _explained(self, error: sqlite3.Error) -> StoreError:
        return explain(f"{self._schema.name} {self.path}", error)


@contextmanager
def locked(path: Path, name: str) -> Iterator[None]:
    """Keeps every other writer of the file away. Raises StoreError when there is one."""
    handle = _lock(path, name, wait=False)
    try:
        yield
    finally:
        os.close(handle)


def _lock(path: Path, name: str, *, wait: bool) -> int:
    """A handle that holds the lock as long as it is open."""
    handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise StoreError(
            f"{name} {path} is being written by another process",
            hint="one collector per file: stop the other one, or give this one a path of its own",
        ) from error
    return handle


def explain(subject: str, error: sqlite3.Error) -> StoreError:
    """What SQLite raised, as our error about `subject` with the next step."""
    name: str = getattr(error, "sqlite_errorname", "") or ""
    hint = next((text for prefix, text in _HINTS.items() if name.startswith(prefix)), None)
    return StoreError(f"{subject}: {error}", hint=hint)


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    mode = "ro" if read_only else "rwc"
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_S,
        isolation_level=None,  # transactions are begun by hand
        check_same_thread=False,  # handed from thread to thread, used by one at a time
    )


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite rolls back by itself on some errors
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise
