"""Quarter-hours of an imported file, in whatever layout, as the rows of a readings file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final, NoReturn, TypeVar

import numpy as np

from cli.imports.cells import LocalTimes, amount_of, ean_of, instant_of
from cli.imports.formats import LongFormat, RegistersFormat, SheetsFormat
from cli.imports.sheets import Cell, Sheet, plain, read_sheets
from energy.errors import DataError
from energy.sharing.intervals import INTERVALS_MS, Interval, interval_name, longer_interval

__all__ = ["Quarter", "Quarters", "read_quarters"]

_ENERGY_HINT: Final = "give kWh as numbers from 0 up, or leave the cell empty if it is unknown"


@dataclass(slots=True)
class Quarter:
    """One metering point's quarter-hour, kWh; None: unknown. `shared_*`: what the operator allotted, where it says."""

    withdrawal_kwh: Decimal | None = None
    injection_kwh: Decimal | None = None
    shared_withdrawal_kwh: Decimal | None = None
    shared_injection_kwh: Decimal | None = None


class Quarters:
    """Quarter-hours by (start in ms UTC, EAN); half-hours or hours where the file has those, as `interval` says."""

    def __init__(self) -> None:
        self.of: dict[tuple[int, str], Quarter] = {}
        self.interval: Interval = "15min"
        self._where: dict[tuple[int, str], tuple[Sheet, int]] = {}

    def find_interval(self, declared: Interval | None) -> None:
        """Sets `interval`. Raises DataError for points by different intervals, or by another than is declared."""
        shortest = INTERVALS_MS[declared or "15min"]
        for place in self.of:
            if place[0] % shortest:
                self._refuse(place, f"has a reading between its {shortest // 60_000} minutes, which the format says")
        found = {ean: _longer(starts, shortest) for ean, starts in self._starts().items()}
        longer = {each for each in found.values() if each is not None}
        if not longer:
            self.interval = interval_name(shortest)
            return
        (interval, start), ean = next((each, ean) for ean, each in found.items() if each is not None)
        if declared is not None or {each and each[0] for each in found.values()} != {interval}:
            others = f"the format says {declared}" if declared else "others by less"
            self._refuse((start, ean), f"is read by {interval // 60_000} minutes from here on, and {others}")
        self.interval = interval_name(interval)

    def _starts(self) -> dict[str, list[int]]:
        starts: dict[str, list[int]] = {}
        for (start, ean), quarter in self.of.items():
            if quarter.withdrawal_kwh is not None or quarter.injection_kwh is not None:
                starts.setdefault(ean, []).append(start)
        return starts

    def _refuse(self, place: tuple[int, str], told: str) -> NoReturn:
        sheet, row = self._where[place]
        hint = "bring all metering points to one interval, adding the shorter ones up: a reading is never split"
        raise sheet.error(row, "start", f"EAN {place[1]} {told}", hint)

    def put(
        self, sheet: Sheet, row: int, place: tuple[int, str], field: str, kwh: Decimal | None, *, add: bool
    ) -> None:
        """Sets a value, or adds it to what another register told. Raises DataError for one that is there already."""
        quarter = self.of.setdefault(place, Quarter())
        self._where.setdefault(place, (sheet, row))
        before = getattr(quarter, field)
        if before is not None and not add:
            raise sheet.error(row, field, f"{place[1]} has this quarter-hour twice", "keep one of the two rows")
        if kwh is not None:
            setattr(quarter, field, kwh if before is None else before + kwh)


def _longer(starts: list[int], interval_ms: int) -> tuple[int, int] | None:
    """(interval, start from which) where a point is read by a longer one."""
    told = np.array(sorted(starts), dtype=np.int64)
    found = longer_interval(told, np.ones(told.size, dtype=bool), interval_ms)
    return None if found is None else (found[0], int(told[found[1]]))


def read_quarters(path: Path, layout: LongFormat | RegistersFormat | SheetsFormat) -> Quarters:
    """All quarter-hours of the file. Raises DataError naming file, row, sheet and column."""
    quarters = Quarters()
    sheets = read_sheets(path)
    if isinstance(layout, SheetsFormat):
        _Workbook(path, sheets, layout, quarters).read()
    else:
        for sheet in sheets.values():
            if sheet.rows:
                _long(sheet, layout, quarters) if isinstance(layout, LongFormat) else _registers(
                    sheet, layout, quarters
                )
    if not quarters.of:
        raise DataError("has no quarter-hours", field=str(path), hint="check the format")
    quarters.find_interval(layout.interval)
    return quarters


