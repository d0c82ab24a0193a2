"""Which step of the local week a quarter-hour is, with public holidays counted as Sundays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

__all__ = ["belgian_holidays", "slots_of_week"]

_MS_PER_DAY: Final = 86_400_000
_SUNDAY: Final = 6
_FIXED: Final = ((1, 1), (5, 1), (7, 21), (8, 15), (11, 1), (11, 11), (12, 25))
_AFTER_EASTER: Final = (1, 39, 50)  # Easter Monday, Ascension, Whit Monday


@lru_cache(maxsize=64)
def belgian_holidays(year: int) -> frozenset[date]:
    """The ten legal public holidays (royal decree of 18 April 1974) of a year."""
    easter = _easter(year)
    moving = {easter + timedelta(days=days) for days in _AFTER_EASTER}
    return frozenset({date(year, month, day) for month, day in _FIXED} | moving)


def slots_of_week(
    starts_ms: Sequence[int], timezone: str, steps_per_day: int, holidays: Iterable[date] | None = None
) -> npt.NDArray[np.int64]:
    """The step of the local week, Monday 00:00 = 0, of each instant. `holidays` None: Belgium's."""
    zone = ZoneInfo(timezone)
    given = None if holidays is None else frozenset(holidays)
    slots = []
    for start in starts_ms:
        local = datetime.fromtimestamp(start / 1000, UTC).astimezone(zone)
        day = local.date()
        free = day in (belgian_holidays(day.year) if given is None else given)
        since_midnight = (local.hour * 3600 + local.minute * 60 + local.second) * 1000
        weekday = _SUNDAY if free else local.weekday()
        slots.append(weekday * steps_per_day + since_midnight * steps_per_day // _MS_PER_DAY)
    return np.array(slots, dtype=np.int64)


def _easter(year: int) -> date:
    """Gregorian Easter Sunday (Meeus, Astronomical Algorithms, chapter 8)."""
    century, rest = divmod(year, 100)
    moon = (19 * (year % 19) + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (rest // 4) - moon - rest % 4) % 7
    late = (year % 19 + 11 * moon + 22 * weekday) // 451
    month, day = divmod(moon + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)
