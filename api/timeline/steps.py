"""Periods and steps: a grid of fixed steps aligned to the Unix epoch, or of a community's local days and months."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from api.problems import Problem
from energy.quarters import QUARTER_MS

__all__ = ["Grid", "Step", "parse_instant", "period"]

DAY_MS: Final = 86_400_000
_EARLIEST_MS: Final = 946_684_800_000  # 2000-01-01
_LATEST_MS: Final = 4_102_444_800_000  # 2100-01-01
_WHOLE: Final = re.compile(r"-?\d{1,18}", re.ASCII)
_OFFSET_SPACE: Final = re.compile(r" (\d{2}:?\d{2})$", re.ASCII)


class Step(StrEnum):
    """Distance between two points of a series."""

    RAW = "raw"
    S10 = "10s"
    M1 = "1m"
    M5 = "5m"
    M15 = "15m"
    H1 = "1h"
    D1 = "1d"
    MONTH = "1M"

    @property
    def ms(self) -> int:
        """Length in ms; of a month the usual one. Raw has none: 0."""
        return _LENGTH[self]

    @property
    def quarterly(self) -> bool:
        """Whether it is made of whole quarter-hours."""
        return self.ms >= QUARTER_MS


_LENGTH: Final = {
    Step.RAW: 0,
    Step.S10: 10_000,
    Step.M1: 60_000,
    Step.M5: 300_000,
    Step.M15: QUARTER_MS,
    Step.H1: 3_600_000,
    Step.D1: DAY_MS,
    Step.MONTH: 30 * DAY_MS,
}


@dataclass(frozen=True, slots=True)
class Grid:
    """Starts of the steps that a period touches, each step whole: it reaches from `start` to `end` (ms UTC)."""

    starts: tuple[int, ...]
    end: int

    @classmethod
    def over(cls, start: int, end: int, step: Step, timezone: str) -> Grid:
        """The grid of [start, end). Not for raw."""
        if step in {Step.D1, Step.MONTH}:
            bounds = _local_bounds(start, end, step, ZoneInfo(timezone))
            return cls(tuple(bounds[:-1]), bounds[-1])
        first = start - start % step.ms
        last = -(-end // step.ms) * step.ms
        return cls(tuple(range(first, last, step.ms)), last)

    @property
    def start(self) -> int:
        """Start of the first step."""
        return self.starts[0]

    def spans(self) -> list[tuple[int, int]]:
        """The steps as half-open intervals."""
        return list(pairwise((*self.starts, self.end)))

    def index(self, t: int) -> int:
        """The step that `t` lies in."""
        return bisect_right(self.starts, t) - 1


def parse_instant(text: str, field: str) -> int:
    """Milliseconds UTC from a number of them or ISO 8601 with an offset or Z. Raises Problem 422."""
    text = text.strip()
    unspaced = _OFFSET_SPACE.sub(r"+\1", text)  # a `+` not encoded in a URL arrives as a space
    t = int(text) if _WHOLE.fullmatch(text) else _parse_iso(unspaced, field)
    if not _EARLIEST_MS <= t < _LATEST_MS:
        raise _no_instant(text, field, "lies outside 2000 to 2099")
    return t


def period(start: str | None, end: str | None, now_ms: int) -> tuple[int, int]:
    """[from, to) in ms UTC; the last 24 hours where nothing is given. Raises Problem 422."""
    to = now_ms if end is None else parse_instant(end, "query.to")
    from_ = to - DAY_MS if start is None else parse_instant(start, "query.from")
    if from_ >= to:
        raise Problem(
            422, "reversed_period", "`from` must be before `to`", field="query.from", hint="swap them, or leave one out"
        )
    return from_, to


def _parse_iso(text: str, field: str) -> int:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise _no_instant(text, field, "is no instant") from None
    if instant.tzinfo is None:
        raise _no_instant(text, field, "lacks an offset from UTC")
    try:
        return round(instant.timestamp() * 1000)
    except (OverflowError, ValueError):
        raise _no_instant(text, field, "is no instant") from None


def _no_instant(text: str, field: str, why: str) -> Problem:
    return Problem(
        422,
        "invalid_instant",
        f"{text[:50]!r} {why}",
        field=field,
        hint="write 2026-06-15T12:00:00+02:00, 2026-06-15T10:00:00Z or milliseconds since 1970",
    )


def _local_bounds(start: int, end: int, step: Step, zone: ZoneInfo) -> list[int]:
    day = datetime.fromtimestamp(start / 1000, zone).date()
    day = day.replace(day=1) if step is Step.MONTH else day
    bounds = [_midnight(day, zone)]
    while bounds[-1] < end:
        day = _next_month(day) if step is Step.MONTH else day + timedelta(days=1)
        bounds.append(_midnight(day, zone))
    return bounds


def _next_month(day: date) -> date:
    return day.replace(year=day.year + day.month // 12, month=day.month % 12 + 1)


def _midnight(day: date, zone: ZoneInfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)