_T = TypeVar("_T")


def _value(sheet: Sheet, row: int, column: str, parse: Callable[[Cell], _T], cell: Cell, hint: str) -> _T:
    try:
        return parse(cell)
    except ValueError as error:
        raise sheet.error(row, column, str(error), hint) from None


def _energy(cell: Cell) -> Decimal | None:
    kwh = amount_of(cell)
    if kwh is not None and kwh < 0:
        raise ValueError(f"{kwh} is negative")
    return kwh


def _filled(row: Sequence[Cell]) -> bool:
    return any(cell not in {None, ""} for cell in row)


def _body(sheet: Sheet, header: int) -> Iterator[tuple[int, list[Cell]]]:
    """Rows below the header, filled up to its width."""
    width = max(len(row) for row in sheet.rows)
    for number, row in enumerate(sheet.rows[header + 1 :], header + 1):
        if _filled(row):
            yield number, [*row, *[None] * (width - len(row))]


class _Clocks:
    """LocalTimes of each series by its name."""

    def __init__(self, timezone: str) -> None:
        self._timezone = timezone
        self._of: dict[str, LocalTimes] = {}

    def start(self, sheet: Sheet, row: int, series: str, cell: Cell) -> int:
        times = self._of.setdefault(series, LocalTimes(self._timezone))
        return _value(
            sheet, row, "start", lambda one: times.start(instant_of(one), row), cell, "write 2026-06-01T00:15"
        )

    def refuse_unclear(self, sheet: Sheet) -> None:
        """Raises DataError for a time that came once and is twice on the clock: which of both is meant nobody knows."""
        for times in self._of.values():
            for moment, row in times.unclear.items():
                told = f"{moment.isoformat()} is twice on this day and stands there once"
                raise sheet.error(row, "start", told, "give times with their offset, or both hours in their order")


def _long(sheet: Sheet, layout: LongFormat, quarters: Quarters) -> None:
    header, places = sheet.header(layout.columns, layout.optional)
    clocks = _Clocks(layout.timezone)
    for number, row in _body(sheet, header):
        ean = _value(sheet, number, "ean", ean_of, row[places["ean"]], "an EAN is text of 18 digits")
        start = clocks.start(sheet, number, ean, row[places["start"]])
        if (start, ean) in quarters.of:
            raise sheet.error(number, "ean, start", f"{ean} has this quarter-hour twice", "keep one of the two rows")
        quarters.of[start, ean] = Quarter()
        for column in ("withdrawal_kwh", "injection_kwh"):
            if column in places:
                kwh = _value(sheet, number, column, _energy, row[places[column]], _ENERGY_HINT)
                quarters.put(sheet, number, (start, ean), column, kwh, add=False)
    clocks.refuse_unclear(sheet)


def _registers(sheet: Sheet, layout: RegistersFormat, quarters: Quarters) -> None:
    header, places = sheet.header(layout.columns, ("unit",))
    clocks = _Clocks(layout.timezone)
    seen: set[tuple[int, str, str]] = set()
    for number, row in _body(sheet, header):
        ean = _value(sheet, number, "ean", ean_of, row[places["ean"]], "an EAN is text of 18 digits")
        register = plain(row[places["register"]])
        column = _direction(sheet, number, register, layout)
        moment = f"{row[places['date']]} {row[places['time']]}".strip()
        start = clocks.start(sheet, number, f"{ean} {register}", moment)
        if (start, ean, register) in seen:
            raise sheet.error(
                number, "register", f"{register} of {ean} has this quarter-hour twice", "keep one of the two rows"
            )
        seen.add((start, ean, register))
        if "unit" in places:
            sheet.refuse_unit(number, "unit", row[places["unit"]])
        kwh = _value(sheet, number, "volume", _energy, row[places["volume"]], _ENERGY_HINT)
        quarters.put(sheet, number, (start, ean), column, kwh, add=True)
    clocks.refuse_unclear(sheet)


