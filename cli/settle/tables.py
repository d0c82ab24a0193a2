"""The rows of a readings file in batches, CSV or Parquet: distinct texts with the code of each row, and their lines.

A CSV whose quotes only enclose whole cells, without empty lines, is read by Arrow, in which row n is line n + 2. Whatever
Arrow does not take is read again row by row, which is ten times as slow and knows the line of everything.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cli.settle import arrow
from cli.settle.cells import LARGEST_WH
from energy.errors import DataError

__all__ = ["COLUMNS", "Batch", "Cells", "Ints", "Numbers", "careful_csv", "fail", "is_parquet", "parquet", "plain_csv"]

COLUMNS: Final = ("ean", "start", "withdrawal_kwh", "injection_kwh")
_ENERGIES: Final = ("withdrawal_kwh", "injection_kwh")

Ints = npt.NDArray[Any]
_BATCH_ROWS: Final = 1 << 18
_CSV_BLOCK: Final = 1 << 22  # bytes
_BEFORE_CELL, _AFTER_CELL = (np.frombuffer(marks, np.uint8) for marks in (b",\n", b",\r\n"))
_CAREFUL_ROWS: Final = 1 << 16
_NO_ROWS: Final = "give one row per metering point and quarter-hour"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_EXACT_BELOW: Final = {"double": LARGEST_WH, "float": 10**6}  # Wh that this type tells apart from their neighbours


@dataclass(frozen=True, slots=True)
class Cells:
    """Distinct texts of some rows of a column, and the code of each of these rows; `rows` None: all rows."""

    texts: list[str]
    codes: Ints
    rows: Ints | None = None


@dataclass(frozen=True, slots=True)
class Numbers:
    """Energies that were numbers: whole Wh where they are exactly that, the others as text."""

    wh: npt.NDArray[np.int64]
    known: npt.NDArray[np.bool_]
    others: Cells | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows, with the line of each."""

    path: Path
    lines: Ints
    columns: Mapping[str, Cells | Numbers]

    def cells(self, column: str) -> Cells:
        """A column that is text in every file."""
        cells = self.columns[column]
        assert isinstance(cells, Cells)
        return cells


def fail(path: Path, line: int, column: str, message: str, hint: str) -> NoReturn:
    """Raises the DataError of that place."""
    raise DataError(message, field=f"{path}:{line} {column}", hint=hint)


def is_parquet(path: Path) -> bool:
    """Whether the file begins as Parquet does; False when it cannot be read: the reader of CSV says why."""
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PAR1"
    except OSError:
        return False


def plain_csv(path: Path) -> Iterator[Batch]:
    """Batches of a CSV. Raises pyarrow.ArrowInvalid or OSError for what only `careful_csv` can read or refuse."""
    from pyarrow import csv as arrow_csv  # half of what importing Arrow costs

    text = pa.dictionary(pa.int32(), pa.string())
    _check_quotes(path)
    # a file of Arrow's own: it reads ahead in a thread that must need nothing of Python, which may be about to end
    with pa.OSFile(str(path)) as file:
        reader = arrow_csv.open_csv(
            file,
            read_options=arrow_csv.ReadOptions(block_size=_CSV_BLOCK),
            parse_options=arrow_csv.ParseOptions(ignore_empty_lines=False),
            convert_options=arrow_csv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, text)),
        )
        if sorted(reader.schema.names) != sorted(COLUMNS):
            raise pa.ArrowInvalid("other columns")
        line = 2
        for batch in reader:
            number = batch.num_rows
            columns = {name: _coded(batch.column(name)) for name in COLUMNS}
            if number:
                yield Batch(path, np.arange(line, line + number, dtype=np.int32), columns)
            line += number
    if line == 2:
        raise pa.ArrowInvalid("no rows")


