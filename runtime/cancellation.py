"""Keeps a cancellation that a library loses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["cancellation_kept"]


@contextmanager
def cancellation_kept() -> Iterator[None]:
    """Raises at the end of the block the cancellation that came within it and was swallowed there.

    `asyncio.wait_for` of Python 3.11 drops one that arrives in the instant its future is done (python/cpython#86296):
    the task would go on for ever, and the service that waits for its end would never stop.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    try:
        yield
    finally:
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError
