"""What became of commands, on disk until it was told: an outage or a restart forgets no result.

A lease that stood when the gateway was killed is told as reverted at the next start, where the safe state is written
before anything else.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gateway.durable import DurableFile, Schema
from messaging.codec import CommandResult, encode
from runtime.clock import Clock

__all__ = ["Journal"]

log = logging.getLogger(__name__)

_VERSION_1: Final = """
CREATE TABLE result (number INTEGER PRIMARY KEY AUTOINCREMENT, payload BLOB NOT NULL);
CREATE TABLE standing (id TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_SCHEMA: Final = Schema("journal", frozenset({"result", "standing"}), (_VERSION_1,))
_MOST: Final = 10_000  # a day of a local rule that follows the clouds
_RESTARTED: Final = "the gateway ended without ending it and was started again; the safe state is written first"


class Journal:
    """Calls block for a disk's sync; services make them in a worker thread. Raises StoreError, and ConfigError."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._file = DurableFile(path, _SCHEMA, clock)
        self._end_left_over(clock.now_ms())

    def keep(self, results: Sequence[CommandResult]) -> None:
        """Keeps results in the order they came; beyond the bound the oldest go."""
        with self._file.transaction() as db:
            for result in results:
                db.execute("INSERT INTO result (payload) VALUES (?)", (encode(result),))
                if result.state == "applied":
                    db.execute("INSERT OR IGNORE INTO standing VALUES (?)", (result.id,))
                else:
                    db.execute("DELETE FROM standing WHERE id = ?", (result.id,))
            dropped = db.execute(
                "DELETE FROM result WHERE number <= (SELECT max(number) FROM result) - ?", (_MOST,)
            ).rowcount
        if dropped:
            log.warning("%d results of commands were never told: more than %d wait", dropped, _MOST)

    def waiting(self, limit: int = 100) -> list[tuple[int, bytes]]:
        """The oldest results not told yet: number and payload of the wire."""
        with self._file.transaction() as db:
            return db.execute("SELECT number, payload FROM result ORDER BY number LIMIT ?", (limit,)).fetchall()

    def told(self, up_to: int) -> None:
        """Forgets the results up to this number."""
        with self._file.transaction() as db:
            db.execute("DELETE FROM result WHERE number <= ?", (up_to,))

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _end_left_over(self, now_ms: int) -> None:
        with self._file.transaction() as db:
            left = [lease for (lease,) in db.execute("SELECT id FROM standing ORDER BY id")]
        if left:
            self.keep([CommandResult(lease, "reverted", _RESTARTED, now_ms) for lease in left])
