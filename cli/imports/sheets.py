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

from energy.errors import DataError

__all__ = ["Cell", "Sheet", "plain", "read_sheets"]

Cell = str | float | int | bool | datetime | date | time | timedelta | None
_WORKBOOKS: Final = frozenset({".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"})
_MOST_ROWS_BEFORE_HEADER: Final = 20
_UNIT: Final = re.compile(r"[(\[].*?[)\]]")


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table. `name` is empty for a CSV."""

    path: Path
    name: str
    rows: Sequence[Sequence[Cell]]

    def error(self, row: int, what: str, message: str, hint: str) -> DataError:
        """Says what is wrong in a row, counted from 0 here and from 1 in what is said."""
        sheet = f" {self.name}" if self.name else ""
        return DataError(message, field=f"{self.path}:{row + 1}{sheet} {what}".strip(), hint=hint)

    def header(self, columns: Mapping[Any, Sequence[str]], optional: Sequence[str]) -> tuple[int, dict[str, int]]:
        """(row of the header, place of each column): the first row that has all that are needed. Raises DataError."""
        needed = [name for name in columns if name not in optional]
        best: list[str] = []
        for number, row in enumerate(self.rows[:_MOST_ROWS_BEFORE_HEADER]):
            found = self._places(number, row, columns)
            if all(name in found for name in needed):
                return number, found
            best = max(best, list(found), key=len)
        missing = next(name for name in needed if name not in best)
        spelt = " or ".join(repr(word) for word in columns[missing])
        raise self.error(
            0, missing, f"no header says {spelt}", "give a format whose `columns` have the file's own headers"
        )

    def _places(self, number: int, row: Sequence[Cell], columns: Mapping[Any, Sequence[str]]) -> dict[str, int]:
        headers = [{plain(cell), plain(_UNIT.sub(" ", str(cell or "")))} for cell in row]
        found = {}
        for name, words in columns.items():
            wanted = {plain(word) for word in words}
            places = [place for place, spellings in enumerate(headers) if spellings & wanted]
            if len(places) > 1:
                raise self.error(number, name, f"two columns are headed {row[places[0]]!r}", "keep one of them")
            if places:
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
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        book = CalamineWorkbook.from_path(str(path))
        return {
            name: Sheet(path, name, book.get_sheet_by_name(name).to_python(skip_empty_area=False))
            for name in book.sheet_names
        }
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", field=str(path), hint="check the path") from error
    except CalamineError as error:
        raise DataError(f"is no workbook: {error}", field=str(path), hint="save it as .xlsx again") from error


def _csv_rows(path: Path) -> list[list[str]]:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", field=str(path), hint="check the path") from error
    try:
        lines = text.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError("is not UTF-8 text", field=str(path), hint="save it as CSV in UTF-8") from error
    first = next((line for line in lines if line.strip()), "")
    delimiter = max(";,\t", key=first.count)
    try:
        return list(csv.reader(lines, delimiter=delimiter))
    except csv.Error as error:
        raise DataError(f"is no CSV: {error}", field=str(path), hint="check separators and quotes") from error
