"""Looks at stores from outside, without a hand in them."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from energy.errors import StoreError
from storage.history import Row
from storage.history.open import open_history
from storage.history.settings import StoreSettings

__all__ = ["rows", "stored", "until", "waiting"]


def rows(store: StoreSettings) -> list[Row]:
    """Every reading of a store; none while it cannot be read."""
    history = open_history(store, read_only=True)
    try:
        return [row for tags in history.devices() for row in history.readings(tags.device, 0, 2**52)]
    except StoreError:
        return []
    finally:
        history.close()


def stored(store: StoreSettings) -> set[tuple[str, int]]:
    """Which readings a store has, by device and instant."""
    return {(row.tags.device, row.t) for row in rows(store)}


def waiting(dirty: Path, cut_ms: int) -> int:
    """How many quarter-hours before `cut_ms`, or with late readings, are still to be computed.

    Those before a late reading lean on it, and one whose quarter-hour is not over is looked at when it is.
    """
    with sqlite3.connect(f"file:{dirty}?mode=ro", uri=True) as connection:
        found: int = connection.execute("SELECT count(*) FROM dirty WHERE start < ? OR late", (cut_ms,)).fetchone()[0]
    connection.close()
    return found


async def until(condition: Callable[[], bool], timeout_s: float, what: str) -> float:
    """Waits until it is true, and tells for how many seconds. Raises AssertionError."""
    began = time.monotonic()
    while not await asyncio.to_thread(condition):
        assert time.monotonic() - began < timeout_s, f"{what} did not come to its end within {timeout_s:g} s"
        await asyncio.sleep(0.2)
    return time.monotonic() - began
