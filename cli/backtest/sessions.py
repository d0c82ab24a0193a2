"""The sessions file of `backtest`: one row per car that was plugged in, checked cell by cell, every error with its line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NoReturn

from energy.errors import DataError

__all__ = ["Session", "read_sessions"]

_COLUMNS: Final = ("site", "arrival", "departure", "energy_kwh")
_OPTIONAL: Final = ("declared_departure", "max_kw")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Session:
    """A car from arrival to departure, in ms UTC. `declared_ms`: when it said it would leave; None when it did not."""

    site: str
    arrival_ms: int
    departure_ms: int
    energy_kwh: float
    declared_ms: int | None = None
    max_kw: float | None = None


def read_sessions(path: Path, first_ms: int, end_ms: int, charger_kw: Mapping[str, float]) -> tuple[Session, ...]:
    """The sessions by arrival, those that outlast the data cut at their end.

    `charger_kw`: sites that have chargers, and what one gives at most. Raises DataError naming file, line and column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = _Reader(path, csv.reader(file), first_ms, end_ms, charger_kw)
            return tuple(sorted(rows.sessions(), key=lambda each: (each.arrival_ms, each.departure_ms)))
    except OSError as error:
        hint = "sites with `charging` need their sessions there"
        raise DataError(f"cannot be read: {error.strerror}", field=str(path), hint=hint) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"is no CSV text in UTF-8: {error}", field=str(path), hint="save it as UTF-8 CSV") from error


class _Reader:
    def __init__(
        self, path: Path, rows: Iterator[list[str]], first_ms: int, end_ms: int, charger_kw: Mapping[str, float]
    ) -> None:
        self._path = path
        self._rows = rows
        self._first_ms = first_ms
        self._end_ms = end_ms
        self._charger_kw = charger_kw

    def sessions(self) -> Iterator[Session]:
        header = self._header()
        for line, row in enumerate(self._rows, 2):
            if not row:
                continue
            if len(row) != len(header):
                self._fail(line, "", f"has {len(row)} cells, the header {len(header)}", "check commas and quotes")
            yield self._session(line, dict(zip(header, row, strict=True)))

    def _header(self) -> list[str]:
        header = next(self._rows, [])
        for name in _COLUMNS:
            if name not in header:
                self._fail(1, name, "column is missing", f"the header is {','.join(_COLUMNS)} and optional columns")
        for name in header:
            if name not in _COLUMNS + _OPTIONAL or header.count(name) > 1:
                self._fail(1, name, "is no known column or there twice", f"optional are {', '.join(_OPTIONAL)}")
        return header

    def _session(self, line: int, cells: dict[str, str]) -> Session:
        site = cells["site"].strip()
        if site not in self._charger_kw:
            known = ", ".join(sorted(self._charger_kw)) or "none"
            self._fail(line, "site", f"{site!r} has no `charging` in case.yaml", f"those that have: {known}")
        arrival, departure = self._instant(line, "arrival", cells), self._instant(line, "departure", cells)
        if departure <= arrival:
            self._fail(line, "departure", "is not after the arrival", "check both, and their offsets")
        if not self._first_ms <= arrival < self._end_ms:
            self._fail(line, "arrival", "lies outside the steps of data.csv", "leave the session out")
        declared = self._instant(line, "declared_departure", cells) if cells.get("declared_departure") else None
        if declared is not None and declared <= arrival:
            self._fail(line, "declared_departure", "is not after the arrival", "leave it empty when none was declared")
        energy = self._number(line, "energy_kwh", cells["energy_kwh"], 1e4)
        most = self._number(line, "max_kw", cells["max_kw"], 1e3) if cells.get("max_kw") else None
        if most is not None:
            most = min(most, self._charger_kw[site])
        return Session(site, arrival, min(departure, self._end_ms), energy, declared, most)

    def _instant(self, line: int, name: str, cells: dict[str, str]) -> int:
        text = cells[name]
        example = "write it as 2026-03-01T08:12:00+01:00 or Z"
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:
            self._fail(line, name, f"is no instant: {text!r}", example)
        if instant.tzinfo is None:
            self._fail(line, name, f"has no offset: {text!r}", example)
        return (instant - _EPOCH) // _MILLISECOND

    def _number(self, line: int, name: str, text: str, largest: float) -> float:
        try:
            value = float(text)
        except ValueError:
            self._fail(line, name, f"is no number: {text!r}", "give it as 12.5")
        if not 0 < value <= largest:
            self._fail(line, name, f"must lie above 0 and up to {largest:g}, is {text}", "check the unit")
        return value

    def _fail(self, line: int, column: str, message: str, hint: str) -> NoReturn:
        raise DataError(message, field=f"{self._path}:{line} {column}".rstrip(), hint=hint)
