"""Readings as columns: one Arrow record batch a commit, and how batches become one table by (device, t).

Columns: `device` (the number of a device in table `device`), `t` (ms UTC), `bad` (names, comma-separated) and one per
quantity, 64-bit floats as JSON gave them (`state`: text). A value that is not there is null, in a commit NaN.
"""

from __future__ import annotations

import math
import os
import struct
from array import array
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from itertools import chain, repeat
from operator import itemgetter
from typing import Any, Final, NamedTuple, Self, TypeVar
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from energy.errors import DataError
from energy.quantities import QUANTITIES, Kind, Role
from storage.history import Columns, DeviceTags, Row

__all__ = [
    "ALONE",
    "Columned",
    "Packed",
    "Shape",
    "Shapes",
    "arrow",
    "batch_of",
    "columns_of",
    "empty",
    "floats",
    "joined",
    "listed",
    "merged",
    "numbers",
    "pack",
    "rows_at",
    "rows_of",
    "schema_of",
    "sliced",
    "tags_of",
    "texts",
    "type_of",
    "unpack",
]

if "jemalloc" in pa.supported_memory_backends() and "ARROW_DEFAULT_MEMORY_POOL" not in os.environ:
    # It gives back what was freed, whichever thread did it; Arrow's default keeps it for that thread: docs/scale.md.
    pa.set_memory_pool(pa.jemalloc_memory_pool())

_BASE: Final = (("device", pa.int32()), ("t", pa.int64()), ("bad", pa.string()))
# A role of a later version reads as unknown.
_ROLES: Final[dict[str | None, Role]] = {role.value: role for role in Role}
Shape = tuple[str, ...]
"""The names of a reading's values, in their order."""
_Rows = TypeVar("_Rows", pa.Table, pa.RecordBatch)
_NUMBER: Final = pa.float64()
_UNKNOWN: Final = pa.nulls(1, _NUMBER)[0]
ALONE: Final = pa.ipc.IpcReadOptions(use_threads=False)
"""Small blobs: beginning Arrow's threads and waiting for them takes longer than reading."""
_CODEC: Final = pa.Codec("zstd", compression_level=1)


class Shapes(NamedTuple):
    """The shape of each of some readings, and which there are: hashing them is worth doing once."""

    each: Sequence[Shape]
    kinds: frozenset[Shape]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Self:
        each = [tuple(row.values) for row in rows]
        alike = bool(each) and each.count(each[0]) == len(each)  # often so; comparing is cheaper than hashing
        return cls(each, frozenset(each[:1] if alike else each))


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
    return pa.Table.from_batches([], schema_of(tuple(names)))


class Columned(list[Row]):
    """Readings that say anything, and their columns but for the numbers of their devices."""

    shapes: Shapes
    tags: list[DeviceTags]
    names: tuple[str, ...]
    columns: list[pa.Array]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Self:
        """Raises DataError for a value of the wrong type."""
        shapes = Shapes.of(rows)
        if () in shapes.kinds:
            rows = [row for row in rows if row.values or row.bad]
            shapes = Shapes.of(rows)
        found = cls(rows)
        found.shapes, found.tags, found.names = shapes, [row.tags for row in rows], names_of(shapes.kinds)
        try:
            found.columns = [
                _numbers_of(array("q", [row.t for row in rows]), pa.int64()),
                _bad([row.bad for row in rows]),
                *_values(rows, shapes, found.names),
            ]
        except (pa.ArrowInvalid, ValueError, TypeError, OverflowError, UnicodeEncodeError, struct.error) as error:
            raise DataError(f"a reading has a value that cannot be stored: {error}") from error
        return found


def batch_of(devices: Sequence[int], rows: Columned) -> pa.RecordBatch:
    """`rows` of the devices numbered `devices`."""
    columns = [_numbers_of(array("i", devices), pa.int32()), *rows.columns]
    return pa.RecordBatch.from_arrays(columns, schema=schema_of(rows.names))


def pack(batch: pa.RecordBatch) -> Packed:
    """A commit of these readings, of which there is one at least."""
    times = np.from_dlpack(batch.column(1))
    message = batch.serialize()
    blob: bytes = _CODEC.compress(message, asbytes=True)
    return Packed(int(times.min()), int(times.max()), batch.num_rows, message.size, crc32(blob), blob)


@lru_cache(maxsize=256)
def names_of(shapes: frozenset[Shape]) -> tuple[str, ...]:
    """The known quantities of all shapes, in their usual order."""
    told = {name for shape in shapes for name in shape}
    return tuple(name for name in QUANTITIES if name in told)


def _values(rows: Sequence[Row], shapes: Shapes, names: tuple[str, ...]) -> list[pa.Array]:
    """The columns `names`; where a row has no value, NaN, of a text None."""
    columns = _matrix(rows, shapes, _numeric(names))
    return [
        pa.Array.from_buffers(_NUMBER, len(rows), [None, pa.py_buffer(columns[name])])
        if name in columns
        else texts([row.values.get(name) for row in rows])
        for name in names
    ]


