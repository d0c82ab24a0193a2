"""Sealed readings: Parquet files of one UTC day each, sorted by (device, t), never changed once they have their name.

Any tool reads them: `community` and `device` are text, `t` is a timestamp, whole numbers are 64-bit integers, all others
doubles. `device_id` is the device's number in the store, by which row groups are found.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.history import DeviceTags
from storage.history.columns import arrow, empty, numbers, sliced, texts

__all__ = ["DAY_MS", "Segment", "SegmentFiles", "segments_folder"]

log = logging.getLogger(__name__)

_Found = TypeVar("_Found")

DAY_MS: Final = 86_400_000
_GROUP_ROWS: Final = 32_768
_GROUPS_KNOWN: Final = 4000  # 130 million readings, 40 MB; of more files the footers are read again when asked for
_TIME: Final = pa.timestamp("ms", tz="UTC")
_TEXT: Final = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True, slots=True)
class Segment:
    """One file. `position` orders what was written: of two values of one instant that of the higher position stands."""

    file: str
    position: int
    day: int
    t_min: int
    t_max: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class _Index:
    """Of every row group: first and last device."""

    metadata: pq.FileMetaData
    first: np.ndarray[Any, np.dtype[np.int64]]
    last: np.ndarray[Any, np.dtype[np.int64]]


def segments_folder(path: Path) -> Path:
    """The folder of the files that belong to the SQLite file `path`."""
    return path.with_suffix(".sealed")


class SegmentFiles:
    """The files in `folder`. Safe from several threads. A file that cannot be read is told once and kept in `damaged`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damaged: set[str] = set()
        self._indices: dict[str, _Index] = {}
        self._lock = threading.Lock()

    def write(
        self,
        position: int,
        day: int,
        tables: Iterable[pa.Table],
        tags: Mapping[int, DeviceTags],
        schema: pa.Schema | None = None,
    ) -> Segment:
        """A new file of tables that follow each other by (device, t); on disk under its name when this returns.

        `schema`: the columns of the file; without it those of the first table.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{datetime.fromtimestamp(day / 1000, UTC):%Y-%m-%d}-{uuid4().hex[:12]}.parquet"
        unfinished = self.folder / f"{name}.tmp"
        t_min, t_max, rows = None, None, 0
        try:
            writer = None
            for table in tables:
                schema = schema or _schema(table)
                if writer is None:
                    writer = pq.ParquetWriter(unfinished, schema, **_options(schema))
                writer.write_table(_labelled(table, tags, schema), row_group_size=_GROUP_ROWS)
                span = pc.min_max(table.column("t")).as_py()
                t_min = span["min"] if t_min is None else min(t_min, span["min"])
                t_max = span["max"] if t_max is None else max(t_max, span["max"])
                rows += table.num_rows
            assert writer is not None
            writer.close()
            _sync(unfinished)
            unfinished.rename(self.folder / name)
            _sync(self.folder)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        assert t_min is not None
        assert t_max is not None
        return Segment(name, position, day, t_min, t_max, rows, (self.folder / name).stat().st_size)

    def device(self, segment: Segment, device: int, start: int, end: int, names: Sequence[str] | None) -> pa.Table:
        """Readings of one device in [start, end); `names`: only these quantities. Raises FileNotFoundError."""
        table = self.devices(segment, device, device, names)
        return sliced(table, device, start, end) if table.num_rows else table

    def devices(self, segment: Segment, first: int, last: int, names: Sequence[str] | None = None) -> pa.Table:
        """Readings of the devices numbered `first` to `last`, by (device, t). Empty when the file is damaged."""
        return self._sound(segment, lambda: self._devices(segment, first, last, names), empty())

    def _sound(self, segment: Segment, read: Callable[[], _Found], nothing: _Found) -> _Found:
        """What `read` finds; `nothing` when the file is damaged. Raises FileNotFoundError."""
        if segment.file in self.damaged:
            return nothing
        try:
            return read()
        except FileNotFoundError as error:
            path = self.folder / segment.file
            raise FileNotFoundError(errno.ENOENT, "no such file", str(path)) from error
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, MemoryError) or getattr(error, "errno", None) is not None:
                raise
            log.error("%s cannot be read and is left out: %s", self.folder / segment.file, error)  # noqa: TRY400 - for operators
            self.damaged.add(segment.file)
            return nothing

    def missing(self, file: str) -> None:
        """Takes note that a file that should be there is not."""
        if file not in self.damaged:
            log.error("%s is not there and is left out; restore it from a backup", self.folder / file)
            self.damaged.add(file)

    def counts(self, segment: Segment) -> Mapping[int, int]:
        """How many readings of each device a file has; a row group at a time, for a day may be larger than memory."""
        return self._sound(segment, lambda: self._counts(segment), {})

    def common_schema(self, segments: Sequence[Segment]) -> pa.Schema:
        """The columns of a file that holds all these; integers where all of them have integers."""
        fields: dict[str, pa.Field] = {}
        for segment in segments:
            for field in self._index(segment.file).metadata.schema.to_arrow_schema():
                known = fields.setdefault(field.name, field)
                if pa.types.is_integer(known.type) and pa.types.is_floating(field.type):
                    fields[field.name] = field
        keys = list(_KEY_FIELDS)
        return pa.schema([*keys, *(field for name, field in fields.items() if name not in {key.name for key in keys})])

    def forget(self, file: str) -> None:
        """Takes a file away."""
        with self._lock:
            self._indices.pop(file, None)
        (self.folder / file).unlink(missing_ok=True)

    def _devices(self, segment: Segment, first: int, last: int, names: Sequence[str] | None) -> pa.Table:
        index = self._index(segment.file)
        groups = np.flatnonzero((index.first <= last) & (index.last >= first)).tolist()
        held = index.metadata.schema.to_arrow_schema().names
        wanted = [name for name in held if name in _KEYS or (name not in _LABELS and (names is None or name in names))]
        with pq.ParquetFile(
            self.folder / segment.file, metadata=index.metadata, page_checksum_verification=True
        ) as file:
            table = file.read_row_groups(groups, columns=wanted, use_threads=False)
        table = _plain(table)
        low, high = np.searchsorted(numbers(table, "device"), [first, last + 1])
        return table.slice(int(low), int(high - low))

    def _counts(self, segment: Segment) -> Mapping[int, int]:
        index = self._index(segment.file)
        found: Counter[int] = Counter()
        with pq.ParquetFile(
            self.folder / segment.file, metadata=index.metadata, page_checksum_verification=True
        ) as file:
            for group, (first, last) in enumerate(zip(index.first.tolist(), index.last.tolist(), strict=True)):
                if first == last:
                    found[first] += index.metadata.row_group(group).num_rows
                else:
                    column = numbers(file.read_row_group(group, columns=["device_id"], use_threads=False), "device_id")
                    held, counts = np.unique(column, return_counts=True)
                    found.update(dict(zip(held.tolist(), counts.tolist(), strict=True)))
        return found

    def _index(self, file: str) -> _Index:
        with self._lock:
            known = self._indices.pop(file, None)
            if known is not None:
                self._indices[file] = known  # the newest
                return known
        metadata = pq.read_metadata(self.folder / file)
        column = metadata.schema.to_arrow_schema().get_field_index("device_id")
        statistics = [metadata.row_group(n).column(column).statistics for n in range(metadata.num_row_groups)]
        index = _Index(metadata, np.array([s.min for s in statistics]), np.array([s.max for s in statistics]))
        with self._lock:
            self._indices[file] = index
            self._forget_indices()
        return index

    def _forget_indices(self) -> None:
        """Those of files asked for longest ago, when there are many: a footer takes 10 kB a row group."""
        kept = sum(index.metadata.num_row_groups for index in self._indices.values())
        for file in list(self._indices)[:-1]:
            if kept <= _GROUPS_KNOWN:
                break
            kept -= self._indices.pop(file).metadata.num_row_groups


_KEYS: Final = ("device_id", "t", "bad")
_LABELS: Final = ("community", "device")
_KEY_FIELDS: Final = tuple(
    pa.schema([("community", _TEXT), ("device", _TEXT), ("device_id", pa.int32()), ("t", _TIME), ("bad", pa.string())])
)


def _schema(table: pa.Table) -> pa.Schema:
    quantities = [pa.field(name, _narrowest(table.column(name))) for name in table.column_names[3:]]
    return pa.schema([*_KEY_FIELDS, *quantities])


def _narrowest(column: pa.ChunkedArray) -> pa.DataType:
    """Integers where every value is one that an integer and a float hold alike."""
    if not pa.types.is_floating(column.type):
        return column.type
    values = np.from_dlpack(column.drop_null().combine_chunks())
    return pa.int64() if bool(np.all((values == np.rint(values)) & (np.abs(values) <= 2**53))) else column.type


def _options(schema: pa.Schema) -> dict[str, Any]:
    whole = [field.name for field in schema if pa.types.is_integer(field.type) or field.type == _TIME]
    return {
        "compression": "zstd",
        "compression_level": 3,
        "use_dictionary": [field.name for field in schema if field.name not in whole],
        "column_encoding": dict.fromkeys(whole, "DELTA_BINARY_PACKED"),
        "write_page_checksum": True,
        "write_statistics": ["device_id", "t"],
    }


def _labelled(table: pa.Table, tags: Mapping[int, DeviceTags], schema: pa.Schema) -> pa.Table:
    held, at = np.unique(numbers(table, "device"), return_inverse=True)
    communities = texts([tags[n].community for n in held.tolist()])
    devices = texts([tags[n].device for n in held.tolist()])
    indices = arrow(at).cast(pa.int32())
    columns = [
        pa.DictionaryArray.from_arrays(indices, communities),
        pa.DictionaryArray.from_arrays(indices, devices),
        table.column("device"),
        table.column("t").cast(_TIME),
        *(
            table.column(field.name).cast(field.type)
            if field.name in table.column_names
            else pa.nulls(table.num_rows, field.type)
            for field in list(schema)[4:]
        ),
    ]
    return pa.table(columns, schema=schema)


def _plain(table: pa.Table) -> pa.Table:
    """The columns as the log has them."""
    names = ["device" if name == "device_id" else name for name in table.column_names]
    columns = [
        column.cast(pa.int64() if name == "t" else pa.int32() if name == "device" else _kept(column.type))
        for name, column in zip(names, table.columns, strict=True)
    ]
    return pa.table(columns, names=names).combine_chunks()


def _kept(kind: pa.DataType) -> pa.DataType:
    return pa.float64() if pa.types.is_integer(kind) or pa.types.is_floating(kind) else pa.string()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
