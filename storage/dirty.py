"""Which quarter-hours, days and months must be computed (again): small durable sets, kept by the collector.

Raw readings come late, twice and out of order; quarter-hours are derived from them, days from quarter-hours, months from
days. Who stores what others are derived from marks those, durably, before confirming it or taking its own mark away; who
computes takes a mark away only when it has written the result and nobody marked it again meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from storage.sqlite import Database, Schema

__all__ = ["DirtyQuarters", "Mark", "Marks"]

_TABLE: Final = (
    "CREATE TABLE {} (site TEXT NOT NULL, start INTEGER NOT NULL, late INTEGER NOT NULL, PRIMARY KEY (site, start))"
    " WITHOUT ROWID"
)
_SCHEMA: Final = Schema(
    "dirty quarter-hours",
    (
        (_TABLE.format("dirty"),),
        (_TABLE.format("dirty_day"), _TABLE.format("dirty_month")),
    ),
)


class Mark(NamedTuple):
    """One quarter-hour, day or month of a site, `start` ms UTC.

    `late`: readings came between others, so the neighbouring quarter-hours they lean on may change as well.
    `generation` rises with every marking.
    """

    site: str
    start: int
    late: bool
    generation: int


class Marks:
    """One set, in memory and in a table of `database`. Safe from several threads.

    Every method raises StoreError when the file cannot be written.
    """

    def __init__(self, database: Database, table: str) -> None:
        self._database = database
        self._table = table
        self._lock = threading.Lock()
        self._generation = 0
        with database.read() as connection:
            stored = connection.execute(f"SELECT site, start, late FROM {table}").fetchall()  # noqa: S608 - ours
        self._marks = {(site, start): Mark(site, start, bool(late), 0) for site, start, late in stored}

    def mark(self, starts: Iterable[tuple[str, int]], *, late: bool = False) -> None:
        """Marks (site, start) pairs; durable on return. What is marked already costs no write."""
        with self._lock:
            self._generation += 1
            marked: dict[tuple[str, int], Mark] = {}
            fresh: list[Mark] = []
            for key in starts:
                known = self._marks.get(key)
                mark = Mark(*key, late or (known is not None and known.late), self._generation)
                marked[key] = mark
                if known is None or known.late != mark.late:
                    fresh.append(mark)
            if fresh:
                self._store(fresh)
            self._marks.update(marked)

    def pending(self) -> list[Mark]:
        """Everything that is marked now, newest first."""
        with self._lock:
            marks = list(self._marks.values())
        return sorted(marks, key=lambda mark: (-mark.start, mark.site))

    def clear(self, marks: Iterable[Mark]) -> None:
        """Takes these marks away, except where it was marked again since they were given out."""
        with self._lock:
            done = [mark for mark in marks if self._marks.get((mark.site, mark.start)) == mark]
            if not done:
                return
            with self._database.write() as connection:
                connection.executemany(
                    f"DELETE FROM {self._table} WHERE site = ? AND start = ?",  # noqa: S608 - ours
                    [(mark.site, mark.start) for mark in done],
                )
            for mark in done:
                del self._marks[mark.site, mark.start]

    def __len__(self) -> int:
        return len(self._marks)

    def _store(self, marks: list[Mark]) -> None:
        with self._database.write() as connection:
            connection.executemany(
                f"INSERT OR REPLACE INTO {self._table} VALUES (?, ?, ?)",  # noqa: S608 - ours
                [(mark.site, mark.start, mark.late) for mark in marks],
            )


class DirtyQuarters(Marks):
    """The quarter-hours of the SQLite file `path`, with the `days` and `months` made of them. One process at a time."""

    def __init__(self, path: Path) -> None:
        database = Database(path, _SCHEMA, exclusive=True)
        super().__init__(database, "dirty")
        self.days = Marks(database, "dirty_day")
        self.months = Marks(database, "dirty_month")

    def close(self) -> None:
        """Releases the file."""
        self._database.close()