@lru_cache(maxsize=256)
def _numeric(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if type_of(name) == _NUMBER)


def _matrix(
    rows: Sequence[Row], shapes: Shapes, names: tuple[str, ...]
) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    """The values of each of `names`, which are numbers, in a row of a matrix."""
    if len(shapes.kinds) == 1:
        held = [name for name in shapes.each[0] if name in names]
        if not held:
            return {}
        found = _numbers_in([row.values for row in rows], held, whole=len(held) == len(shapes.each[0]))
        return dict(zip(held, np.ascontiguousarray(found.T), strict=True))
    matrix = np.full((len(names), len(rows)), math.nan)
    for shape, at in _by_shape(shapes):
        held = [name for name in shape if name in names]
        if held:
            found = _numbers_in([rows[n].values for n in at], held, whole=len(held) == len(shape))
            matrix[np.ix_([names.index(name) for name in held], at)] = found.T
    return dict(zip(names, matrix, strict=True))


def _by_shape(shapes: Shapes) -> Iterable[tuple[Shape, Sequence[int]]]:
    """The positions of each shape."""
    found: dict[Shape, list[int]] = {}
    for n, shape in enumerate(shapes.each):
        found.setdefault(shape, []).append(n)
    return found.items()


def _numbers_in(told: Sequence[Mapping[str, Any]], names: Sequence[str], *, whole: bool) -> np.ndarray[Any, Any]:
    """The values `names` of each, a row each; `whole`: these are all it has, in this order."""
    parts: Iterable[Iterable[Any]]
    if whole:
        parts = [values.values() for values in told]
    elif len(names) == 1:
        parts = [(values[names[0]],) for values in told]
    else:
        parts = map(itemgetter(*names), told)
    # In one pass: a reading's values are far apart in memory, and fetching them is most of what this costs.
    packed = struct.pack(f"{len(told) * len(names)}d", *chain.from_iterable(parts))
    return np.frombuffer(packed).reshape(-1, len(names))


def _bad(unknown: Sequence[tuple[str, ...]]) -> pa.Array:
    if not any(unknown):
        return pa.nulls(len(unknown), pa.string())
    return texts([",".join(names) or None for names in unknown])


def _numbers_of(values: array[int], kind: pa.DataType) -> pa.Array:
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def unpack(schema: pa.Schema, size: int, crc: int, blob: bytes) -> pa.RecordBatch:
    """The readings of one commit as they were written: what is not there is NaN (`joined` makes it null). Raises DataError."""
    if crc32(blob) != crc:
        raise DataError("a commit is not as it was written")
    return pa.ipc.read_record_batch(_CODEC.decompress(blob, decompressed_size=size), schema)


def joined(batches: Sequence[pa.RecordBatch]) -> pa.Table:
    """Commits below each other. Numbers that are not finite become null."""
    tables = [pa.Table.from_batches([batch]) for batch in batches]
    if not tables:
        return empty()
    table = pa.concat_tables(tables, promote_options="default").combine_chunks()
    for index, field in enumerate(table.schema):
        if pa.types.is_floating(field.type):
            column = table.column(index)
            finite = pc.is_finite(column)
            if not pc.all(finite, skip_nulls=True, min_count=0).as_py():
                table = table.set_column(index, field, pc.if_else(finite, column, _UNKNOWN))
    return table


def merged(parts: Sequence[pa.Table]) -> pa.Table:
    """One table by (device, t) of parts in the order they were written: the newest known value of an instant stands."""
    parts = [part for part in parts if part.num_rows]
    if not parts:
        return empty()
    table = pa.concat_tables(parts, promote_options="default").combine_chunks() if len(parts) > 1 else parts[0]
    device, t = numbers(table, "device"), numbers(table, "t")
    follows = (device[1:] > device[:-1]) | ((device[1:] == device[:-1]) & (t[1:] > t[:-1]))
    if follows.all():
        return table
    order = np.lexsort((t, device))  # stable: what was written later comes later
    table = rows_at(table, order)
    device, t = device[order], t[order]
    fresh = np.append(True, (device[1:] != device[:-1]) | (t[1:] != t[:-1]))
    return table if fresh.all() else _newest_values(table, np.cumsum(fresh) - 1)


def _newest_values(table: pa.Table, group: np.ndarray[Any, Any]) -> pa.Table:
    """One row a group of rows that follow each other: in every column the last value that is known."""
    columns = []
    for column in table.columns:
        known = np.from_dlpack(pc.indices_nonzero(column.is_valid()))
        chosen = np.full(group[-1] + 1, -1)
        chosen[group[known]] = known  # of several the last one stays
        columns.append(column.take(arrow(chosen, chosen >= 0)))
    return pa.table(columns, schema=table.schema).combine_chunks()


