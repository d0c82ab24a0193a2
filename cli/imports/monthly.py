"""A grid operator's month: shared and complementary energy and network cost of each metering point."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Final

from cli.imports.cells import amount_of, ean_of
from cli.imports.formats import MonthlyFormat
from cli.imports.sheets import Cell, Sheet, read_sheets
from energy.errors import DataError
from energy.settlement.operator import OperatorTotal

__all__ = ["read_monthly"]

_WH: Final = Decimal(1)


def read_monthly(path: Path, layout: MonthlyFormat) -> tuple[OperatorTotal, ...]:
    """By EAN; the rows of one (day, night) are added. Raises DataError naming file, row and column."""
    totals: dict[str, OperatorTotal] = {}
    for sheet in read_sheets(path).values():
        if not any(any(cell not in {None, ""} for cell in row) for row in sheet.rows):
            continue
        header, places = sheet.header(layout.columns, layout.optional)
        line_of: dict[tuple[Cell, ...], int] = {}
        for number, row in enumerate(sheet.rows[header + 1 :], header + 1):
            if all(cell in {None, ""} for cell in row):
                continue
            total = _Row(sheet, number, places).total()
            first = line_of.setdefault(tuple(row), number)
            if first != number:
                raise sheet.error(number, "ean", f"repeats row {first + 1} in every cell", "keep one of the two rows")
            totals[total.ean] = totals[total.ean].plus(total) if total.ean in totals else total
    if not totals:
        raise DataError("has no rows", field=str(path), hint="give one row for each metering point")
    return tuple(totals[ean] for ean in sorted(totals))


class _Row:
    def __init__(self, sheet: Sheet, number: int, places: dict[str, int]) -> None:
        self._sheet, self._number, self._places = sheet, number, places

    def total(self) -> OperatorTotal:
        try:
            ean = ean_of(self._cell("ean"))
        except ValueError as error:
            raise self._sheet.error(self._number, "ean", str(error), "an EAN is text of 18 digits") from None
        shared_wh, injection_wh = self._wh("shared_kwh"), self._wh("injection_shared_kwh")
        if shared_wh is None and injection_wh is None:
            raise self._sheet.error(self._number, "shared_kwh", "is empty", "write 0 where nothing was shared")
        return OperatorTotal(
            ean=ean,
            shared_wh=shared_wh or 0,
            complementary_wh=self._wh("complementary_kwh"),
            injection_shared_wh=injection_wh or 0,
            grid_fee_eur=self._amount("grid_fee_eur"),
        )

    def _cell(self, column: str) -> Cell:
        row, place = self._sheet.rows[self._number], self._places.get(column)
        return None if place is None or place >= len(row) else row[place]

    def _wh(self, column: str) -> int | None:
        kwh = self._amount(column)
        return None if kwh is None else int((kwh * 1000).quantize(_WH, ROUND_HALF_UP))

    def _amount(self, column: str) -> Decimal | None:
        try:
            amount = amount_of(self._cell(column))
            if amount is not None and amount < 0:
                raise ValueError(f"{amount} is negative")  # noqa: TRY301 - told with its place below
        except ValueError as error:
            raise self._sheet.error(
                self._number, column, str(error), "give kWh and euros as numbers from 0 up"
            ) from None
        return amount
