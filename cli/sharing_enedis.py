"""Coefficients by pair as files for Enedis: one for each producer, a row for each step, a column for each consumer.

As an open-source tool of French communities writes them (read 2026-11-28); Enedis's own description was not seen.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn
from zoneinfo import ZoneInfo

from energy.errors import DataError
from energy.sharing.ean import parse_ean
from energy.sharing.key import MILLIONTHS

__all__ = ["PairParts", "enedis_files", "pair_lines", "read_enedis", "read_points"]

PairParts = Mapping[tuple[str, str], Mapping[int, int]]
"""Millionths of a producer's injection by (producer, consumer) and start in ms UTC."""

_ZONE: Final = "Europe/Paris"
_HEAD: Final = "Horodate"
_PERCENT: Final = re.compile(r"\d{1,3}(?:[.,]\d{1,4})?", re.ASCII)
_PRM: Final = re.compile(r"\d{14}", re.ASCII)
_HUNDRED: Final = 10_000  # millionths in a percent


def pair_lines(parts: PairParts) -> str:
    """`start,producer,ean,coefficient`, by start, producer and consumer."""
    rows = sorted((start, *pair, part) for pair, own in parts.items() for start, part in own.items())
    return "start,producer,ean,coefficient\n" + "".join(
        f"{datetime.fromtimestamp(start / 1000, UTC):%Y-%m-%dT%H:%M:%SZ},{producer},{ean},{part // MILLIONTHS}.{part % MILLIONTHS:06d}\n"
        for start, producer, ean, part in rows
    )


def enedis_files(parts: PairParts, prm_of: Mapping[str, str]) -> dict[str, str]:
    """Text by name of file: percent with a decimal comma, steps in French local time; 0 for a pair that is not there."""
    files = {}
    for producer in sorted({producer for producer, _ in parts}):
        consumers = sorted(ean for own, ean in parts if own == producer)
        text = io.StringIO()
        writer = csv.writer(text, delimiter=";")
        writer.writerow([_HEAD, *(prm_of.get(ean, ean) for ean in consumers)])
        for start in sorted({start for ean in consumers for start in parts[producer, ean]}):
            local = datetime.fromtimestamp(start / 1000, ZoneInfo(_ZONE))
            own = (parts[producer, ean].get(start, 0) for ean in consumers)
            writer.writerow([f"{local:%d/%m/%Y %H:%M}", *(_percent(part) for part in own)])
        files[f"{prm_of.get(producer, producer)}.csv"] = text.getvalue()
    return files


def _percent(part: int) -> str:
    whole, rest = divmod(part, _HUNDRED)
    return f"{whole},{rest:04d}".rstrip("0").rstrip(",")


