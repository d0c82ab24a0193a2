"""The embedded time-series store: a log and the quarter-hours in SQLite, sealed days as Parquet files beside it.

Written by the collector, read by any process meanwhile. Why and how: docs/decisions/010-embedded-store.md.
"""

# ruff: noqa: S608 - only names from tables of this program stand in statements; values are bound

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import pyarrow as pa

from energy.errors import DataError
from energy.quantities import QUANTITIES, Quality
from storage.history import Columns, DeviceQuarter, DeviceTags, Known, Period, Row, Series, SiteQuarter, Total
from storage.history.columns import (
    Columned,
    batch_of,
    columns_of,
    empty,
    merged,
    pack,
    rows_of,
    schema_of,
    sliced,
    tags_of,
)
from storage.history.devices import KnownDevices
from storage.history.last import LastReadings, LastWriter
from storage.history.moving import move_version_1
from storage.history.quarters import read_device_quarters, read_site_quarters, write_quarters
from storage.history.reading import nearest, raw_series, stepped_series
from storage.history.schema import SCHEMA
from storage.history.sealer import Limits, Sealer
from storage.history.segments import SegmentFiles, segments_folder
from storage.history.tail import Snapshot, Tail
from storage.sqlite import Database

__all__ = ["SqliteHistory"]

_Found = TypeVar("_Found")

_ONE_DEVICE: Final = "SELECT id, community, site, device, role FROM device WHERE device = ?"
_OF_DEVICE: Final = "device = (SELECT id FROM device WHERE device = ?)"
_TOTALS: Final = (
    "SELECT community, site, device, start, end, quality, known, last FROM total"
    " WHERE period = ? AND start >= ? AND start < ?"
)
_QUALITIES: Final = {str(quality): quality for quality in Quality}
_SURE: Final = 3  # a file may be merged away between naming and opening it; then the next look names its successor


