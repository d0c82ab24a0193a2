"""Readings as columns: one Arrow record batch a commit, and how batches become one table by (device, t).

Columns: `device` (the number of a device in table `device`), `t` (ms UTC), `bad` (names, comma-separated) and one per
quantity, 64-bit floats as JSON gave them (`state`: text). A value that is not there is null, in a commit NaN.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from energy.errors import DataError
from energy.quantities import QUANTITIES, Kind, Role
from storage.history import DeviceTags, Row

__all__ = [
    "Packed",
    "empty",
    "merged",
    "names_of",
    "pack",
    "rows_of",
    "schema_of",
    "sliced",
    "tags_of",
    "type_of",
    "unpack",
]

_BASE: Final = (("device", pa.int32()), ("t", pa.int64()), ("bad", pa.string()))
# A role of a later version reads as unknown.
_ROLES: Final[dict[str | None, Role]] = {role.value: role for role in Role}
_CODEC: Final = pa.Codec("zstd", compression_level=1)


class Packed(NamedTuple):
    """One commit: `blob` is the record batch as an Arrow IPC message, zstd-compressed.

    `size`: its bytes before that. `crc`: CRC-32 of the blob, which SQLite does not guard.
    """

    t_min: int
    t_max: int
    rows: int
    size: int
    crc: int
    blob: bytes


def type_of(quantity: str) -> pa.DataType:
    """How a quantity is kept."""
    return pa.string() if QUANTITIES[quantity].kind is Kind.TEXT else pa.float64()


@cache
def schema_of(names: tuple[str, ...]) -> pa.Schema:
    """The columns of a batch that tells the quantities `names`."""
    return pa.schema([*_BASE, *((name, type_of(name)) for name in names)])


def empty(names: Iterable[str] = ()) -> pa.Table:
    """No readings."""
    return schema_of(tuple(names)).empty_table()


def pack(devices: Sequence[int], rows: Sequence[Row], shapes: Collection[tuple[str, ...]]) -> Packed:
    """`rows` of the devices numbered `devices`; `shapes`: all orders of names that their values have.

    Raises DataError for a value of the wrong type.
    """
    names = names_of(frozenset(shapes))
    schema = schema_of(names)
    times = [row.t for row in rows]
    try:
        arrays = [
            pa.array(devices, pa.int32()),
            pa.array(times, pa.int64()),
            pa.array([",".join(row.bad) if row.bad else None for row in rows], pa.string()),
            *map(_packed, _columns(rows, names, shapes), schema.types[3:]),
        ]
    except (pa.ArrowInvalid, TypeError, OverflowError, UnicodeEncodeError) as error:
        raise DataError(f"a reading has a value that cannot be stored: {error}") from error
    message = pa.RecordBatch.from_arrays(arrays, schema=schema).serialize()
    blob: bytes = _CODEC.compress(message, asbytes=True)
    return Packed(min(times), max(times), len(rows), message.size, crc32(blob), blob)


@lru_cache(maxsize=256)
def names_of(shapes: frozenset[tuple[str, ...]]) -> tuple[str, ...]:
    """The known quantities of all shapes, in their usual order."""
    told = {name for shape in shapes for name in shape}
    return tuple(name for name in QUANTITIES if name in told)


def _columns(rows: Sequence[Row], names: Sequence[str], shapes: Collection[tuple[str, ...]]) -> list[Sequence[Any]]:
    """The values of each of `names`; where a row has none, NaN, of a text None."""
    if len(shapes) == 1:  # the usual case, at a third of the time
        (shape,) = shapes
        columns = dict(zip(shape, zip(*[row.values.values() for row in rows], strict=True), strict=True))
        return [columns[name] for name in names]
    values = [row.values for row in rows]
    absent = {name: None if type_of(name) == pa.string() else math.nan for name in names}
    return [[told.get(name, absent[name]) for told in values] for name in names]


def _packed(column: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if kind == pa.string():
        return pa.array(column, kind)
    numbers = array("d", column)  # half the time of pa.array
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(numbers)])


def unpack(schema: pa.Schema, size: int, crc: int, blob: bytes) -> pa.Table:
    """The readings of one commit as they were written. NaN reads as null. Raises DataError."""
    if crc32(blob) != crc:
        raise DataError("a commit is not as it was written")
    batch = pa.ipc.read_record_batch(_CODEC.decompress(blob, decompressed_size=size), schema)
    table = pa.Table.from_batches([batch])
    for index, field in enumerate(schema):
        if pa.types.is_floating(field.type):
            finite = pc.is_finite(table.column(index))
            if not pc.all(finite, skip_nulls=True, min_count=0).as_py():
                table = table.set_column(
                    index, field, pc.if_else(finite, table.column(index), pa.scalar(None, field.type))
                )
    return table


def merged(parts: Sequence[pa.Table]) -> pa.Table:
    """One table by (device, t) of parts in the order they were written: the newest known value of an instant stands."""
    parts = [part for part in parts if part.num_rows]
    if not parts:
        return empty()
    table = pa.concat_tables(parts, promote_options="default").combine_chunks() if len(parts) > 1 else parts[0]
    device, t = _numbers(table, "device"), _numbers(table, "t")
    follows = (device[1:] > device[:-1]) | ((device[1:] == device[:-1]) & (t[1:] > t[:-1]))
    if follows.all():
        return table
    order = np.lexsort((t, device))  # stable: what was written later comes later
    table = table.take(pa.array(order))
    device, t = device[order], t[order]
    fresh = np.append(True, (device[1:] != device[:-1]) | (t[1:] != t[:-1]))
    return table if fresh.all() else _newest_values(table, np.cumsum(fresh) - 1)


def _newest_values(table: pa.Table, group: np.ndarray[Any, Any]) -> pa.Table:
    """One row a group of rows that follow each other: in every column the last value that is known."""
    columns = []
    for column in table.columns:
        known = np.flatnonzero(column.is_valid().to_numpy())
        chosen = np.full(group[-1] + 1, -1)
        chosen[group[known]] = known  # of several the last one stays
        columns.append(column.take(pa.array(chosen, mask=chosen < 0)))
    return pa.table(columns, schema=table.schema).combine_chunks()


def sliced(table: pa.Table, device: int, start: int, end: int) -> pa.Table:
    """The readings of one device in [start, end), of a table by (device, t)."""
    numbers, t = _numbers(table, "device"), _numbers(table, "t")
    low, high = np.searchsorted(numbers, [device, device + 1])
    first, last = np.searchsorted(t[low:high], [start, end])
    return table.slice(int(low + first), int(last - first))


def rows_of(table: pa.Table, tags: Mapping[int, DeviceTags]) -> list[Row]:
    """A table as readings, in its order; those that say nothing are left out."""
    names = table.column_names[3:]
    devices, times, bad, *columns = (column.to_pylist() for column in table.columns)
    rows = []
    for device, t, unknown, *values in zip(devices, times, bad, *columns, strict=True):
        told: dict[str, Any] = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        if told or unknown:
            rows.append(Row(tags[device], t, told, _still_bad(unknown, told)))
    return rows


@lru_cache(maxsize=4096)  # one value for all rows of a device
def tags_of(community: str, site: str, device: str, role: str | None) -> DeviceTags:
    """A row of table `device`."""
    return DeviceTags(community, site, device, _ROLES.get(role))


def _still_bad(unknown: str | None, told: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(name for name in unknown.split(",") if name not in told) if unknown else ()


def _numbers(table: pa.Table, name: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    numbers: np.ndarray[Any, np.dtype[np.int64]] = table.column(name).to_numpy()
    return numbers
