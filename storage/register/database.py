"""The register's database, opened the one way this project uses it: SQLite in WAL, or PostgreSQL, by SQLAlchemy.

Several processes write and read at once. A write is one transaction, durable when it returns; on SQLite writers take
turns from their first statement on, so that none fails in the middle of what it read before.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, Insert, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, InterfaceError, NoSuchModuleError, OperationalError, SQLAlchemyError

from energy.errors import ConfigError, StoreError
from runtime.secret_file import read_secret
from storage.register.schema import bring_up_to_date
from storage.register.settings import RegisterSettings
from storage.sqlite import explain

__all__ = ["RegisterDatabase", "Turn", "glimpse", "insert"]

_BUSY_S: Final = 5.0
_CONNECT_S: Final = 10
_THREADS: Final = 40  # as many as asyncio.to_thread and the API's thread pool may have at once
_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA wal_autocheckpoint=8000",
    "PRAGMA journal_size_limit=67108864",
    "PRAGMA foreign_keys=ON",
)


def insert(connection: Connection, table: Table) -> Any:
    """An INSERT that knows ON CONFLICT, which both databases have and SQLAlchemy gives by dialect."""
    statement: Insert = postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
    return statement


@contextmanager
def glimpse(settings: RegisterSettings) -> Iterator[Connection]:
    """A connection to a database that is there, as it is: its schema may be of any version. Raises StoreError, ConfigError."""
    engine = _engine(settings)
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise _told(f"register {settings.url or settings.path}", error) from error
    finally:
        engine.dispose()


class Turn:
    """Writers of one SQLite file, of all threads and processes, one after the other.

    SQLite itself lets a writer ask again and again until it gives up: beside a busy one it may never get its turn.
    """

    def __init__(self, path: Path) -> None:
        self._path = Path(f"{path}.turn")
        self._threads = threading.Lock()
        self._file: int | None = None

    def __enter__(self) -> None:
        self._threads.acquire()
        try:
            if self._file is None:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._file, fcntl.LOCK_EX)  # a process that is killed gives it back
        except BaseException:
            self._threads.release()
            raise

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        self._threads.release()

    def close(self) -> None:
        """Gives the file back."""
        with self._threads:
            if self._file is not None:
                os.close(self._file)
                self._file = None


class RegisterDatabase:
    """The database at a path or as settings say, made or brought up to date when needed. Raises StoreError, ConfigError."""

    def __init__(self, where: Path | RegisterSettings) -> None:
        settings = where if isinstance(where, RegisterSettings) else RegisterSettings(path=where)
        self.path = None if settings.url is not None else settings.path
        self.name = f"register {settings.path}" if settings.url is None else f"register {settings.url}"
        self._turn: Turn | nullcontext[None] = nullcontext() if settings.url is not None else Turn(settings.path)
        self._closed = False
        self._engine = _engine(settings)
        try:
            with self._explained():
                bring_up_to_date(self._engine, self.path, self.name)
        except OSError as error:
            self._engine.dispose()
            raise StoreError(
                f"{self.name} cannot be opened: {error.strerror}",
                hint="check that the folder exists and that the service's user may read and write it",
            ) from error
        except BaseException:
            self._engine.dispose()
            raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one state until the block ends."""
        with self._explained(), self._connection() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: durable when the block ends, undone when it raises."""
        self._check_open()
        with (
            self._explained(),
            self._turn,
            self._connection() as connection,
            connection.execution_options(immediate=True).begin(),
        ):
            yield connection

    def close(self) -> None:
        """Closes every connection. May be called again."""
        self._closed = True
        self._engine.dispose()
        if isinstance(self._turn, Turn):
            self._turn.close()

    def _connection(self) -> Connection:
        self._check_open()
        return self._engine.connect()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(f"{self.name} is closed")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise _told(self.name, error) from error
        except sqlite3.Error as error:
            raise explain(self.name, error) from error


def _told(name: str, error: SQLAlchemyError) -> StoreError:
    cause = error.orig if isinstance(error, DBAPIError) else None
    if isinstance(cause, sqlite3.Error):
        return explain(name, cause)
    hint = None
    if isinstance(error, OperationalError | InterfaceError):
        hint = "check that PostgreSQL runs and takes this user; nothing was half written and it is tried again"
    told = str(cause if cause is not None else error).strip().partition("\n")[0]
    return StoreError(f"{name}: {told}", hint=hint)


def _engine(settings: RegisterSettings) -> Engine:
    if settings.url is None:
        return _sqlite_engine(settings.path)
    try:
        return create_engine(
            _with_password(settings),
            pool_size=5,
            max_overflow=_THREADS,
            pool_pre_ping=True,  # a server that was restarted meanwhile costs nobody an error
            connect_args={"connect_timeout": _CONNECT_S, "options": "-c timezone=UTC"},
        )
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise ConfigError(
            "PostgreSQL needs the package psycopg", field="register.url", hint="pip install 'commonwatt[postgres]'"
        ) from error
    except SQLAlchemyError as error:
        raise ConfigError(
            f"is no usable URL: {error}", field="register.url", hint="as postgresql+psycopg://user@host/database"
        ) from error


def _with_password(settings: RegisterSettings) -> URL:
    url = make_url(settings.url or "")
    if settings.password_file is not None:
        return url.set(password=read_secret(settings.password_file, "register.password_file"))
    return url.set(password=settings.password.get_secret_value()) if settings.password is not None else url


def _sqlite_engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path.absolute())),
        pool_size=5,
        max_overflow=_THREADS,
        connect_args={"timeout": _BUSY_S, "check_same_thread": False, "isolation_level": None},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in _PRAGMAS:
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("immediate", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine
