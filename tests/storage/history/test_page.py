"""The page on the embedded store says what is so, and its examples run."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from energy.quantities import Quality, Role
from storage.history import DeviceTags, Row, SiteQuarter
from storage.history.sealer import Limits
from storage.history.segments import DAY_MS
from storage.history.sqlite import SqliteHistory

PAGE = (Path(__file__).parents[3] / "docs" / "embedded-store.md").read_text(encoding="utf-8")
T = 1_750_000_000_000 // DAY_MS * DAY_MS
JUNE = T - 14 * DAY_MS
PV = DeviceTags("ixelles", "hall", "hall/pv", Role.PV)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with a store in `data` that has something of everything."""
    monkeypatch.chdir(tmp_path)
    history = SqliteHistory(tmp_path / "data" / "history.db", limits=Limits(seal_rows=1, quarters_ms=0))
    history.write_quarters([], [SiteQuarter("ixelles", "hall", T, 1.5, 0.0, 0.0, None, None, 1.5, Quality.MEASURED)])
    history.write([Row(PV, T, {"power_w": 1.0})])
    while history.maintain(T + DAY_MS):
        pass
    history.write([Row(PV, T + 1000, {"power_w": 2.0}, ("soc_pct",))])
    history.close()
    return tmp_path


def examples(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def run(example: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", example], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_examples_in_python_read_the_log_and_a_packed_month(folder):
    log, months = (run(example, folder) for example in examples("python"))
    assert ast.literal_eval(log) == [{"device": 1, "t": T + 1000, "bad": "soc_pct", "power_w": 2.0}]
    site, month, rows = months.split(" ", 2)
    assert (site, int(month)) == ("hall", JUNE)
    [row] = ast.literal_eval(rows)
    assert (row["gap"], row["pv_wh"], row["charge_wh"]) == (T - JUNE, 1.5, None)


def test_the_example_in_sql_reads_the_sealed_days(folder):
    [example] = examples("sql")
    [(device, t, power_w)] = duckdb.sql(example).fetchall()
    assert (device, round(t.timestamp() * 1000), power_w) == (PV.device, T, 1)


def test_every_table_is_on_the_page(folder):
    history = SqliteHistory(folder / "data" / "history.db", read_only=True)
    with history._database.read() as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    history.close()
    named = set(re.findall(r"`(\w+)`", "".join(line for line in PAGE.splitlines() if line.startswith("| `"))))
    assert {name for name in tables if not name.startswith("sqlite_")} <= named
