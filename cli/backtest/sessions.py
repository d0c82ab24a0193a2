"""The sessions file of `backtest`: one row per car that was plugged in, checked cell by cell, every error with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runtime.cells import Cells, open_cells

__all__ = ["Session", "read_sessions"]

_COLUMNS: Final = ("site", "arrival", "departure", "energy_kwh")
_OPTIONAL: Final = ("declared_departure", "max_kw")


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
    with open_cells(path, _COLUMNS, _OPTIONAL, "sites with `charging` need their sessions there") as cells:
        reader = _Reader(cells, first_ms, end_ms, charger_kw)
        sessions = list(reader.sessions())
    return tuple(sorted(sessions, key=lambda each: (each.arrival_ms, each.departure_ms)))


class _Reader:
    def __init__(self, cells: Cells, first_ms: int, end_ms: int, charger_kw: Mapping[str, float]) -> None:
        self._cells = cells
        self._first_ms = first_ms
        self._end_ms = end_ms
        self._charger_kw = charger_kw

    def sessions(self) -> Iterator[Session]:
        line_of: dict[tuple[str, ...], int] = {}
        for line, row in self._cells:
            first = line_of.setdefault(tuple(row.values()), line)
            if first != line:
                self._cells.fail(line, "", f"repeats line {first}", "keep one of the two rows")
            yield self._session(line, row)

    def _session(self, line: int, cells: dict[str, str]) -> Session:
        site = cells["site"].strip()
        if site not in self._charger_kw:
            known = ", ".join(sorted(self._charger_kw)) or "none"
            self._cells.fail(line, "site", f"{site!r} has no `charging` in case.yaml", f"those that have: {known}")
        arrival, departure = self._instant(line, "arrival", cells), self._instant(line, "departure", cells)
        if departure <= arrival:
            self._cells.fail(line, "departure", "is not after the arrival", "check both, and their offsets")
        if not self._first_ms <= arrival < self._end_ms:
            self._cells.fail(line, "arrival", "lies outside the steps of data.csv", "leave the session out")
        declared = self._instant(line, "declared_departure", cells) if cells.get("declared_departure") else None
        if declared is not None and declared <= arrival:
            self._cells.fail(
                line, "declared_departure", "is not after the arrival", "leave it empty when none was declared"
            )
        energy = self._number(line, "energy_kwh", cells["energy_kwh"], 1e4)
        most = self._number(line, "max_kw", cells["max_kw"], 1e3) if cells.get("max_kw") else None
        if most is not None:
            most = min(most, self._charger_kw[site])
        return Session(site, arrival, min(departure, self._end_ms), energy, declared, most)

    def _instant(self, line: int, name: str, cells: dict[str, str]) -> int:
        return self._cells.instant(line, name, cells[name])

    def _number(self, line: int, name: str, text: str, largest: float) -> float:
        value = self._cells.number(line, name, text, "give it as 12.5")
        if not 0 < value <= largest:
            self._cells.fail(line, name, f"must lie above 0 and up to {largest:g}, is {text}", "check the unit")
        return value
