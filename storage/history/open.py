"""Opens the time-series store that a configuration names."""

from __future__ import annotations

from storage.history import History
from storage.history.sealer import Limits
from storage.history.settings import EmbeddedSettings, InfluxSettings, StoreSettings
from storage.history.sqlite import SqliteHistory

__all__ = ["EmbeddedSettings", "InfluxSettings", "StoreSettings", "open_history"]


def open_history(settings: EmbeddedSettings | InfluxSettings, *, read_only: bool = False) -> History:
    """The store of `settings`. Raises StoreError when the embedded file is damaged, newer, or written by another.

    `read_only` is for everyone but the collector. A server needs not be up: its calls raise StoreError until it is.
    """
    if isinstance(settings, EmbeddedSettings):
        return SqliteHistory(settings.path, read_only=read_only, limits=Limits(raw_days=settings.raw_days))
    from storage.history.influxdb import InfluxHistory  # noqa: PLC0415 - half a second that the embedded store does not need

    return InfluxHistory(settings)
