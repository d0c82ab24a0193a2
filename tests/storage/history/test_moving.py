"""Files of the first layout (a table row a reading) are brought to today's, whatever interrupts it."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from energy.errors import StoreError
from energy.quantities import Quality, Role
from storage.history import DeviceQuarter, DeviceTags, Row, moving
from storage.history.segments import DAY_MS, SegmentFiles
from storage.history.sqlite import SqliteHistory
from storage.sqlite import locked

ROOT = Path(__file__).parents[3]
T = 1_750_000_000_000 // DAY_MS * DAY_MS
PV = DeviceTags("ixelles", "hall", "hall/pv", Role.PV)
GRID = DeviceTags("ixelles", "hall", "hall/grid", Role.GRID)
ROWS = {
    PV.device: [
        Row(PV, T + n * DAY_MS // 3, {"power_w": n + 0.1, "state": "mppt"}, bad=("soc_pct",)) for n in range(7)
    ],
    GRID.device: [Row(GRID, T + DAY_MS, {"energy_import_wh": 1234567.0})],
}

# Version 1 as commonwatt 0.1 wrote it; the columns of quantities that it had then.
VERSION_1 = """
CREATE TABLE device (id INTEGER PRIMARY KEY, community TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL UNIQUE, role TEXT);
CREATE TABLE device_quantity (device INTEGER NOT NULL, quantity TEXT NOT NULL, PRIMARY KEY (device, quantity)) WITHOUT ROWID;
CREATE TABLE reading (device INTEGER NOT NULL, t INTEGER NOT NULL, bad TEXT, power_w REAL, energy_import_wh REAL, soc_pct REAL,
 state TEXT, PRIMARY KEY (device, t)) WITHOUT ROWID;
CREATE TABLE device_quarter (device INTEGER NOT NULL, start INTEGER NOT NULL, import_wh REAL, export_wh REAL,
 quality TEXT NOT NULL, PRIMARY KEY (device, start)) WITHOUT ROWID;
CREATE TABLE site_quarter (site TEXT NOT NULL, start INTEGER NOT NULL, community TEXT NOT NULL, pv_wh REAL,
 import_wh REAL, export_wh REAL, charge_wh REAL, discharge_wh REAL, consumption_wh REAL,
 quality TEXT NOT NULL, PRIMARY KEY (site, start)) WITHOUT ROWID;
