"""Which quarter-hours must be computed (again): a small durable set, kept by the collector.

Raw readings come late, twice and out of order; quarter-hours are derived from them. Who stores a reading marks the
quarter-hours that depend on it, durably, before confirming it; who computes takes a mark away only when it has
written the result and nobody marked the quarter-hour again meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from storage.sqlite import Database, Schema

__all__ = ["DirtyQuarters", "Mark"]

_SCHEMA: Final = Schema(
    "dirty quarter-hours",
    (
        (
            (
                "CREATE TABLE dirty (site TEXT NOT NULL, start INTEGER NOT NULL, late INTEGER NOT NULL,"
                " PRIMARY KEY (site, start)) WITHOUT ROWID"
            ),
        ),
    ),
)


class Mark(NamedTuple):
    """One quarter-hour of a site, `start` ms UTC.

    `late`: readings came between others, so the neighbouring quarter-hours they lean on may change as well.
    `generation` rises with every marking.
    """

    site: str
    start: int
    late: bool
    generation: int


class DirtyQuarters:
    """The set, in memory and in the SQLite file `path`. Safe from several threads; one process at a time.

    Every method raises StoreError when the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._database = Database(path, _SCHEMA, exclusive=True)
        self._lock = threading.Lock()
        self._generation = 0
        with self._database.read() as connection:
            stored = connection.execute("SELECT site, start, late FROM dirty").fetchall()
        self._marks = {(site, start): Mark(site, start, bool(late), 0) for site, start, late in stored}

    def mark(self, quarters: Iterable[tuple[str, int]], *, late: bool = False) -> None:
        """Marks (site, start) pairs; durable on return. What is marked already costs no write."""
        with self._lock:
            self._generation += 1
            marked: dict[tuple[str, int], Mark] = {}
            fresh: list[Mark] = []
            for key in quarters:
                known = self._marks.get(key)
                mark = Mark(*key, late or (known is not None and known.late), self._generation)
                marked[key] = mark
                if known is None or known.late != mark.late:
                    fresh.append(mark)
            if fresh:
                self._store(fresh)
            self._marks.update(marked)

    def pending(self) -> list[Mark]:
        """Everything that is marked now, newest quarter-hour first."""
        with self._lock:
            marks = list(self._marks.values())
        return sorted(marks, key=lambda mark: (-mark.start, mark.site))

    def clear(self, marks: Iterable[Mark]) -> None:
        """Takes these marks away, except where the quarter-hour was marked again since they were given out."""
        with self._lock:
            done = [mark for mark in marks if self._marks.get((mark.site, mark.start)) == mark]
            if not done:
                return
            with self._database.write() as connection:
                connection.executemany(
                    "DELETE FROM dirty WHERE site = ? AND start = ?", [(mark.site, mark.start) for mark in done]
                )
            for mark in done:
                del self._marks[mark.site, mark.start]

    def close(self) -> None:
        """Releases the file."""
        self._database.close()

    def __len__(self) -> int:
        return len(self._marks)

    def _store(self, marks: list[Mark]) -> None:
        with self._database.write() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO dirty VALUES (?, ?, ?)", [(mark.site, mark.start, mark.late) for mark in marks]
            )
