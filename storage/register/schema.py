"""Brings the register's schema up to date: once, whoever starts first, with a backup of a SQLite file before.

What the steps are stands in migrations/versions, as Alembic runs them.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, inspect, text

from energy.errors import StoreError

__all__ = ["HEAD", "bring_up_to_date"]

HEAD: Final = "r0011"
_BASE: Final = "r0000"  # what the table of versions was unknown to
_LOCK_KEY: Final = 0x636F6D6D6F6E  # "common": PostgreSQL's advisory locks are numbers


def bring_up_to_date(engine: Engine, path: Path | None, name: str) -> None:
    """Runs the migrations the database lacks, in one transaction. Raises StoreError when it is newer than the program."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path):
        with engine.connect() as connection, connection.begin():
            version = _version(connection)
        _refuse_newer(version, name)
        if version == HEAD:
            return
        if path is not None and version is not None:
            _back_up(path, version)
        with engine.connect() as connection, connection.execution_options(immediate=True).begin():
            _migrate(connection, name)


@contextmanager
def _alone(path: Path | None) -> Iterator[None]:
    """Two processes that start together migrate one after the other; PostgreSQL has a lock of its own for that."""
    if path is None:
        yield
        return
    with Path(f"{path}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _version(connection: Connection) -> str | None:
    """The version the database has, None for an empty one."""
    tables = set(inspect(connection).get_table_names())
    if connection.dialect.name == "sqlite":
        number = connection.execute(text("PRAGMA user_version")).scalar_one()
        if number > 1:
            return f"r{number - 1:04}"
    if "alembic_version" in tables:
        return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())
    return _BASE if "command" in tables else None


def _refuse_newer(version: str | None, name: str) -> None:
    if version is not None and version > HEAD:
        raise StoreError(
            f"{name} has schema version {version}, this program knows up to {HEAD}",
            hint="run the newer commonwatt that wrote it, or restore a backup made before the upgrade",
        )


def _migrate(connection: Connection, name: str) -> None:
    # Alembic is imported when there is something to do: it costs a start a tenth of a second
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        _refuse_newer(_version(connection), name)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
    if connection.dialect.name == "sqlite":  # a program from before Alembic looks here, and refuses
        connection.execute(text(f"PRAGMA user_version = {int(HEAD[1:]) + 1}"))


def _back_up(path: Path, version: str) -> None:
    """A whole copy beside the file, taken while others may read and write it."""
    target = path.with_name(f"{path.name}.before-{HEAD}-{version}")
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(part)) as copy:
        source.backup(copy)
    part.replace(target)
