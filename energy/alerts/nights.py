"""What a building usually uses at night: the median of its last nights, from quarter-hours. An odd night does not move it."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

__all__ = ["NIGHTS", "usual_w"]

NIGHTS: Final = 14
"""So many nights back."""
_FEWEST: Final = 5
_KNOWN: Final = 0.8  # of a night's quarter-hours
_PER_HOUR: Final = 4


def usual_w(
    quarters: Iterable[tuple[int, float | None]], begin: time, end: time, timezone: str, now_ms: int
) -> float | None:
    """`quarters`: start (ms UTC) and Wh used, None: unknown. The running night is no earlier one; None: too few are known."""
    zone = ZoneInfo(timezone)
    running = _night(datetime.fromtimestamp(now_ms / 1000, zone), begin, end)
    nights: dict[object, list[float]] = defaultdict(list)
    for start, used_wh in quarters:
        local = datetime.fromtimestamp(start / 1000, zone)
        night = _night(local, begin, end)
        if used_wh is not None and night is not None and night != running:
            nights[night].append(used_wh * _PER_HOUR)
    whole = _KNOWN * _PER_HOUR * _hours(begin, end)
    means = [statistics.fmean(powers) for powers in nights.values() if len(powers) >= whole]
    return statistics.median(means) if len(means) >= _FEWEST else None


def _night(local: datetime, begin: time, end: time) -> object:
    """The day on which the night of that moment began, None by day."""
    moment = local.time()
    if begin <= end:
        return local.date() if begin <= moment < end else None
    if moment >= begin:
        return local.date()
    return local.date() - timedelta(days=1) if moment < end else None


def _hours(begin: time, end: time) -> float:
    minutes = (end.hour - begin.hour) * 60 + end.minute - begin.minute
    return (minutes % (24 * 60)) / 60
