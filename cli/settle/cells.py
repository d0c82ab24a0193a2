"""What a cell of the readings means: an instant, or exact Wh."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from energy.quarters import QUARTER_MS

__all__ = ["LARGEST_WH", "parse_start", "parse_wh", "utc_text"]

LARGEST_WH: Final = 10**12  # a quarter-hour of 4 TW; keeps sums of a million points within 64 bits
_PLAIN_NUMBER: Final = re.compile(r"(\d{1,9})(?:\.(\d{1,3}))?", re.ASCII)
_NUMBER: Final = re.compile(r"-?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)
_LONGEST_NUMBER: Final = 40
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def parse_start(text: str, interval_ms: int = QUARTER_MS) -> int:
    """Ms UTC of the start of a quarter-hour, or of a longer interval. Raises ValueError for anything that does not name exactly one."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no ISO 8601 instant") from None
    if any(mark in text for mark in ',"\r\n'):  # Python takes anything between day and hour
        raise ValueError(f"{text!r} is no ISO 8601 instant")
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset{_local_trap(moment)}")
    try:
        instant = (moment - _EPOCH) // _MILLISECOND
    except OverflowError:
        raise ValueError(f"{text!r} is out of range") from None
    if (moment - _EPOCH) % timedelta(milliseconds=QUARTER_MS):
        raise ValueError(f"{text!r} is no start of a quarter-hour: those are at minutes 00, 15, 30 and 45")
    if instant % interval_ms:
        minutes = interval_ms // 60_000
        raise ValueError(f"{text!r} is no start of {minutes} minutes, of which the key says the readings are")
    return instant


def _local_trap(moment: datetime) -> str:
    """What the clock change does to a Belgian local time, if it is one of those."""
    zone = ZoneInfo("Europe/Brussels")
    try:
        early, late = (moment.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
        back = moment.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None)
    except OverflowError:
        return ""
    if early == late:
        return ""
    return ", and exists twice in Brussels" if back == moment else ", and does not exist in Brussels: clocks skipped it"


@lru_cache(maxsize=1 << 16)
def parse_wh(text: str) -> int | Fraction | None:
    """Exact Wh of kWh written in decimals; None for an empty cell."""
    if plain := _PLAIN_NUMBER.fullmatch(text):
        whole, decimals = plain.groups("")
        return int(whole) * 1000 + int(decimals.ljust(3, "0"))
    if not text:
        return None
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is no number of kWh")
    energy_wh = Fraction(text) * 1000
    if energy_wh < 0:
        raise ValueError(f"{text} is negative: withdrawal and injection are both counted upwards from 0")
    if energy_wh > LARGEST_WH:
        raise ValueError(f"{text} kWh is impossible in a quarter-hour")
    return energy_wh


def utc_text(start: int) -> str:
    """The ISO 8601 text of ms UTC."""
    return (_EPOCH + start * _MILLISECOND).strftime("%Y-%m-%dT%H:%M:%SZ")
