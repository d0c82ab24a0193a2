"""The local calendar of an instant: what schedules, homes and temperatures go by."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

__all__ = ["LocalTime", "local_time"]


@dataclass(frozen=True, slots=True)
class LocalTime:
    """An instant on the wall clock of a place."""

    ordinal: int  # proleptic Gregorian day number
    month: int
    day: int
    weekday: int  # 0 Monday .. 6 Sunday
    day_of_year: int
    minute: float  # since local midnight, as the wall clock shows it


def local_time(t_ms: int, zone: ZoneInfo) -> LocalTime:
    """The wall clock of `zone` at `t_ms` (UTC, milliseconds)."""
    moment = dt.datetime.fromtimestamp(t_ms / 1000, zone)
    date = moment.date()
    return LocalTime(
        ordinal=date.toordinal(),
        month=date.month,
        day=date.day,
        weekday=date.weekday(),
        day_of_year=date.timetuple().tm_yday,
        minute=moment.hour * 60 + moment.minute + moment.second / 60 + moment.microsecond / 6e7,
    )