def _direction(sheet: Sheet, row: int, text: str, layout: RegistersFormat | SheetsFormat) -> str:
    directions = {"withdrawal_kwh": layout.withdrawal, "injection_kwh": layout.injection}
    found = next((name for name, words in directions.items() if any(plain(word) in text for word in words)), None)
    if found is not None:
        return found
    wanted = ", ".join((*layout.withdrawal, *layout.injection))
    raise sheet.error(row, "header", f"{text!r} is neither withdrawal nor injection", f"one of these words: {wanted}")


_SHARED: Final = {"withdrawal_kwh": "shared_withdrawal_kwh", "injection_kwh": "shared_injection_kwh"}


class _Workbook:
    """Sheets of gross, shared and net energy with a column for each metering point and direction."""

    def __init__(self, path: Path, sheets: dict[str, Sheet], layout: SheetsFormat, quarters: Quarters) -> None:
        self._layout, self._quarters = layout, quarters
        self._points: set[tuple[str, str]] = set()
        by_name: dict[str, Sheet] = {}
        for name, sheet in sheets.items():
            if by_name.setdefault(plain(name), sheet) is not sheet:
                raise DataError(f"has two sheets called {name!r}", field=str(path), hint="keep one of them")
        self._sheets: dict[str, Sheet] = {}
        for role, name in layout.sheets.items():
            if plain(name) not in by_name:
                told = f"has no sheet {name!r}, it has {', '.join(sheets) or 'none'}"
                raise DataError(told, field=str(path), hint="name its sheets in a format of yours")
            self._sheets[role] = by_name[plain(name)]

    def read(self) -> None:
        self._read(self._sheets["gross"], dict(zip(_SHARED, _SHARED, strict=True)))
        self._read(self._sheets["shared"], _SHARED)
        if "net" in self._sheets:
            self._check_net(self._sheets["net"])

    def _read(self, sheet: Sheet, field_of: dict[str, str]) -> None:
        for number, start, ean, column, kwh in self._cells(sheet):
            self._quarters.put(sheet, number, (start, ean), field_of[column], kwh, add=False)

    def _cells(self, sheet: Sheet) -> Iterator[tuple[int, int, str, str, Decimal | None]]:
        layout = self._layout
        if len(sheet.rows) < layout.first_row:
            raise sheet.error(len(sheet.rows), "", "ends before its first quarter-hour", "check the format")
        sheet.refuse_merged(layout.header_row - 1)
        columns = self._columns(sheet)
        clocks = _Clocks(layout.timezone)
        for number, row in _body(sheet, layout.first_row - 2):
            start = clocks.start(sheet, number, "", row[0])
            for place, ean, column in columns:
                yield number, start, ean, column, _value(sheet, number, ean, _energy, row[place], _ENERGY_HINT)
        clocks.refuse_unclear(sheet)

    def _columns(self, sheet: Sheet) -> list[tuple[int, str, str]]:
        """(place, EAN, direction) of each column: the same points as the other sheets have."""
        layout = self._layout
        headers, eans = sheet.rows[layout.header_row - 1], sheet.rows[layout.ean_row - 1]
        columns = []
        for place in range(1, len(eans)):
            if eans[place] not in {None, ""}:
                for row in range(layout.ean_row, layout.first_row - 1):
                    sheet.refuse_unit(row, f"column {place + 1}", dict(enumerate(sheet.rows[row])).get(place))
                ean = _value(sheet, layout.ean_row - 1, f"column {place + 1}", ean_of, eans[place], "18 digits as text")
                columns.append((place, ean, _direction(sheet, layout.header_row - 1, plain(headers[place]), layout)))
        points = {(ean, column) for _, ean, column in columns}
        self._points = self._points or points
        for ean, column in sorted(points ^ self._points):
            told = f"{ean} has a column of {column.removesuffix('_kwh')} in one sheet and not in another"
            raise sheet.error(layout.ean_row - 1, ean, told, "all sheets have the same points and directions")
        return columns

    def _check_net(self, sheet: Sheet) -> None:
        """Gross is shared and net together, to the millionth that cells are read to."""
        for number, start, ean, column, net in self._cells(sheet):
            quarter = self._quarters.of.get((start, ean), Quarter())
            gross, shared = getattr(quarter, column), getattr(quarter, _SHARED[column])
            if None in {gross, shared, net}:
                continue
            if abs(gross - shared - net) > Decimal("0.000003"):
                told = f"gross {gross} kWh is not shared {shared} and net {net} together"
                raise sheet.error(number, ean, told, "ask the grid operator for the file again")