def sliced(table: pa.Table, device: int, start: int, end: int) -> pa.Table:
    """The readings of one device in [start, end), of a table by (device, t)."""
    devices, t = numbers(table, "device"), numbers(table, "t")
    low, high = np.searchsorted(devices, [device, device + 1])
    first, last = np.searchsorted(t[low:high], [start, end])
    return table.slice(int(low + first), int(last - first))


def rows_of(table: pa.Table, tags: Mapping[int, DeviceTags]) -> list[Row]:
    """A table as readings, in its order; those that say nothing are left out."""
    names = table.column_names[3:]
    devices, times, bad, *columns = map(listed, table.columns)
    whole = not any(column.null_count for column in table.columns[3:])
    each = map(zip, repeat(names), zip(*columns, strict=True)) if columns else repeat(())
    of = map(tags.__getitem__, devices)
    if whole and columns and table.column("bad").null_count == len(times):  # the usual case, in one go
        return list(map(Row, of, times, map(dict, each)))
    rows = []
    for device, t, unknown, pairs in zip(of, times, bad, each, strict=False):
        told: dict[str, Any] = {name: value for name, value in pairs if value is not None}
        if told or unknown:
            rows.append(Row(device, t, told, _still_bad(unknown, told)))
    return rows


def columns_of(table: pa.Table) -> Columns:
    """A table of one device's readings as columns, in its order; quantities that none of them tells are left out."""
    told = tuple(name for name in table.column_names[3:] if table.column(name).null_count < len(table))
    numeric = _numeric(told)
    return Columns(
        _array_of("q", numbers(table, "t")),
        {name: _array_of("d", _known(table.column(name))) for name in numeric},
        {name: listed(table.column(name)) for name in told if name not in numeric},
    )


def _known(column: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    """The values of a column of numbers, NaN where there is none."""
    array = _whole(column)
    return np.from_dlpack(array.fill_null(math.nan) if array.null_count else array)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _array_of(kind: str, values: np.ndarray[Any, Any]) -> array[Any]:
    found: array[Any] = array(kind)
    found.frombytes(values.tobytes())
    return found


def listed(column: pa.ChunkedArray) -> list[Any]:
    """The values of a column. `to_pylist` makes an object of Arrow's of each first, which takes ten times as long."""
    array = _whole(column)
    if array.null_count == len(array):
        return [None] * len(array)
    if pa.types.is_floating(array.type) and array.null_count:
        values = np.from_dlpack(array.fill_null(math.nan)).astype(object)
        values[np.from_dlpack(pc.indices_nonzero(array.is_null()))] = None
        return values.tolist()  # type: ignore[no-any-return]
    if array.null_count or not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        return array.to_pylist()  # type: ignore[no-any-return]
    return np.from_dlpack(array).tolist()  # type: ignore[no-any-return]


@lru_cache(maxsize=4096)  # one value for all rows of a device
def tags_of(community: str, site: str, device: str, role: str | None) -> DeviceTags:
    """A row of table `device`."""
    return DeviceTags(community, site, device, _ROLES.get(role))


def _still_bad(unknown: str | None, told: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(name for name in unknown.split(",") if name not in told) if unknown else ()


def numbers(table: pa.Table, name: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """A column without nulls. Not by pyarrow's `to_numpy`, which imports pandas where there is one: half a second."""
    column = table.column(name)
    if column.num_chunks == 0:
        return np.empty(0, np.int64)
    array = _whole(column)
    return np.from_dlpack(array)  # type: ignore[return-value]


def rows_at(table: _Rows, positions: np.ndarray[Any, np.dtype[np.int64]]) -> _Rows:
    """The rows at these positions."""
    found: _Rows = table.take(arrow(positions))
    return found


def arrow(values: np.ndarray[Any, Any], valid: np.ndarray[Any, Any] | None = None) -> pa.Array:
    """A column of whole numbers, null where not `valid`. Not by `pa.array`: see `numbers`."""
    buffer = pa.py_buffer(np.ascontiguousarray(values, np.int64))
    return pa.Array.from_buffers(pa.int64(), len(values), [_bits(valid), buffer])


def floats(values: Sequence[float | None]) -> pa.Array:
    """A column of numbers. Not by `pa.array`: see `numbers`."""
    found = np.array(values, np.float64)  # None as NaN
    known = ~np.isnan(found)
    return pa.Array.from_buffers(pa.float64(), len(found), [None if known.all() else _bits(known), pa.py_buffer(found)])


def texts(values: Sequence[Any]) -> pa.Array:
    """A column of texts. Not by `pa.array`: see `numbers`. Raises TypeError, UnicodeEncodeError."""
    encoded = [b"" if value is None else str.encode(value) for value in values]
    ends = np.cumsum([0, *map(len, encoded)]).astype(np.int32)
    valid = np.array([value is not None for value in values], bool)
    buffers = [_bits(valid), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def _bits(valid: np.ndarray[Any, Any] | None) -> pa.Buffer | None:
    return None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
