"""Housekeeping of the embedded store, one small step after the other, beside whoever writes and reads.

A seal turns the log into one Parquet file per UTC day; a day that has gathered many files gets one instead; raw
readings past their time go. Each step writes files first and names them in SQLite afterwards, in one transaction: a
crash leaves a file nobody names (set aside at the next start), never a reading lost or told twice.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np

from energy.errors import StoreError
from storage.history import DeviceTags
from storage.history.columns import merged, numbers, rows_at
from storage.history.devices import device_tags
from storage.history.last import LastWriter
from storage.history.quarters import months_due, put_month
from storage.history.segments import DAY_MS, Segment, SegmentFiles
from storage.history.tail import Snapshot, Tail, segments_of
from storage.sqlite import Database

__all__ = ["ADD_SEGMENT", "Limits", "Sealer"]

log = logging.getLogger(__name__)

_DELETED_AT_ONCE: Final = 200  # commits of the log; a writer waits no longer than that takes
_MERGED_AT_ONCE: Final = 200_000  # rows in memory while files are merged
_CHECKPOINT_COMMITS: Final = 100  # far below what a commit would have to copy: that one waits for the disk
_WORTH: Final = 8
ADD_SEGMENT: Final = "INSERT INTO segment (file, position, day, t_min, t_max, rows, bytes) VALUES (?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Limits:
    """When what is done. `raw_days` None: raw readings are kept for ever."""

    seal_ms: int = 3_600_000
    seal_rows: int = 250_000
    files_a_day: int = 8
    quiet_ms: int = 6 * 3_600_000  # a day that ended this long ago gets one file
    raw_days: int | None = 90
    quarters_ms: int = 86_400_000  # quarter-hours older than this are packed by month, once a day
    spare_bytes: int = 64 * 2**20  # of the SQLite file; what more is free goes back to the disk


class Sealer:
    """The steps. `step` is called by one thread at a time."""

    def __init__(self, database: Database, files: SegmentFiles, tail: Tail, last: LastWriter, limits: Limits) -> None:
        self._database = database
        self._files = files
        self._tail = tail
        self._last = last
        self._limits = limits
        self._sealed_ms: int | None = None
        self._packed_before: int | None = None

    def kept_since(self, now_ms: int) -> int:
        """Readings before this instant may be retired."""
        return 0 if self._limits.raw_days is None else now_ms - self._limits.raw_days * DAY_MS

    def tidy(self) -> None:
        """At start: ends what a crash interrupted. Files that no row names are set aside, never deleted."""
        self._forget_doomed()
        with self._database.read() as connection:
            named = {file for (file,) in connection.execute("SELECT file FROM segment")}
        for path in sorted(self._files.folder.glob("*.parquet*")):
            if path.name.endswith(".tmp"):
                path.unlink()
            elif path.suffix == ".parquet" and path.name not in named:
                aside = path.with_name(f"{path.name}.unused")
                path.rename(aside)
                log.warning("%s belongs to no period of the store (its seal was interrupted); set aside", aside)

    def step(self, now_ms: int) -> bool:
        """Does what is most due; True when there may be more."""
        self._database.checkpoint(_CHECKPOINT_COMMITS)
        try:
            return (
                self._forget_doomed()
                or self._delete_sealed()
                or self._set_damaged_aside()
                or self._seal(now_ms)
                or self._merge_a_day(now_ms)
                or self._retire(now_ms)
                or self._pack_quarters(now_ms)
                or self._database.give_back(self._limits.spare_bytes)
            )
        except FileNotFoundError as error:  # nobody but this thread takes files away
            self._files.missing(Path(error.filename).name)
            return True
        except OSError as error:
            raise StoreError(
                f"history {self._files.folder}: {error}", hint="check that disk (dmesg) and its free space"
            ) from error

    def _forget_doomed(self) -> bool:
        with self._database.read() as connection:
            doomed = connection.execute("SELECT file FROM doomed").fetchall()
        for (file,) in doomed:
            self._files.forget(file)
        if doomed:
            with self._database.write() as connection:
                connection.executemany("DELETE FROM doomed WHERE file = ?", doomed)
        return bool(doomed)

    def _delete_sealed(self) -> bool:
        chosen = "SELECT id FROM log WHERE id <= (SELECT upto FROM sealed) ORDER BY id LIMIT ?"
        with self._database.read() as connection:
            due = connection.execute(chosen, (_DELETED_AT_ONCE,)).fetchall()
        if due:
            with self._database.write() as connection:
                connection.execute("DELETE FROM log WHERE id <= ?", due[-1])
        return bool(due)

    def _set_damaged_aside(self) -> bool:
        damaged = sorted(self._files.damaged)
        for file in damaged:
            path = self._files.folder / file
            with self._database.write() as connection:
                connection.execute("UPDATE segment SET damaged = 1 WHERE file = ?", (file,))
            if path.exists():
                path.rename(path.with_name(f"{file}.damaged"))
                log.error("%s.damaged is set aside; restore %s from a backup to have its readings back", path, file)
            self._files.damaged.discard(file)
        return bool(damaged)

    def _seal(self, now_ms: int) -> bool:
        if self._sealed_ms is None:
            self._sealed_ms = now_ms
        with self._database.read() as connection:
            (rows,) = connection.execute(
                "SELECT coalesce(sum(rows), 0) FROM log WHERE id > (SELECT upto FROM sealed)"
            ).fetchone()
            if not rows or (rows < self._limits.seal_rows and now_ms - self._sealed_ms < self._limits.seal_ms):
                return False
            snapshot = self._tail.snapshot(connection)
            tags = device_tags(connection)
        self.seal(snapshot, tags)
        self._sealed_ms = now_ms
        return True

    def seal(self, snapshot: Snapshot, tags: Mapping[int, DeviceTags]) -> None:
        """All that the log had at that instant."""
        table = merged(snapshot.chunks)
        days = numbers(table, "t") // DAY_MS
        written = [  # nothing when no commit could be read
            self._files.write(snapshot.upto, int(day) * DAY_MS, [rows_at(table, np.flatnonzero(days == day))], tags)
            for day in np.unique(days)
        ]
        with self._last.lock, self._database.write() as connection:
            connection.executemany(ADD_SEGMENT, map(astuple, written))
            self._last.note(connection)  # it may lean on commits that will be deleted
            connection.executemany(
                "INSERT INTO unreadable SELECT * FROM log WHERE id = ?", [(n,) for n in snapshot.unreadable]
            )
            connection.execute("UPDATE sealed SET upto = ?", (snapshot.upto,))

    def _merge_a_day(self, now_ms: int) -> bool:
        with self._database.read() as connection:
            segments = segments_of(connection)
            tags = device_tags(connection)
        by_day = sorted(segments, key=lambda segment: (segment.day, segment.position, segment.file))
        for day, found in groupby(by_day, key=lambda segment: segment.day):
            chosen = self._worth_merging(list(found), over=now_ms >= day + DAY_MS + self._limits.quiet_ms)
            if chosen:
                self._merge(day, chosen, tags)
                return True
        return False

    def _worth_merging(self, found: Sequence[Segment], *, over: bool) -> Sequence[Segment]:
        """The files from the first one that is no larger than all after it together.

        Of a day that is over from one up to eight times as large: late data that trickle in for days do not have the
        whole day written again every hour.
        """
        if len(found) >= (2 if over else self._limits.files_a_day):
            for n, segment in enumerate(found[:-1]):
                if segment.rows <= (_WORTH if over else 1) * sum(later.rows for later in found[n + 1 :]):
                    return found[n:]
        return ()

    def _merge(self, day: int, chosen: Sequence[Segment], tags: Mapping[int, DeviceTags]) -> None:
        ranges = self._ranges(chosen)
        if not self._files.damaged.isdisjoint(segment.file for segment in chosen):
            return  # set aside first
        tables = (merged([self._files.devices(segment, *span) for segment in chosen]) for span in ranges)
        schema = self._files.common_schema(chosen)
        one = self._files.write(chosen[-1].position, day, tables, tags, schema)
        if not self._files.damaged.isdisjoint(segment.file for segment in chosen):
            self._files.forget(one.file)
            return
        with self._database.write() as connection:
            connection.execute(ADD_SEGMENT, astuple(one))
            _doom(connection, chosen)

    def _ranges(self, chosen: Sequence[Segment]) -> list[tuple[int, int]]:
        """Runs of devices, so that the readings of a run fit into memory."""
        counts: dict[int, int] = {}
        for segment in chosen:
            for device, count in self._files.counts(segment).items():
                counts[device] = counts.get(device, 0) + count
        ranges: list[tuple[int, int]] = []
        size = 0
        for device, count in sorted(counts.items()):
            if not ranges or size + count > _MERGED_AT_ONCE:
                ranges.append((device, device))
                size = 0
            ranges[-1] = (ranges[-1][0], device)
            size += count
        return ranges

    def _retire(self, now_ms: int) -> bool:
        if self._limits.raw_days is None:
            return False
        with self._database.read() as connection:
            segments = segments_of(connection)
        newest_ms = max((segment.t_max for segment in segments), default=0)
        before = self.kept_since(min(now_ms, newest_ms))  # a wrong clock alone deletes nothing
        due = [segment for segment in segments if segment.t_max < before]
        if due:
            with self._database.write() as connection:
                _doom(connection, due)
        return bool(due)

    def _pack_quarters(self, now_ms: int) -> bool:
        before = (now_ms - self._limits.quarters_ms) // DAY_MS * DAY_MS
        if before == self._packed_before:
            return False
        with self._database.read() as connection:
            months = months_due(connection, before)
        if months:
            with self._database.write() as connection:
                for month in months:
                    put_month(connection, month)
            return True
        self._packed_before = before
        return False


def _doom(connection: sqlite3.Connection, segments: Sequence[Segment]) -> None:
    files = [(segment.file,) for segment in segments]
    connection.executemany("DELETE FROM segment WHERE file = ?", files)
    connection.executemany("INSERT INTO doomed VALUES (?)", files)