def _check_quotes(path: Path) -> None:
    """Quotes open or close whole cells; others Arrow takes for what they may not be. Raises pyarrow.ArrowInvalid, OSError."""
    line = b""  # so far, of what was read last
    with path.open("rb", buffering=0) as file:
        while block := file.read(_CSV_BLOCK):
            lines, end, line = (line + block).rpartition(b"\n")
            if b'"' in lines and not _plainly_quoted(lines + end):
                raise pa.ArrowInvalid("quotes within cells")
    if b'"' in line and not _plainly_quoted(line):
        raise pa.ArrowInvalid("quotes within cells")


def _plainly_quoted(lines: bytes) -> bool:
    text = np.frombuffer(b"\n%b\n" % lines, np.uint8)
    quotes, ends = (np.flatnonzero(text == mark) for mark in b'"\n')
    opening, closing = text[quotes[::2] - 1], text[quotes[1::2] + 1]
    if opening.size != closing.size or (np.searchsorted(quotes, ends) % 2).any():
        return False
    return bool(np.isin(opening, _BEFORE_CELL).all() and np.isin(closing, _AFTER_CELL).all())


def careful_csv(path: Path) -> Iterator[Batch]:
    """Batches of a CSV, row by row; empty lines are passed over. Raises DataError naming file, line and column."""
    header: list[str] | None = None
    for lines, rows in _rows(path):
        if header is None:
            header = [name.strip() for name in rows.pop(0)] if rows else []
            del lines[:1]
            _check_header(path, header)
        for line, row in zip(lines, rows, strict=True):
            if len(row) != len(header):
                fail(
                    path, line, "row", f"has {len(row)} cells, the header has {len(header)}", "check commas and quotes"
                )
        if rows:
            columns = dict(zip(header, zip(*rows, strict=True), strict=True))
            yield Batch(path, np.array(lines), {name: _coded_texts(cells) for name, cells in columns.items()})


def _rows(path: Path) -> Iterator[tuple[list[int], list[list[str]]]]:
    """(line of each row, rows), in blocks of which the first begins with the header."""
    lines: list[int] = []
    rows: list[list[str]] = []
    total = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            for row in reader:
                if not row and total:
                    continue
                rows.append(row)
                lines.append(reader.line_num)
                total += 1
                if len(rows) >= _CAREFUL_ROWS:
                    yield lines, rows
                    lines, rows = [], []
    except OSError as error:
        raise DataError(
            f"cannot be read: {error.strerror}", field=str(path), hint="check the path and its rights"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError("is not UTF-8 text", field=str(path), hint="save the file as CSV in UTF-8") from error
    except csv.Error as error:
        line = lines[-1] + 1 if lines else 1
        raise DataError(f"is no CSV: {error}", field=f"{path}:{line}", hint="check commas and quotes") from error
    yield lines, rows
    if total == 1:
        raise DataError("has no rows", field=str(path), hint=_NO_ROWS)


def _check_header(path: Path, header: Sequence[str]) -> None:
    expected = f"the columns are {','.join(COLUMNS)}, separated by commas"
    for mark, called in (";", "semicolons"), ("\t", "tabs"):
        if len(header) == 1 and mark in header[0]:
            hint = (
                f"`commonwatt import {path} --format generic --out readings.csv` makes commas and decimal points of it"
            )
            fail(path, 1, "header", f"cells are separated by {called}, not by commas", hint)
    for name in header:
        if name not in COLUMNS:
            fail(path, 1, name or "header", "unknown column", expected)
        if list(header).count(name) > 1:
            fail(path, 1, name, "column is given twice", expected)
    for name in COLUMNS:
        if name not in header:
            fail(path, 1, name, "column is missing", expected)


def _coded_texts(cells: Sequence[str]) -> Cells:
    code_of = {cell: code for code, cell in enumerate(dict.fromkeys(cells))}
    codes = np.fromiter(map(code_of.__getitem__, cells), dtype=np.int32, count=len(cells))
    return Cells([text.strip() for text in code_of], codes)


def parquet(path: Path, *, whole_wh: bool) -> Iterator[Batch]:
    """Batches of a Parquet file; a row's number, counted from 1, stands for its line. Raises DataError.

    `whole_wh`: energies that are exactly whole Wh need not become text.
    """
    from pyarrow import parquet as pq  # a CSV needs none of it

    try:
        file = pq.ParquetFile(path, memory_map=True)
        _check_header(path, file.schema_arrow.names)
        if not file.metadata.num_rows:
            raise DataError("has no rows", field=str(path), hint=_NO_ROWS)
        line = 1
        for batch in file.iter_batches(_BATCH_ROWS, columns=list(COLUMNS)):
            columns = {name: _column(batch.column(name), whole_wh=whole_wh and name in _ENERGIES) for name in COLUMNS}
            yield Batch(path, np.arange(line, line + batch.num_rows, dtype=np.int32), columns)
            line += batch.num_rows
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"is no readable Parquet: {str(error).splitlines()[0]}",
            field=str(path),
            hint="write it again, with the columns as text, numbers and timestamps with a time zone",
        ) from error


