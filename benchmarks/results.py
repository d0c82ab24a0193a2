"""What each part found, kept as JSON in `benchmarks/results/`: the document is composed of it, one part renewed at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks.acting import ActingTable
from benchmarks.demo import DemoTable
from benchmarks.edge_life import LifeTable
from benchmarks.measure import Facts, Table

__all__ = ["AnyTable", "Found", "keep", "kept"]

AnyTable = Table | Facts | DemoTable | LifeTable | ActingTable
_FOLDER: Final = Path(__file__).parent / "results"
_KINDS: Final[dict[str, type[AnyTable]]] = {
    kind.__name__: kind for kind in (Table, Facts, DemoTable, LifeTable, ActingTable)
}


@dataclass(frozen=True, slots=True)
class Found:
    """The tables of one part, and `when`: on which machine, how busy, with which versions."""

    tables: Sequence[AnyTable]
    when: str
    runs: int


def keep(part: str, found: Found) -> None:
    """Replaces what the part found before."""
    _FOLDER.mkdir(exist_ok=True)
    tables = [{"kind": type(table).__name__, "table": table} for table in found.tables]
    text = msgspec.json.format(
        msgspec.json.encode({"when": found.when, "runs": found.runs, "tables": tables}), indent=1
    )
    (_FOLDER / f"{part}.json").write_bytes(text + b"\n")


def kept(part: str) -> Found | None:
    """What the part found last; None before its first run."""
    path = _FOLDER / f"{part}.json"
    if not path.exists():
        return None
    told: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    tables = [msgspec.convert(each["table"], _KINDS[each["kind"]]) for each in told["tables"]]
    return Found(tables, told["when"], told["runs"])
