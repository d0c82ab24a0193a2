"""From the first layout of the embedded store, a table row a reading, to files of days: once, at the writer's start.

A day at a time: its file is written, then named and its rows deleted in one transaction. Stopped in the middle, it goes
on with the next day at the next start; until it is done readers are told to wait.
"""

# ruff: noqa: S608 - column names come from the table itself and are known quantities

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import astuple
from typing import Final

import pyarrow as pa

from energy.quantities import QUANTITIES
from storage.history import DeviceTags
from storage.history.columns import schema_of
from storage.history.last import device_tags, keep_last, newest
from storage.history.sealer import ADD_SEGMENT
from storage.history.segments import DAY_MS, SegmentFiles
from storage.sqlite import Database

__all__ = ["has_old_readings", "move_old_readings"]

log = logging.getLogger(__name__)

_POSITION: Final = 0  # before everything that is written since


def has_old_readings(connection: sqlite3.Connection) -> bool:
    """Whether the file still has the table of the first layout."""
    return connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'reading'").fetchone() is not None


def move_old_readings(database: Database, files: SegmentFiles) -> None:
    """Returns when nothing is left to move. Raises StoreError; what was moved stays moved."""
    with database.read() as connection:
        if not has_old_readings(connection):
            return
        tags = device_tags(connection)
    moved = 0
    while (day := _first_day(database)) is not None:
        moved += _move_day(database, files, day, tags)
        log.info("moved %d readings of the older layout into files of days", moved)
    with database.write() as connection:
        connection.execute("DROP TABLE reading")
    if moved:
        log.info("giving the space of the older layout back")
        database.vacuum()


def _first_day(database: Database) -> int | None:
    with database.read() as connection:
        (first,) = connection.execute(
            "SELECT min((SELECT min(t) FROM reading WHERE device = d.id)) FROM device d"
        ).fetchone()
    return None if first is None else first // DAY_MS * DAY_MS


def _move_day(database: Database, files: SegmentFiles, day: int, tags: Mapping[int, DeviceTags]) -> int:
    with database.read() as connection:
        tables = list(_of_devices(connection, day, sorted(tags)))
    table = pa.concat_tables(tables).combine_chunks()
    segment = files.write(_POSITION, day, [table], tags)
    with database.write() as connection:
        connection.execute(ADD_SEGMENT, astuple(segment))
        keep_last(connection, newest([table]), tags)
        for device in tags:
            connection.execute("DELETE FROM reading WHERE device = ? AND t >= ? AND t < ?", (device, day, day + DAY_MS))
    return segment.rows


def _of_devices(connection: sqlite3.Connection, day: int, devices: list[int]) -> Iterator[pa.Table]:
    held = {row[1] for row in connection.execute("PRAGMA table_info(reading)")}
    names = tuple(name for name in QUANTITIES if name in held)
    schema = schema_of(names)
    for device in devices:
        rows = connection.execute(
            f"SELECT {', '.join(schema.names)} FROM reading WHERE device = ? AND t >= ? AND t < ? ORDER BY t",
            (device, day, day + DAY_MS),
        ).fetchall()
        if rows:
            columns = zip(*rows, strict=True)
            yield pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)
