"""Quarter-hours of the embedded store: as they are written a table row each, later a month of one owner in one blob.

A blob is Arrow's stream format with zstd: `gap` (ms since the row before, of the first since the month's start), the
columns of the table, and for a device the quantities told. A year of one site is twelve blobs instead of 35,040 rows.
"""

# ruff: noqa: S608 - only names from tables of this program stand in statements; values are bound

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import repeat
from operator import attrgetter
from typing import Any, Final, NamedTuple
from zlib import crc32

import numpy as np
import pyarrow as pa

from energy.errors import StoreError
from energy.quantities import QUANTITIES, Quality
from storage.history import DeviceQuarter, DeviceTags, SiteQuarter
from storage.history.columns import ALONE, arrow, floats, listed, numbers, rows_at, texts, type_of

__all__ = ["MonthDue", "months_due", "put_month", "read_device_quarters", "read_site_quarters", "write_quarters"]

log = logging.getLogger(__name__)

_OWNERS_AT_ONCE: Final = 8  # in one transaction; a writer waits no longer than that takes
_LONGEST_MONTH_MS: Final = 31 * 86_400_000
_Row = tuple[Any, ...]
_TEXT: Final = pa.dictionary(pa.int8(), pa.string())
_QUALITIES: Final = {str(quality): quality for quality in Quality}
_WH: Final = ("pv_wh", "import_wh", "export_wh", "charge_wh", "discharge_wh", "consumption_wh")


@dataclass(frozen=True, slots=True)
class _Kind:
    """Quarter-hours of sites or of devices. `told`: column with the quantities told, as JSON."""

    rows: str
    months: str
    owner: str
    columns: pa.Schema
    told: bool

    @property
    def names(self) -> str:
        """The table's columns after owner and start."""
        return ", ".join([*self.columns.names, *(["told"] if self.told else [])])


class MonthDue(NamedTuple):
    """One owner's quarter-hours of a month up to `before`, packed; `rows`: the table rows that went into `blob`."""

    kind: _Kind
    owner: int | str
    start: int
    before: int
    rows: list[_Row]
    blob: bytes


_SITES: Final = _Kind(
    "site_quarter",
    "site_month",
    "site",
    pa.schema([("community", _TEXT), *((name, pa.float64()) for name in _WH), ("quality", _TEXT)]),
    told=False,
)
_DEVICES: Final = _Kind(
    "device_quarter",
    "device_month",
    "device",
    pa.schema([("import_wh", pa.float64()), ("export_wh", pa.float64()), ("quality", _TEXT)]),
    told=True,
)


def write_quarters(
    connection: sqlite3.Connection, devices: Iterable[tuple[int, DeviceQuarter]], sites: Iterable[SiteQuarter]
) -> None:
    """Adds table rows; `devices` by their numbers."""
    connection.executemany(
        f"INSERT OR REPLACE INTO device_quarter (device, start, {_DEVICES.names}) VALUES (?, ?, ?, ?, ?, ?)",
        [(number, q.start, q.import_wh, q.export_wh, q.quality, json.dumps(q.values)) for number, q in devices],
    )
    records = map(attrgetter("site", "start", *_SITES.columns.names), sites)
    connection.executemany(
        f"INSERT OR REPLACE INTO site_quarter (site, start, {_SITES.names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        records,
    )


def read_site_quarters(connection: sqlite3.Connection, sites: Sequence[str], start: int, end: int) -> list[SiteQuarter]:
    """Of these sites with start <= q < end, by (start, site). Raises StoreError."""
    found: list[SiteQuarter] = []
    for site in dict.fromkeys(sites):
        table = _read(connection, _SITES, site, start, end)
        energies = [_values(table, name) for name in _WH]
        qualities = map(_QUALITIES.__getitem__, _values(table, "quality"))
        starts = listed(table.column("start"))
        found += map(SiteQuarter, _values(table, "community"), repeat(site), starts, *energies, qualities)
    return found if len(sites) == 1 else sorted(found, key=attrgetter("start", "site"))


def read_device_quarters(
    connection: sqlite3.Connection, number: int, tags: DeviceTags, start: int, end: int
) -> list[DeviceQuarter]:
    """Of a device with start <= q < end, by start. Raises StoreError."""
    table = _read(connection, _DEVICES, number, start, end)
    starts, imported, exported = (_values(table, name) for name in ("start", "import_wh", "export_wh"))
    qualities = map(_QUALITIES.__getitem__, _values(table, "quality"))
    return list(map(DeviceQuarter, repeat(tags), starts, imported, exported, qualities, _told(table)))


def months_due(connection: sqlite3.Connection, before: int) -> list[MonthDue]:
    """A few of the months that have table rows older than `before`; made while others write."""
    found: list[MonthDue] = []
    for kind in (_SITES, _DEVICES):
        for owner, first in connection.execute(_due(kind), (before,)).fetchall():
            start, end = _month(first)
            rows = _rows(connection, kind, owner, start, min(before, end))
            try:
                blob = _blob(_with_rows(kind, list(_blobs(connection, kind, owner, start, end)), rows), start)
            except StoreError as error:
                log.error("%s; they are left as they are", error)  # noqa: TRY400 - for operators
            else:
                found.append(MonthDue(kind, owner, start, min(before, end), rows, blob))
            if len(found) == _OWNERS_AT_ONCE:
                return found
    return found


def put_month(connection: sqlite3.Connection, due: MonthDue) -> None:
    """Its blob in the place of its rows, if those are still what it was made from."""
    kind, owner, start, before, rows, blob = due
    if _rows(connection, kind, owner, start, before) == rows:
        connection.execute(
            f"INSERT OR REPLACE INTO {kind.months} ({kind.owner}, month, crc, blob) VALUES (?, ?, ?, ?)",
            (owner, start, crc32(blob), blob),
        )
        connection.execute(
            f"DELETE FROM {kind.rows} WHERE {kind.owner} = ? AND start >= ? AND start < ?", (owner, start, before)
        )