def _column(cells: pa.Array, *, whole_wh: bool) -> Cells | Numbers:
    if not whole_wh or not pa.types.is_floating(cells.type) or str(cells.type) not in _EXACT_BELOW:
        return _coded(cells)
    known, kwh = arrow.valid(cells), arrow.values(cells)
    with np.errstate(all="ignore"):
        wh = np.rint(kwh.astype(np.float64) * 1000)
        exact = ((wh / 1000).astype(kwh.dtype) == kwh) & (wh >= 0) & (wh <= _EXACT_BELOW[str(cells.type)])
    whole = np.where(exact & known, wh, 0).astype(np.int64)
    others = np.flatnonzero(known & ~exact)
    if not others.size:
        return Numbers(whole, known, None)
    texts = _coded(cells.take(arrow.integers(others)))
    return Numbers(whole, known, Cells(texts.texts, texts.codes, others))


def _coded(cells: pa.Array) -> Cells:
    """The distinct texts that a CSV would have; those that no row has are left out."""
    if not pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_encode()
    texts = [*_texts_of(cells.dictionary), ""]
    codes = arrow.values(cells.indices)
    if cells.indices.null_count:
        codes = np.where(arrow.valid(cells.indices), codes, len(texts) - 1)
    used = np.bincount(codes, minlength=len(texts)) > 0
    if not used.all():
        codes = (np.cumsum(used, dtype=np.int32) - 1)[codes]
        texts = [text for text, kept in zip(texts, used.tolist(), strict=True) if kept]
    return Cells(texts, codes)


def _texts_of(values: pa.Array) -> list[str]:
    """Instants in ISO 8601, numbers in their shortest exact decimals, null as empty."""
    if pa.types.is_timestamp(values.type):
        return _instants(values)
    if not pa.types.is_string(values.type):
        values = values.cast(pa.string())
    return [(text or "").strip() for text in values.to_pylist()]


def _instants(values: pa.Array) -> list[str]:
    """Timestamps as texts; without an offset where the column has no time zone."""
    per_microsecond = Fraction(_PER_SECOND[values.type.unit], 10**6)
    zone = None if values.type.tz is None else pa.lib.string_to_tzinfo(values.type.tz)
    texts = []
    for number in arrow.values(values).tolist():
        microseconds = number / per_microsecond
        if microseconds.denominator != 1:
            raise pa.ArrowInvalid(f"an instant of {number} ns is finer than a microsecond")
        try:
            moment = _EPOCH + timedelta(microseconds=int(microseconds))
        except OverflowError:
            raise pa.ArrowInvalid(f"an instant of {number} {values.type.unit} is out of range") from None
        texts.append((moment.replace(tzinfo=None) if zone is None else moment.astimezone(zone)).isoformat())
    return texts