class SqliteHistory:
    """`History` in the file `path` and a folder beside it. One writer; `read_only` gives a reader.

    A reader may be made before the file exists. Housekeeping is done by who calls `maintain`.
    """

    def __init__(self, path: Path, *, read_only: bool = False, limits: Limits | None = None) -> None:
        self._files = SegmentFiles(segments_folder(path))
        if not read_only:
            move_version_1(path, SCHEMA, self._files)
        self._database = Database(path, SCHEMA, read_only=read_only, exclusive=True)
        self._tail = Tail()
        self._last_note = LastWriter()
        self._sealer = Sealer(self._database, self._files, self._tail, self._last_note, limits or Limits())
        self._last = LastReadings()
        self._devices = KnownDevices()
        self._layouts: dict[tuple[str, ...], int] = {}
        if not read_only:
            try:
                self._sealer.tidy()
            except BaseException:
                self._database.close()
                raise

    def prepare(self, rows: Sequence[Row]) -> Sequence[Row]:
        return Columned.of(rows)

    def write(self, rows: Sequence[Row]) -> None:
        ready = rows if isinstance(rows, Columned) else Columned.of(rows)
        if not ready:
            return
        with self._writing() as connection:
            numbers = self._devices.numbered(connection, ready.tags)
            self._devices.learn(connection, numbers, ready.shapes)
            batch = batch_of(numbers, ready)
            cursor = connection.execute(
                "INSERT INTO log (layout, t_min, t_max, rows, size, crc, blob) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (self._layout(connection, ready.names), *pack(batch)),
            )
            assert cursor.lastrowid is not None
            self._last_note.add(connection, cursor.lastrowid, batch)

    def write_quarters(self, devices: Sequence[DeviceQuarter], sites: Sequence[SiteQuarter]) -> None:
        with self._writing() as connection:
            numbers = self._devices.numbered(connection, [q.tags for q in devices])
            write_quarters(connection, zip(numbers, devices, strict=True), sites)

    def write_totals(self, period: Period, totals: Sequence[Total]) -> None:
        records = [
            (
                period,
                each.site,
                each.device or "",
                each.start,
                each.end,
                each.community,
                each.quality,
                json.dumps(each.known),
                json.dumps(each.last),
            )
            for each in totals
        ]
        with self._writing() as connection:
            connection.executemany("INSERT OR REPLACE INTO total VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", records)

    def readings(self, device: str, start: int, end: int) -> list[Row]:
        known = self._tags_of(device)
        return rows_of(self._table(known, start, end), known)

    def columns(self, device: str, start: int, end: int) -> Columns:
        return columns_of(self._table(self._tags_of(device), start, end))

    def before(self, device: str, t: int) -> Row | None:
        return self._beside(device, t, -1)

    def after(self, device: str, t: int) -> Row | None:
        return self._beside(device, t, 1)

    def series(self, device: str, quantity: str, start: int, end: int, step_ms: int | None) -> Series:
        known = QUANTITIES.get(quantity)
        if known is None:
            raise DataError(f"unknown quantity {quantity!r}", field="quantity")
        table = self._table(self._tags_of(device), start, end, (quantity,))
        if step_ms is None:
            return raw_series(table, quantity)
        return stepped_series(table, known, range(start // step_ms * step_ms, end, step_ms))

    def quantities(self, device: str) -> list[str]:
        found = self._select(
            f"SELECT quantity FROM device_quantity WHERE {_OF_DEVICE} ORDER BY quantity",
            (device,),
        )
        return [row[0] for row in found]

    def last(self, devices: Iterable[str] | None = None) -> dict[str, Row]:
        with self._database.read() as connection:
            rows = self._last.rows(connection)
        if devices is None:
            return dict(rows)
        return {device: rows[device] for device in devices if device in rows}

    def devices(self) -> list[DeviceTags]:
        return [
            tags_of(*row) for row in self._select("SELECT community, site, device, role FROM device ORDER BY device")
        ]

    def device_quarters(self, device: str, start: int, end: int) -> list[DeviceQuarter]:
        with self._database.read() as connection, _one_instant(connection):
            found = connection.execute(_ONE_DEVICE, (device,)).fetchone()
            if found is None:
                return []
            number, *tags = found
            return read_device_quarters(connection, number, tags_of(*tags), start, end)

    def site_quarters(self, sites: Sequence[str], start: int, end: int) -> list[SiteQuarter]:
        with self._database.read() as connection, _one_instant(connection):
            return read_site_quarters(connection, sites, start, end)

    def device_totals(self, period: Period, device: str, start: int, end: int) -> list[Total]:
        found = self._select(
            f"{_TOTALS} AND site = (SELECT site FROM device WHERE device = ?) AND device = ? ORDER BY start",
            (period, start, end, device, device),
        )
        return [_total(*record) for record in found]

    def site_totals(self, period: Period, sites: Sequence[str], start: int, end: int) -> list[Total]:
        found = self._select(
            f"{_TOTALS} AND site IN (SELECT value FROM json_each(?)) AND device = '' ORDER BY start, site",
            (period, start, end, json.dumps(list(sites))),
        )
        return [_total(*record) for record in found]

    def kept_since(self, now_ms: int) -> int:
        return self._sealer.kept_since(now_ms)

    def maintain(self, now_ms: int) -> bool:
        return self._sealer.step(now_ms)

    def check(self) -> None:
        self._select("SELECT id FROM device LIMIT 1")

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that may learn devices: what it learnt is undone with it, also when the commit itself fails."""
        with self._last_note.lock:
            try:
                with self._database.write() as connection:
                    yield connection
            except BaseException:
                self._devices.forget()
                self._last_note.forget()
                self._layouts.clear()
                raise

    def _select(self, query: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with self._database.read() as connection:
            return connection.execute(query, parameters).fetchall()

    def _snapshot(self) -> Snapshot:
        with self._database.read() as connection:
            return self._tail.snapshot(connection)

    def _tags_of(self, device: str) -> dict[int, DeviceTags]:
        """The device under its number; empty when it never wrote."""
        found = self._select(_ONE_DEVICE, (device,))
        return {number: tags_of(*rest) for number, *rest in found}

    def _table(
        self, known: dict[int, DeviceTags], start: int, end: int, names: Sequence[str] | None = None
    ) -> pa.Table:
        """Readings of a device by time; with `names` only these quantities."""
        if known:
            number = next(iter(known))
            return self._looking(lambda snapshot: self._collect(snapshot, number, start, end, names))
        return empty(names or ())

    def _collect(self, snapshot: Snapshot, number: int, start: int, end: int, names: Sequence[str] | None) -> pa.Table:
        sealed = [
            self._files.device(segment, number, start, end, names)
            for segment in snapshot.segments
            if segment.t_min < end and segment.t_max >= start
        ]
        fresh = [sliced(chunk, number, start, end) for chunk in snapshot.chunks]
        return merged([*sealed, *fresh])

    def _beside(self, device: str, t: int, direction: int) -> Row | None:
        """The nearest reading before (-1) or from `t` on (1)."""
        known = self._tags_of(device)
        if not known:
            return None
        number = next(iter(known))
        at = self._looking(lambda snapshot: nearest(snapshot, self._files, number, t, direction))
        if at is None:
            return None
        found = rows_of(self._table(known, at, at + 1), known)
        return found[0] if found else self._beside(device, at if direction < 0 else at + 1, direction)

    def _looking(self, look: Callable[[Snapshot], _Found]) -> _Found:
        """What `look` finds; again when a file went away meanwhile. One that is named and is not there is damage."""
        for _ in range(_SURE):
            try:
                return look(self._snapshot())
            except FileNotFoundError as error:
                gone = error
        self._files.missing(Path(gone.filename).name)
        return look(self._snapshot())

    def _layout(self, connection: sqlite3.Connection, names: tuple[str, ...]) -> int:
        """The number of the columns `names`."""
        if names not in self._layouts:
            schema = schema_of(names).serialize().to_pybytes()
            found = connection.execute("SELECT id FROM layout WHERE schema = ?", (schema,)).fetchone()
            found = (
                found or connection.execute("INSERT INTO layout (schema) VALUES (?) RETURNING id", (schema,)).fetchone()
            )
            self._layouts[names] = found[0]
        return self._layouts[names]


@contextmanager
def _one_instant(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is read meanwhile is of one instant."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


def _total(community: str, site: str, device: str, start: int, end: int, quality: str, known: str, last: str) -> Total:
    found = {name: Known(*of) for name, of in json.loads(known).items()}
    return Total(community, site, device or None, start, end, _QUALITIES[quality], found, json.loads(last))