INSERT INTO device VALUES (1, 'ixelles', 'hall', 'hall/pv', 'pv'), (2, 'ixelles', 'hall', 'hall/grid', 'grid');
INSERT INTO device_quantity VALUES (1, 'power_w'), (1, 'state'), (2, 'energy_import_wh');
INSERT INTO device_quarter VALUES (1, 0, 1.5, NULL, 'estimated');
PRAGMA user_version = 1;
"""

# What version 3 had instead of today's tables, with a reading of each device that is sealed.
VERSION_3 = """
DROP TABLE last_note; DROP TABLE site_month; DROP TABLE device_month;
CREATE TABLE last (device INTEGER PRIMARY KEY, t INTEGER NOT NULL, bad TEXT NOT NULL, told TEXT NOT NULL);
INSERT INTO device VALUES (2, 'ixelles', 'hall', 'hall/grid', 'grid');
INSERT INTO last VALUES (1, 1, '[]', '{}'), (2, 1749945600009, '["soc_pct"]', '{"power_w": -1.5, "state": "on"}');
PRAGMA user_version = 3;
"""


@pytest.fixture
def path(tmp_path) -> Path:
    path = tmp_path / "history.db"
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_1)
    for rows in ROWS.values():
        for row in rows:
            number = 1 if row.tags == PV else 2
            names = ("power_w", "energy_import_wh", "soc_pct", "state")
            values = (number, row.t, ",".join(row.bad) or None, *map(row.values.get, names))
            connection.execute("INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    connection.commit()
    connection.close()
    return path


def assert_all_is_there(history: SqliteHistory) -> None:
    for device, rows in ROWS.items():
        assert history.readings(device, 0, T + 99 * DAY_MS) == rows
        assert history.last([device]) == {device: rows[-1]}
    assert history.quantities(PV.device) == ["power_w", "state"]
    assert history.device_quarters(PV.device, 0, 1) == [DeviceQuarter(PV, 0, 1.5, None, Quality.ESTIMATED)]


def test_a_file_of_version_1_is_moved_at_the_start_of_the_writer(path):
    history = SqliteHistory(path)
    assert_all_is_there(history)
    history.write([Row(PV, T, {"soc_pct": 5.0})])
    assert history.readings(PV.device, T, T + 1) == [Row(PV, T, {"power_w": 0.1, "state": "mppt", "soc_pct": 5.0})]
    history.close()
    assert len(list(path.with_suffix(".sealed").glob("*.parquet"))) == 3


def test_a_reader_waits_until_everything_is_moved(path):
    reader = SqliteHistory(path, read_only=True)
    with pytest.raises(StoreError, match="has no schema version"):
        reader.check()
    SqliteHistory(path).close()
    assert_all_is_there(reader)
    reader.close()


def content(path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return list(connection.iterdump())


@pytest.mark.parametrize("days", [0, 1, 2])
def test_a_move_that_fails_leaves_the_old_file_as_it_was_and_begins_anew_at_the_next_start(path, monkeypatch, days):
    old = content(path)
    done = 0
    real = moving.newest

    def interrupted(parts):
        nonlocal done
        done += 1
        if done > days:
            raise StoreError("the disk went away")
        return real(parts)

    monkeypatch.setattr(moving, "newest", interrupted)
    with pytest.raises(StoreError, match="went away"):
        SqliteHistory(path)
    assert content(path) == old
    reader = SqliteHistory(path, read_only=True)
    with pytest.raises(StoreError, match="has no schema version") as caught:
        reader.check()
    assert "brings the file up to date" in caught.value.hint
    monkeypatch.undo()
    history = SqliteHistory(path)
    assert_all_is_there(history)
    assert_all_is_there(reader)
    reader.close()
    history.close()
    assert sorted(file.name for file in path.parent.glob("history.db*")) == ["history.db", "history.db.lock"]


KILLED = """
import os, sys
from pathlib import Path
from storage.history import moving
from storage.history.sqlite import SqliteHistory
from storage.sqlite import locked

def die(*_):
    os._exit(9)

setattr(moving, sys.argv[2], die)
SqliteHistory(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("point", ["newest", "_put_in_place"])
def test_a_move_that_is_killed_leaves_the_old_file_as_it_was(path, point):
    old = content(path)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path), point], cwd=ROOT, check=False, timeout=60)
    assert killed.returncode == 9
    assert content(path) == old
    history = SqliteHistory(path)
    assert_all_is_there(history)
    history.close()


def test_a_day_that_does_not_read_back_as_it_was_written_stops_the_move(path, monkeypatch):
    old = content(path)
    real = SegmentFiles.devices

    def spoilt(*args):
        table = real(*args)
        return table.slice(0, table.num_rows - 1)

    monkeypatch.setattr(SegmentFiles, "devices", spoilt)
    with pytest.raises(StoreError, match="does not hold what was written; the old file stays"):
        SqliteHistory(path)
    assert content(path) == old


def test_nothing_is_moved_while_an_older_collector_writes(path):
    with locked(path, "history"), pytest.raises(StoreError, match="being written by another process"):
        SqliteHistory(path)


def test_the_last_readings_of_versions_2_and_3_are_kept(tmp_path):
    path = tmp_path / "history.db"
    history = SqliteHistory(path)
    history.write([Row(PV, T + 5, {"power_w": 3.0})])
    history.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(VERSION_3)
    history = SqliteHistory(path)
    assert history.last() == {
        PV.device: Row(PV, T + 5, {"power_w": 3.0}),
        GRID.device: Row(GRID, T + 9, {"power_w": -1.5, "state": "on"}, ("soc_pct",)),
    }
    history.close()
