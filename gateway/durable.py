"""A SQLite file that survives kill -9, a power cut and damage: what the gateway must not forget lives in such files.

WAL with synchronous=FULL: what a transaction wrote is on disk when it ends. A damaged file is moved aside and a new one
begins, with what could still be read; a file of a newer version is refused, one of an older version is brought up.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from energy.errors import ConfigError, StoreError
from runtime.clock import Clock

__all__ = ["DurableFile", "Schema"]

log = logging.getLogger(__name__)

_ASIDE_KEPT: Final = 3  # damaged files a person may still look at; older ones are deleted
_WAL_PAGES: Final = 256  # written back at 1 MiB: the file beside the file stays small
_BUSY_S: Final = 5.0
_SIDE_FILES: Final = ("-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Schema:
    """What a file holds. `versions`: the script that makes each version from the one before, the first from nothing."""

    what: str
    tables: frozenset[str]
    versions: tuple[str, ...]
    one_row: str = ""
    """A table that always has a row; without it the file is none of ours."""


class DurableFile:
    """One file, one connection, calls from any thread. `rescue(damaged, fresh)` may copy what can still be read.

    Raises StoreError when the disk cannot take or give data, ConfigError when the file cannot be opened at all.
    """

    def __init__(
        self,
        path: Path,
        schema: Schema,
        clock: Clock,
        *,
        rescue: Callable[[sqlite3.Connection, sqlite3.Connection], int] | None = None,
    ) -> None:
        self.path = path
        self.set_aside: Path | None = None
        """Where the damaged file that was found went, if one was."""
        self._schema = schema
        self._clock = clock
        self._rescue = rescue
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._cannot_keep(str(error.strerror)) from error
        self._db = self._open_or_replace()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing. Raises StoreError."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                self._roll_back()
                what = self._schema.what
                raise StoreError(f"the {what} {self.path} failed: {error}", hint="check the disk") from error
            except BaseException:
                self._roll_back()
                raise

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._db.close()

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _open_or_replace(self) -> sqlite3.Connection:
        try:
            return self._open()
        except sqlite3.OperationalError as error:
            raise self._cannot_keep(str(error)) from error
        except sqlite3.DatabaseError as error:
            return self._replace(error)

    def _open(self) -> sqlite3.Connection:
        db = _connect(self.path)
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        version, newest = db.execute("PRAGMA user_version").fetchone()[0], len(self._schema.versions)
        if version > newest:
            raise ConfigError(
                f"the {self._schema.what} {self.path} was written by a newer version ({version} > {newest})",
                hint="install that version again, or move the file away: what it holds is then not sent",
            )
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        tables = _tables(db)
        if tables and (problem := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(problem)
        if tables and version == 0:
            raise sqlite3.DatabaseError(f"it is not an {self._schema.what}")
        for number in range(version, newest):
            db.executescript(f"BEGIN; {self._schema.versions[number]} PRAGMA user_version = {number + 1}; COMMIT;")
        one_row = self._schema.one_row
        complete = self._schema.tables <= _tables(db)
        if not complete or (one_row and not db.execute(f"SELECT count(*) FROM {one_row}").fetchone()[0]):  # noqa: S608 - a name of ours
            raise sqlite3.DatabaseError(f"it is not an {self._schema.what}")

    def _replace(self, problem: sqlite3.DatabaseError) -> sqlite3.Connection:
        aside = self.path.with_name(f"{self.path.name}.damaged-{self._clock.now_ms()}")
        _move(self.path, aside)
        self.set_aside = aside
        fresh = self._open()
        rescued = self._rescued(aside, fresh)
        log.error(
            "the %s %s was damaged (%s): it is now %s, a new one begins%s",
            self._schema.what,
            self.path,
            problem,
            aside.name,
            f" with {rescued} entries that could still be read" if rescued else "",
        )
        self._forget_old()
        return fresh

    def _rescued(self, aside: Path, fresh: sqlite3.Connection) -> int:
        if self._rescue is None:
            return 0
        damaged = _connect(aside)
        try:
            fresh.execute("BEGIN IMMEDIATE")
            rescued = self._rescue(damaged, fresh)
            fresh.execute("COMMIT")
        except sqlite3.Error:
            if fresh.in_transaction:
                fresh.execute("ROLLBACK")
            return 0
        finally:
            damaged.close()
        return rescued

    def _forget_old(self) -> None:
        found = sorted(self.path.parent.glob(f"{self.path.name}.damaged-*"), key=lambda path: path.name)
        kept = [path for path in found if not path.name.endswith(_SIDE_FILES)][-_ASIDE_KEPT:]
        for path in found:
            if not any(path.name.startswith(one.name) for one in kept):
                path.unlink(missing_ok=True)

    def _cannot_keep(self, reason: str) -> ConfigError:
        return ConfigError(
            f"cannot keep the {self._schema.what} {self.path}: {reason}",
            field="data_dir",
            hint="check the folder's path, rights and free space, and that no other gateway uses it",
        )


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_S)


def _tables(db: sqlite3.Connection) -> set[str]:
    rows: Sequence[tuple[str]] = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {name for (name,) in rows}


def _move(path: Path, to: Path) -> None:
    path.rename(to)
    for suffix in _SIDE_FILES:
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            beside.rename(to.with_name(to.name + suffix))
