"""The last reading of every device: sealed ones from a small table, newer ones from the log in memory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from storage.history import DeviceTags, Row
from storage.history.columns import merged, rows_of, tags_of
from storage.history.tail import Snapshot

__all__ = ["LastReadings", "device_tags", "keep_last", "newest"]


class LastReadings:
    """Remembers its last answer: what is sealed changes once an hour, and nothing changes without a commit."""

    def __init__(self) -> None:
        self._known: tuple[tuple[int, int], dict[str, Row]] = ((-1, -1), {})
        self._sealed: tuple[int, dict[str, Row]] = (-1, {})

    def rows(self, connection: sqlite3.Connection, snapshot: Snapshot) -> Mapping[str, Row]:
        """By device, at the instant of `snapshot`."""
        at = (snapshot.sealed, snapshot.upto)
        known, rows = self._known
        if known != at:
            tags = device_tags(connection)
            rows = dict(self._of_sealed(connection, snapshot, tags))
            for row in rows_of(newest(snapshot.chunks), tags):
                rows[row.tags.device] = _later(rows.get(row.tags.device), row)
            self._known = (at, rows)
        return rows

    def _of_sealed(
        self, connection: sqlite3.Connection, snapshot: Snapshot, tags: Mapping[int, DeviceTags]
    ) -> dict[str, Row]:
        sealed, rows = self._sealed
        if sealed != snapshot.sealed:
            rows = _sealed_last(connection, tags)
            self._sealed = (snapshot.sealed, rows)
        return rows


def _sealed_last(connection: sqlite3.Connection, tags: Mapping[int, DeviceTags]) -> dict[str, Row]:
    found = connection.execute("SELECT device, t, bad, told FROM last")
    return {
        tags[number].device: Row(tags[number], t, json.loads(told), tuple(json.loads(bad)))
        for number, t, bad, told in found
    }


def _later(one: Row | None, other: Row) -> Row:
    """The later of two readings of a device; `other` was written later, and two of one instant are one."""
    if one is None or one.t < other.t:
        return other
    if one.t > other.t:
        return one
    told = {**one.values, **other.values}
    return Row(other.tags, other.t, told, tuple(name for name in other.bad or one.bad if name not in told))


def device_tags(connection: sqlite3.Connection) -> dict[int, DeviceTags]:
    """Every device by its number."""
    found = connection.execute("SELECT id, community, site, device, role FROM device")
    return {number: tags_of(*rest) for number, *rest in found}


def newest(tables: Sequence[pa.Table]) -> pa.Table:
    """The last reading of every device in tables by (device, t), which were written one after the other."""
    found = []
    for table in tables:
        if table.num_rows:
            numbers = table.column("device").to_numpy()
            ends = np.append(np.flatnonzero(numbers[1:] != numbers[:-1]), len(numbers) - 1)
            found.append(table.take(pa.array(ends)))
    together = merged(found)
    return newest([together]) if len(found) > 1 else together


def keep_last(connection: sqlite3.Connection, table: pa.Table, tags: Mapping[int, DeviceTags]) -> None:
    """Notes the last readings in `table` where no newer ones are noted."""
    numbers = {known.device: number for number, known in tags.items()}
    for row in rows_of(table, tags):
        number = numbers[row.tags.device]
        found = connection.execute("SELECT t, bad, told FROM last WHERE device = ?", (number,)).fetchone()
        if found is not None and found[0] > row.t:
            continue
        told = {**json.loads(found[2]), **row.values} if found is not None and found[0] == row.t else row.values
        bad = row.bad or (tuple(json.loads(found[1])) if found is not None and found[0] == row.t else ())
        connection.execute(
            "INSERT OR REPLACE INTO last VALUES (?, ?, ?, ?)", (number, row.t, json.dumps(bad), json.dumps(told))
        )
