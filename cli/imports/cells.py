"""Cells of imported files: EANs that a spreadsheet made numbers of, decimal commas, local times without an offset."""

from __future__ import annotations

import re
from datetime import MAXYEAR, UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from cli.imports.sheets import Cell
from energy.quarters import QUARTER_MS
from energy.sharing.ean import parse_ean

__all__ = ["LocalTimes", "amount_of", "ean_of", "instant_of"]

_NUMBER: Final = re.compile(r"-?\d{1,13}(?:[.,]\d{1,20})?", re.ASCII)
_MICRO: Final = Decimal("0.000001")
_QUOTED: Final = re.compile(r'^="?(.*?)"?$')
_YEARS: Final = (1990, 2100)
_FORMATS: Final = ("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d-%m-%Y %H:%M:%S", "%d-%m-%Y %H:%M")


def ean_of(cell: Cell) -> str:
    """The EAN in a cell. Raises ValueError, also for one whose digits a spreadsheet has rounded away."""
    if isinstance(cell, float) and not 0 <= cell < 2**53:
        raise ValueError(
            f"{cell:.0f} was made a number by a spreadsheet, which kept 15 of its 18 digits: format it as text"
        )
    text = str(int(cell)) if isinstance(cell, float) else str(cell or "").strip()
    return parse_ean(_QUOTED.sub(r"\1", text))


def amount_of(cell: Cell) -> Decimal | None:
    """A number to a millionth, beyond which a spreadsheet's binary fractions are noise; None for an empty cell.

    Raises ValueError for anything that is no number, or is written with separators of thousands.
    """
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None
    if isinstance(cell, bool) or not isinstance(cell, int | float | str):
        raise ValueError(f"{cell!r} is no number")  # noqa: TRY004 - told with its place by the caller
    text = repr(cell) if isinstance(cell, float) else str(cell).strip()
    if isinstance(cell, str) and not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is no number: write it as 1234.567 or 1234,567")
    number = Decimal(text.replace(",", "."))
    if not number.is_finite() or abs(number) >= 10**13:
        raise ValueError(f"{text} is no number")
    return number.quantize(_MICRO)


def instant_of(cell: Cell) -> datetime:
    """A time as it is written: with its offset, or a local time without. Raises ValueError."""
    if isinstance(cell, datetime):
        return _to_minutes(cell)
    if isinstance(cell, date):
        return datetime.combine(cell, time())
    text = str(cell or "").strip()
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    for layout in _FORMATS:
        try:
            return datetime.strptime(text, layout)  # noqa: DTZ007 - local, LocalTimes gives it its zone
        except ValueError:
            continue
    raise ValueError(f"{text!r} is no time: write it as 2026-06-01T00:15 or 01/06/2026 00:15")


def _to_minutes(moment: datetime) -> datetime:
    """Spreadsheets keep times as fractions of a day: a second off is their rounding."""
    if moment.year == MAXYEAR:
        raise ValueError(f"{moment} is out of range")
    return (moment + timedelta(seconds=30)).replace(second=0, microsecond=0)


class LocalTimes:
    """Local times of one series in their order: the hour that an autumn's day has twice is told apart by it.

    `unclear`: times that are twice on the clock and came once so far, with the row.
    """

    def __init__(self, timezone: str) -> None:
        self.unclear: dict[datetime, int] = {}
        self._zone = ZoneInfo(timezone)
        self._last: int | None = None

    def start(self, moment: datetime, row: int = 0) -> int:
        """Ms UTC of a quarter-hour's start. Raises ValueError when it is none, or does not exist on the clock."""
        if not _YEARS[0] <= moment.year <= _YEARS[1]:
            raise ValueError(f"{moment.isoformat()} is not between {_YEARS[0]} and {_YEARS[1]}")
        if moment.tzinfo is None:
            moment = self._placed(moment, row)
        instant = round(moment.astimezone(UTC).timestamp() * 1000)
        if instant % QUARTER_MS:
            raise ValueError(f"{moment.isoformat()} is no start of a quarter-hour")
        self._last = instant
        return instant

    def _placed(self, moment: datetime, row: int) -> datetime:
        early, late = (moment.replace(tzinfo=self._zone, fold=fold) for fold in (0, 1))
        if early.astimezone(UTC).astimezone(self._zone).replace(tzinfo=None) != moment:
            raise ValueError(f"{moment.isoformat()} does not exist in {self._zone.key}: clocks skipped it")
        if early.utcoffset() != late.utcoffset() and self.unclear.pop(moment, None) is None:
            self.unclear[moment] = row
        again = self._last is not None and round(early.timestamp() * 1000) <= self._last
        return late if again else early