def _due(kind: _Kind) -> str:
    """Owners with rows before an instant, and their first: one look into the table's index an owner."""
    return (
        f"WITH RECURSIVE known(owner) AS (SELECT min({kind.owner}) FROM {kind.rows} UNION ALL"
        f" SELECT (SELECT min({kind.owner}) FROM {kind.rows} WHERE {kind.owner} > owner) FROM known"
        " WHERE owner IS NOT NULL)"
        f" SELECT owner, (SELECT min(start) FROM {kind.rows} WHERE {kind.owner} = owner) AS first FROM known"
        " WHERE first < ?"
    )


def _read(connection: sqlite3.Connection, kind: _Kind, owner: int | str, start: int, end: int) -> pa.Table:
    """Quarter-hours of one owner in [start, end) by start."""
    packed = list(_blobs(connection, kind, owner, start, end))
    return _with_rows(kind, packed, _rows(connection, kind, owner, start, end))


def _rows(connection: sqlite3.Connection, kind: _Kind, owner: int | str, start: int, end: int) -> list[_Row]:
    return connection.execute(
        f"SELECT start, {kind.names} FROM {kind.rows} WHERE {kind.owner} = ? AND start >= ? AND start < ? ORDER BY start",
        (owner, start, end),
    ).fetchall()


def _with_rows(kind: _Kind, packed: Sequence[pa.Table], rows: Sequence[_Row]) -> pa.Table:
    """What blobs and table rows say, by start; a row stands before what a blob says of the same quarter-hour."""
    if not packed:
        return _table(kind, rows)
    old = _one_piece(packed)
    if not rows:
        return old
    fresh = _table(kind, rows)
    replaced = np.isin(numbers(old, "start"), numbers(fresh, "start"))
    table = _one_piece([rows_at(old, np.flatnonzero(~replaced)), fresh])
    return rows_at(table, np.argsort(numbers(table, "start"), kind="stable"))


def _one_piece(parts: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables(parts, promote_options="default").unify_dictionaries().combine_chunks()


def _blobs(connection: sqlite3.Connection, kind: _Kind, owner: int | str, start: int, end: int) -> Iterator[pa.Table]:
    found = connection.execute(
        f"SELECT month, crc, blob FROM {kind.months} WHERE {kind.owner} = ? AND month > ? AND month < ? ORDER BY month",
        (owner, start - _LONGEST_MONTH_MS, end),
    )
    for month, crc, blob in found.fetchall():
        if _month(month)[1] <= start:
            continue
        if crc32(blob) != crc:
            raise StoreError(
                f"quarter-hours of {kind.owner} {owner} in {datetime.fromtimestamp(month / 1000, UTC):%Y-%m} are damaged",
                hint="restore a backup",
            )
        table = pa.ipc.open_stream(blob, options=ALONE).read_all()
        starts = month + np.cumsum(numbers(table, "gap"))
        low, high = np.searchsorted(starts, [start, end])
        table = table.set_column(0, "start", arrow(starts))
        yield table.slice(int(low), int(high - low))


def _table(kind: _Kind, rows: Sequence[_Row]) -> pa.Table:
    """Table rows as columns."""
    schema = pa.schema([("start", pa.int64()), *kind.columns])
    columns = list(zip(*rows, strict=True)) if rows else [()] * (len(schema) + kind.told)
    told = [json.loads(text) for text in columns.pop()] if kind.told else []
    names = [name for name in QUANTITIES if any(name in each for each in told)]
    arrays = [arrow(np.array(columns[0], np.int64))]
    arrays += [_column(column, field.type) for column, field in zip(columns[1:], kind.columns, strict=True)]
    arrays += [_column([each.get(name) for each in told], type_of(name)) for name in names]
    return pa.Table.from_arrays(arrays, names=[*schema.names, *names])


def _column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if kind == _TEXT:
        known = list(dict.fromkeys(values))
        return pa.DictionaryArray.from_arrays(
            arrow(np.array([known.index(value) for value in values], np.int64)).cast(pa.int8()), texts(known)
        )
    return texts(values) if pa.types.is_string(kind) else floats(values)


def _blob(table: pa.Table, month: int) -> bytes:
    table = table.set_column(0, "gap", arrow(np.diff(numbers(table, "start"), prepend=month)))
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", compression_level=3), use_threads=False)
    with pa.ipc.new_stream(sink, table.schema, options=options) as stream:
        stream.write_table(table)
    blob: bytes = sink.getvalue().to_pybytes()
    return blob


def _values(table: pa.Table, name: str) -> list[Any]:
    column = table.column(name)
    if not pa.types.is_dictionary(column.type):
        return listed(column)
    array = column.combine_chunks()
    known = np.array(array.dictionary.to_pylist(), object)
    return known[np.from_dlpack(array.indices)].tolist()  # type: ignore[no-any-return]


def _told(table: pa.Table) -> Iterable[dict[str, float | str]]:
    names = table.column_names[1 + len(_DEVICES.columns) :]
    if not names:
        return [{} for _ in range(table.num_rows)]
    columns = [_values(table, name) for name in names]
    return (
        {name: value for name, value in zip(names, values, strict=True) if value is not None}
        for values in zip(*columns, strict=True)
    )


def _month(t: int) -> tuple[int, int]:
    """The calendar month in UTC that `t` lies in, as [start, end)."""
    at = datetime.fromtimestamp(t / 1000, UTC)
    start = datetime(at.year, at.month, 1, tzinfo=UTC)
    end = datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC)
    return round(start.timestamp() * 1000), round(end.timestamp() * 1000)
