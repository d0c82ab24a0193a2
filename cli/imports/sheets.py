"""Tables of CSV files and workbooks: rows of cells that know where they stand, columns found by their headers."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

from cli.imports.packages import check_package
from energy.errors import DataError

__all__ = ["Cell", "Sheet", "plain", "read_sheets"]

Cell = str | float | int | bool | datetime | date | time | timedelta | None
_WORKBOOKS: Final = frozenset({".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"})
_MOST_ROWS_BEFORE_HEADER: Final = 20
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_UNIT: Final = re.compile(r"[(\[].*?[)\]]")
_OTHER_UNITS: Final = frozenset(
    {"wh", "mwh", "gwh", "w", "kw", "mw", "kva", "kvarh", "m3", "j", "mj", "gj", "ct", "cent", "cents", "c"}
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table. `name` is empty for a CSV. `merged`: first row of each range of merged cells, from 0."""

    path: Path
    name: str
    rows: Sequence[Sequence[Cell]]
    hidden: bool = False
    merged: tuple[int, ...] = ()

    def error(self, row: int, what: str, message: str, hint: str) -> DataError:
        """Says what is wrong in a row, counted from 0 here and from 1 in what is said."""
        sheet = f" {self.name}" if self.name else ""
        return DataError(message, field=f"{self.path}:{row + 1}{sheet} {what}".strip(), hint=hint)

    def header(self, columns: Mapping[Any, Sequence[str]], optional: Sequence[str]) -> tuple[int, dict[str, int]]:
        """(row of the header, place of each column): the first row that has all that are needed.

        Raises DataError, also when the sheet is hidden or cells below are merged: what they stand for nobody knows.
        """
        if self.hidden:
            raise DataError("is hidden", field=f"{self.path} {self.name}", hint="show this sheet, or delete it")
        needed = [name for name in columns if name not in optional]
        best: list[str] = []
        for number, row in enumerate(self.rows[:_MOST_ROWS_BEFORE_HEADER]):
            found = self._places(number, row, columns)
            if all(name in found for name in needed):
                self.refuse_merged(number + 1)
                return number, found
            best = max(best, list(found), key=len)
        missing = next(name for name in needed if name not in best)
        spelt = " or ".join(repr(word) for word in columns[missing])
        raise self.error(
            0, missing, f"no header says {spelt}", "give a format whose `columns` have the file's own headers"
        )

    def refuse_merged(self, first: int) -> None:
        """Raises DataError when cells are merged in row `first` or below it."""
        for row in self.merged:
            if row >= first:
                raise self.error(row, "", "has merged cells", "unmerge them, and fill each one")

    def refuse_unit(self, row: int, what: str, unit: Cell) -> None:
        """Raises DataError when `unit` is one that amounts would have to be converted from."""
        if plain(unit) in _OTHER_UNITS:
            raise self.error(row, what, f"is in {unit}", "energies are kWh and money is euros: convert the column")

    def _places(self, number: int, row: Sequence[Cell], columns: Mapping[Any, Sequence[str]]) -> dict[str, int]:
        headers = [{plain(cell), plain(_UNIT.sub(" ", str(cell or "")))} for cell in row]
        found = {}
        for name, words in columns.items():
            wanted = {plain(word) for word in words}
            places = [place for place, spellings in enumerate(headers) if spellings & wanted]
            if len(places) > 1:
                raise self.error(number, name, f"two columns are headed {row[places[0]]!r}", "keep one of them")
            if places:
                self.refuse_unit(number, name, " ".join(_UNIT.findall(str(row[places[0]] or ""))))
                found[name] = places[0]
        return found


def plain(cell: Cell) -> str:
    """A text without case, accents and punctuation."""
    letters = unicodedata.normalize("NFKD", str(cell or "").casefold())
    kept = "".join(letter if letter.isalnum() else " " for letter in letters if not unicodedata.combining(letter))
    return " ".join(kept.split())


def read_sheets(path: Path) -> dict[str, Sheet]:
    """The sheets of a workbook by name, or a CSV as the one sheet "". Raises DataError."""
    if path.suffix.lower() in _WORKBOOKS:
        return _workbook(path)
    return {"": Sheet(path, "", _csv_rows(path))}


def _workbook(path: Path) -> dict[str, Sheet]:
    from python_calamine import CalamineError, CalamineWorkbook, SheetVisibleEnum

    try:
        check_package(path)
        with CalamineWorkbook.from_path(str(path)) as book:
            hidden = {each.name for each in book.sheets_metadata if each.visible is not SheetVisibleEnum.Visible}
            return {name: _sheet(path, book.get_sheet_by_name(name), name in hidden) for name in book.sheet_names}
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", field=str(path), hint="check the path") from error
    except CalamineError as error:
        raise DataError(f"is no workbook: {error}", field=str(path), hint="save it as .xlsx again") from error


def _sheet(path: Path, found: Any, hidden: bool) -> Sheet:
    rows = found.to_python(skip_empty_area=False)
    return Sheet(
        path,
        found.name,
        rows,
        hidden and any(map(any, rows)),
        tuple(first[0] for first, _ in found.merged_cell_ranges or ()),
    )


def _csv_rows(path: Path) -> list[list[str]]:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", field=str(path), hint="check the path") from error
    try:
        lines = _LINE_END.split(text.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DataError("is not UTF-8 text", field=str(path), hint="save it as CSV in UTF-8") from error
    first = next((line for line in lines if line.strip()), "")
    delimiter = max(";,\t", key=first.count)
    try:
        return list(csv.reader(lines, delimiter=delimiter))
    except csv.Error as error:
        raise DataError(f"is no CSV: {error}", field=str(path), hint="check separators and quotes") from error
