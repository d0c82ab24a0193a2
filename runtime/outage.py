"""Says once that the store is away, however often it is tried."""

from __future__ import annotations

import logging
from types import TracebackType

from energy.errors import StoreError

__all__ = ["Outage"]


class Outage:
    """`with outage:` a StoreError ends the block and no more; the first of an outage is logged in the words given, with
    the error in place of their `%s`. A block that comes to its end ends the outage.
    """

    def __init__(self, log: logging.Logger, words: str) -> None:
        self._log = log
        self._words = words
        self._lasts = False

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None:
            self._lasts = False
        if not isinstance(error, StoreError):
            return False
        if not self._lasts:
            self._log.warning(self._words, error)
        self._lasts = True
        return True
