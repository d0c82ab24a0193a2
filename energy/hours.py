"""Opening hours as people write them, `Mo-Fr 08:00-18:00; Sa 09:00-12:00; Su off`, and whether a moment is within.

A small part of the notation that OpenStreetMap keeps as `opening_hours`; later entries replace earlier ones of a day.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

__all__ = ["LocalTime", "OpeningHours", "within"]

_DAYS: Final = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_ENTRY: Final = re.compile(r"(?P<days>[A-Z][a-z](?:\s*[-,]\s*[A-Z][a-z])*)\s+(?P<hours>off|closed|[\d:,\s-]+)")
_SPAN: Final = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")
_DAY_S: Final = 86_400


def _without_offset(moment: time) -> time:
    if moment.tzinfo is not None:
        raise ValueError("it is local time: leave out the offset")
    return moment


LocalTime = Annotated[time, AfterValidator(_without_offset)]
"""A time of day where the community is. With an offset it could not be compared with the clock there."""


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """Spans of seconds since local midnight, by day of the week (Monday 0)."""

    spans: Mapping[int, tuple[tuple[int, int], ...]]

    @classmethod
    def parse(cls, text: str) -> OpeningHours:
        """Raises ValueError for what cannot be read."""
        spans: dict[int, tuple[tuple[int, int], ...]] = dict.fromkeys(range(7), ())
        for entry in filter(None, (part.strip() for part in text.split(";"))):
            if entry == "24/7":
                spans = dict.fromkeys(range(7), ((0, _DAY_S),))
                continue
            match = _ENTRY.fullmatch(entry)
            if match is None:
                raise ValueError(f"opening hours {entry!r} are not written as in 'Mo-Fr 08:00-18:00; Sa 09:00-12:00'")
            for day in _days(match["days"]):
                spans[day] = _spans(match["hours"])
        return cls(spans)

    def open_at(self, t: int, timezone: str, *, margin_s: float = 0.0) -> bool:
        """Whether it is open at `t` (ms UTC), or less than `margin_s` before opening or after closing."""
        local = datetime.fromtimestamp(t / 1000, ZoneInfo(timezone))
        second = local.hour * 3600 + local.minute * 60 + local.second
        for offset in (-1, 0, 1):  # the day before and after reach into this one with the margin, or past midnight
            at = second - offset * _DAY_S
            for begin, end in self.spans[(local.weekday() + offset) % 7]:
                if begin - margin_s <= at < end + margin_s:
                    return True
        return False


def within(t: int, timezone: str, begin: time, end: time) -> bool:
    """Whether local time at `t` (ms UTC) lies in [begin, end), over midnight where `end` is the earlier."""
    local = datetime.fromtimestamp(t / 1000, ZoneInfo(timezone)).time()
    return begin <= local < end if begin <= end else local >= begin or local < end


def _days(text: str) -> list[int]:
    days: list[int] = []
    for part in text.replace(" ", "").split(","):
        names = part.split("-")
        unknown = [name for name in names if name not in _DAYS]
        if unknown or len(names) > 2:
            raise ValueError(f"{part!r} is no day or span of days; days are {', '.join(_DAYS)}")
        first, last = _DAYS.index(names[0]), _DAYS.index(names[-1])
        days += [(first + step) % 7 for step in range((last - first) % 7 + 1)]
    return days


def _spans(text: str) -> tuple[tuple[int, int], ...]:
    if text in {"off", "closed"}:
        return ()
    spans = []
    for part in text.split(","):
        match = _SPAN.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"{part.strip()!r} is no span of hours such as 08:00-18:00")
        begin, end = (int(match[n]) * 3600 + int(match[n + 1]) * 60 for n in (1, 3))
        if max(begin, end) > _DAY_S or int(match[2]) > 59 or int(match[4]) > 59:
            raise ValueError(f"{part.strip()!r} is no span of hours such as 08:00-18:00")
        spans.append((begin, end if end > begin else end + _DAY_S))
    return tuple(spans)
