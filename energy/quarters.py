"""Quarter-hours and local days. Instants are ms UTC, intervals half-open [start, end).

A local day has 92, 96 or 100 quarter-hours; a quarter-hour is never local, so it never repeats or vanishes.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

__all__ = [
    "QUARTER_MS",
    "known_timezone",
    "local_day",
    "local_midnight",
    "local_month",
    "quarter_start",
    "quarter_starts",
]

QUARTER_MS: Final = 900_000


def quarter_start(t: int) -> int:
    """Start of the quarter-hour that `t` lies in."""
    return t - t % QUARTER_MS


def quarter_starts(start: int, end: int) -> range:
    """Starts of the quarter-hours that [start, end) touches."""
    return range(quarter_start(start), end, QUARTER_MS)


def known_timezone(name: str) -> str:
    """A time zone's name as it is. Raises ValueError for one that nobody knows."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"unknown time zone {name!r}; written as Europe/Brussels") from None
    return name


def local_day(t: int, timezone: str) -> tuple[int, int]:
    """The local calendar day that `t` lies in, as [start, end) in ms UTC: 23, 24 or 25 hours."""
    zone = ZoneInfo(timezone)
    day = datetime.fromtimestamp(t / 1000, zone).date()
    return local_midnight(day, timezone), local_midnight(day + timedelta(days=1), timezone)


def local_month(t: int, timezone: str) -> tuple[int, int]:
    """The local calendar month that `t` lies in, as [start, end) in ms UTC."""
    zone = ZoneInfo(timezone)
    first = datetime.fromtimestamp(t / 1000, zone).date().replace(day=1)
    following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return local_midnight(first, timezone), local_midnight(following, timezone)


def local_midnight(day: date, timezone: str) -> int:
    """The instant, ms UTC, at which that local day begins."""
    zone = ZoneInfo(timezone)
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC).timestamp() * 1000)
