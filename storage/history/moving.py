"""From the first layout of the embedded store, a table row a reading, to a file of today's, before its writer opens it.

The new file grows beside the old one, which stays as it is until every reading was read back from the new one: whatever
fails or is killed meanwhile, the old file is still there, and the next start begins anew.
"""

# ruff: noqa: S608 - column names come from the table itself and are known quantities

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Final

import pyarrow as pa

from energy.errors import StoreError
from energy.quantities import QUANTITIES
from storage.history import Row
from storage.history.columns import Columned, batch_of, joined, schema_of
from storage.history.devices import device_tags
from storage.history.last import LastWriter, newest
from storage.history.sealer import ADD_SEGMENT
from storage.history.segments import DAY_MS, Segment, SegmentFiles
from storage.sqlite import Database, Schema, explain, locked

__all__ = ["bring_last_readings", "move_version_1"]

log = logging.getLogger(__name__)

_POSITION: Final = 0  # before everything that is written since
_ROWS_AT_ONCE: Final = 5000
_EVER: Final = 2**62
_COPIED: Final = {
    "device": "id, community, site, device, role",
    "device_quantity": "device, quantity",
    "device_quarter": "device, start, import_wh, export_wh, quality",
    "site_quarter": "site, start, community, pv_wh, import_wh, export_wh, charge_wh, discharge_wh, consumption_wh, quality",
}


def move_version_1(path: Path, schema: Schema, files: SegmentFiles) -> None:
    """Puts a file of today in the place of one of version 1; does nothing with any other.

    Raises StoreError; then `path` is as it was.
    """
    if not path.exists():
        return
    with _explained(path), locked(path, schema.name), contextlib.closing(_opened(path)) as old:
        if old.execute("PRAGMA user_version").fetchone() != (1,):
            return
        log.info("%s is of an older layout and is being moved into a new file", path)
        unfinished = path.with_name(f"{path.name}.moving")
        _remove(unfinished)
        new = Database(unfinished, schema)
        try:
            _Move(old, new, files).run()
        finally:
            new.close()
        old.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # what stays in the old file's log would count for the new one
        _put_in_place(unfinished, path)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise explain(f"history {path}", error) from error
    except OSError as error:
        raise StoreError(f"history {path}: {error}", hint="check that disk and its free space") from error


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def _remove(unfinished: Path) -> None:
    for extra in ("", "-wal", "-shm", ".lock"):
        unfinished.with_name(unfinished.name + extra).unlink(missing_ok=True)


def _put_in_place(unfinished: Path, path: Path) -> None:
    unfinished.replace(path)
    _remove(unfinished)
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class _Move:
    """One file's readings and quarter-hours into another, a day at a time."""

    def __init__(self, old: sqlite3.Connection, new: Database, files: SegmentFiles) -> None:
        self._old = old
        self._new = new
        self._files = files
        self._last = LastWriter()
        held = {row[1] for row in old.execute("PRAGMA table_info(reading)")}
        self._columns = schema_of(tuple(name for name in QUANTITIES if name in held))

    def run(self) -> None:
        for table, columns in _COPIED.items():
            self._copy(table, columns)
        with self._new.read() as connection:
            self._tags = device_tags(connection)
        moved, start = 0, -_EVER
        while (day := self._first_day(start)) is not None:
            moved += self._move_day(day)
            start = day + DAY_MS
            log.info("moved %d readings of the older layout into files of days", moved)
        (held,) = self._old.execute("SELECT count(*) FROM reading").fetchone()
        if held != moved:
            raise StoreError(
                f"of {held} readings {moved} are in the new file; the old file stays",
                hint="start the older commonwatt again, and report this",
            )

    def _copy(self, table: str, columns: str) -> None:
        cursor = self._old.execute(f"SELECT {columns} FROM {table}")
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            with self._new.write() as connection:
                places = ", ".join("?" * len(rows[0]))
                connection.executemany(f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({places})", rows)

    def _first_day(self, start: int) -> int | None:
        (first,) = self._old.execute(
            "SELECT min((SELECT min(t) FROM reading WHERE device = d.id AND t >= ?)) FROM device d", (start,)
        ).fetchone()
        return None if first is None else first // DAY_MS * DAY_MS

    def _move_day(self, day: int) -> int:
        table = pa.concat_tables(list(self._of_devices(day))).combine_chunks()
        segment = self._files.write(_POSITION, day, [table], self._tags)
        self._compare(segment, table)
        with self._new.write() as connection:
            connection.execute(ADD_SEGMENT, astuple(segment))
            self._last.note(connection, newest(table.to_batches()))
        return segment.rows

    def _of_devices(self, day: int) -> Iterator[pa.Table]:
        names = ", ".join(self._columns.names)
        for device in sorted(self._tags):
            rows = self._old.execute(
                f"SELECT {names} FROM reading WHERE device = ? AND t >= ? AND t < ? ORDER BY t",
                (device, day, day + DAY_MS),
            ).fetchall()
            if rows:
                columns = zip(*rows, strict=True)
                arrays = [pa.array(c, f.type) for c, f in zip(columns, self._columns, strict=True)]
                yield pa.table(arrays, schema=self._columns)

    def _compare(self, segment: Segment, table: pa.Table) -> None:
        found = self._files.devices(segment, 0, 2**31 - 1)
        if not found.select(table.column_names).equals(table):
            raise StoreError(
                f"{segment.file} does not hold what was written; the old file stays",
                hint="check the disk and its free space; start again to go on",
            )


def bring_last_readings(connection: sqlite3.Connection) -> None:
    """From versions 2 and 3, which kept the last reading of each device as JSON in a table row, to the note of today."""
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'last'").fetchone() is None:
        return
    tags = device_tags(connection)
    numbers = {each.device: number for number, each in tags.items()}
    found = connection.execute("SELECT device, t, bad, told FROM last")
    rows = Columned.of(
        [Row(tags[number], t, json.loads(told), tuple(json.loads(bad))) for number, t, bad, told in found]
    )
    if rows:
        batch = batch_of([numbers[each.device] for each in rows.tags], rows)
        LastWriter().note(connection, joined([batch]))
    connection.execute("DROP TABLE last")