def read_enedis(folder: Path, ean_of: Mapping[str, str]) -> dict[tuple[str, str], dict[int, int]]:
    """All files of the folder; `ean_of`: by PRM. Raises DataError naming file, line and column."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".csv")
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", field=str(folder), hint="give the folder") from None
    if not paths:
        raise DataError("has no CSV files", field=str(folder), hint="one for each producer, called <PRM>.csv")
    found: dict[tuple[str, str], dict[int, int]] = {}
    for path in paths:
        producer = _ean(path, 1, "file name", path.stem, ean_of)
        if any(own == producer for own, _ in found):
            _fail(path, 1, "file name", f"{producer} has two files", "keep one of them")
        found |= {(producer, ean): parts for ean, parts in _file(path, producer, ean_of).items()}
    return found


def _file(path: Path, producer: str, ean_of: Mapping[str, str]) -> dict[str, dict[int, int]]:
    """Millionths by consumer and start."""
    from cli.imports.cells import LocalTimes, instant_of

    rows = _rows(path)
    _, header = next(rows, (1, []))
    if not header or header[0].strip() != _HEAD or len(header) == 1:
        _fail(path, 1, "header", f"does not begin with {_HEAD} and a consumer", "separate the columns by semicolons")
    consumers = [_ean(path, 1, f"column {place}", cell.strip(), ean_of) for place, cell in enumerate(header[1:], 2)]
    for place, ean in enumerate(consumers, 2):
        if ean == producer or ean in consumers[: place - 2]:
            told = "is the producer itself" if ean == producer else "stands twice"
            _fail(path, 1, f"column {place}", f"{ean} {told}", "remove the column")
    found: dict[str, dict[int, int]] = {ean: {} for ean in consumers}
    times = LocalTimes(_ZONE)
    for line, row in rows:
        if len(row) != len(header):
            _fail(path, line, "row", f"has {len(row)} cells, the header has {len(header)}", "check the semicolons")
        try:
            start = times.start(instant_of(row[0]), line)
        except ValueError as error:
            _fail(path, line, _HEAD, str(error), "write it as 01/06/2026 00:15")
        parts = [_part(path, line, ean, cell.strip()) for ean, cell in zip(consumers, row[1:], strict=True)]
        if sum(parts) > MILLIONTHS:
            _fail(path, line, "row", f"adds up to {sum(parts) / _HUNDRED:.4f} %", "it may not exceed 100")
        if start in found[consumers[0]]:
            _fail(path, line, _HEAD, f"{row[0]} stands there twice", "keep one of the two rows")
        for ean, part in zip(consumers, parts, strict=True):
            found[ean][start] = part
    for moment, line in times.unclear.items():
        told = f"{moment.isoformat()} is twice on this day and stands there once"
        _fail(path, line, _HEAD, told, "give both hours in their order")
    if not found[consumers[0]]:
        _fail(path, 1, "row", "has no rows", "give one for each step")
    return found


def _part(path: Path, line: int, column: str, cell: str) -> int:
    if not _PERCENT.fullmatch(cell):
        _fail(path, line, column, f"{cell!r} is no percentage", "from 0 to 100, up to four decimals: 12,5")
    whole, _, decimals = cell.replace(",", ".").partition(".")
    return int(whole) * _HUNDRED + int(decimals.ljust(4, "0"))


def _ean(path: Path, line: int, column: str, text: str, ean_of: Mapping[str, str]) -> str:
    if text in ean_of:
        return ean_of[text]
    try:
        return parse_ean(text)
    except ValueError as error:
        hint = "list the PRM with its EAN in --points" if _PRM.fullmatch(text) else "name points by PRM or EAN"
        _fail(path, line, column, str(error), hint)


def read_points(path: Path) -> dict[str, str]:
    """EANs by PRM from a CSV `prm,ean`. Raises DataError naming file, line and column."""
    found: dict[str, str] = {}
    rows = _rows(path, ",")
    if [cell.strip() for cell in next(rows, (1, []))[1]] != ["prm", "ean"]:
        _fail(path, 1, "header", "is not prm,ean", "begin with these columns")
    for line, row in rows:
        if len(row) != 2:
            _fail(path, line, "row", f"has {len(row)} cells, not 2", "write prm,ean")
        prm, text = (cell.strip() for cell in row)
        if not _PRM.fullmatch(prm):
            _fail(path, line, "prm", f"{prm!r} is no PRM", "a PRM has 14 digits")
        ean = _ean(path, line, "ean", text, {})
        if prm in found or ean in found.values():
            _fail(path, line, "row", f"{prm} or {ean} stands there twice", "keep one of the two rows")
        found[prm] = ean
    return found


def _rows(path: Path, delimiter: str = ";") -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of each row that is not empty."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", field=str(path), hint="give a CSV file in UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        _fail(path, reader.line_num, "row", f"is no CSV: {error}", "check separators and quotes")


def _fail(path: Path, line: int, column: str, told: str, hint: str) -> NoReturn:
    raise DataError(told, field=f"{path}:{line} {column}", hint=hint)
