"""docs/store-layout.md says what is written, and its examples run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from dashboards.dictionary import MEASUREMENTS
from energy.quantities import QUANTITIES, Kind, Quality

PAGE = (Path(__file__).parents[2] / "docs" / "store-layout.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```sql\n(.+?)\n```", PAGE, re.DOTALL)


def _table(heading: str) -> list[list[str]]:
    """The rows of the first table after `heading`."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def _names(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


def test_measurements_tags_and_fields_are_those_that_are_written():
    told = {}
    for name, _, tags, fields in _table("Measurements"):
        more = set(QUANTITIES) if "the quantities below" in fields else set()
        told |= {each: (_names(tags), _names(fields) | more) for each in _names(name)}
    assert told == {name: (set(m.tags), set(m.fields)) for name, m in MEASUREMENTS.items()}


def test_quantities_and_their_units_are_those_that_are_written():
    told = [(name.strip("`"), unit, kind) for name, unit, kind in _table("Quantities of a reading")]
    assert told == [(q.name, q.unit, q.kind.value) for q in QUANTITIES.values()]
    assert [q.name for q in QUANTITIES.values() if q.kind is Kind.TEXT] == ["state"]
    assert _names(re.search(r"- `quality` is (.+)", PAGE)[0]) == {"quality", *Quality}


@pytest.mark.influxdb
@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_finds_something(influx: Any, example: str):
    found = influx.query(example)
    assert any(value is not None for one in found for row in one["values"] for value in row[1:])


def test_there_are_examples():
    assert len(EXAMPLES) >= 5
