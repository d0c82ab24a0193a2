"""Small CSV files, cell by cell: every error names file, line and column, what is wrong and what to do."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NoReturn

from energy.errors import DataError

__all__ = ["Cells", "open_cells"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_INSTANT: Final = "write it as 2026-03-01T00:15:00+01:00 or Z"


class Cells:
    """An open file: its header, and (line, cells by column) when iterated. All of it raises DataError."""

    def __init__(self, path: Path, rows: Iterator[list[str]], columns: Sequence[str], optional: Sequence[str]) -> None:
        self.path = path
        self._rows = rows
        self._instants: dict[str, int] = {}
        self.header = [name.strip() for name in next(rows, [])]
        for name in columns:
            if name not in self.header:
                self.fail(1, name, "column is missing", f"the header is {','.join(columns)} and optional columns")
        for name in self.header:
            if name not in (*columns, *optional) or self.header.count(name) > 1:
                known = f"the columns are {', '.join((*columns, *optional))}"
                self.fail(1, name, "is no known column or there twice", known)

    def __iter__(self) -> Iterator[tuple[int, dict[str, str]]]:
        for line, row in enumerate(self._rows, 2):
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(self.header):
                self.fail(line, "", f"has {len(row)} cells, the header {len(self.header)}", "check commas and quotes")
            yield line, dict(zip(self.header, row, strict=True))

    def instant(self, line: int, column: str, text: str) -> int:
        """Ms UTC."""
        if text not in self._instants:
            try:
                instant = datetime.fromisoformat(text.strip())
            except ValueError:
                self.fail(line, column, f"is no instant: {text!r}", _INSTANT)
            if instant.tzinfo is None:
                self.fail(line, column, f"has no offset: {text!r}", _INSTANT)
            self._instants[text] = (instant - _EPOCH) // _MILLISECOND
        return self._instants[text]

    def number(self, line: int, column: str, text: str, hint: str) -> float:
        """Any number; its bounds are the caller's."""
        if not _NUMBER.fullmatch(text.strip()):
            self.fail(line, column, f"is no number: {text!r}", hint)
        return float(text)

    def fail(self, line: int, column: str, message: str, hint: str) -> NoReturn:
        """Raises the error about that cell, or about the line where `column` is empty."""
        raise DataError(message, field=f"{self.path}:{line} {column}".rstrip(), hint=hint)


@contextmanager
def open_cells(path: Path, columns: Sequence[str], optional: Sequence[str], absent: str) -> Iterator[Cells]:
    """`absent`: the hint when the file cannot be read. Raises DataError, also while the rows are read."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield Cells(path, csv.reader(file), columns, optional)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", field=str(path), hint=absent) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"is no CSV text in UTF-8: {error}", field=str(path), hint="save it as UTF-8 CSV") from error
