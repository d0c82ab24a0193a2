"""Files of the first layout (a table row a reading) are brought to today's, whatever interrupts it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from energy.errors import StoreError
from energy.quantities import Quality, Role
from storage.history import DeviceQuarter, DeviceTags, Row, moving
from storage.history.segments import DAY_MS
from storage.history.sqlite import SqliteHistory

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
    with pytest.raises(StoreError, match="has no schema version 3 yet"):
        reader.check()
    SqliteHistory(path).close()
    assert_all_is_there(reader)
    reader.close()


@pytest.mark.parametrize("days", [0, 1, 2])
def test_a_move_that_was_interrupted_goes_on_at_the_next_start(path, monkeypatch, days):
    done = 0
    real = moving.keep_last

    def interrupted(*args):
        nonlocal done
        done += 1
        if done > days:
            raise StoreError("the disk went away")
        real(*args)

    monkeypatch.setattr(moving, "keep_last", interrupted)
    with pytest.raises(StoreError, match="went away"):
        SqliteHistory(path)
    reader = SqliteHistory(path, read_only=True)
    with pytest.raises(StoreError, match="being moved") as caught:
        reader.check()
    assert "brings the file up to date" in caught.value.hint
    monkeypatch.undo()
    history = SqliteHistory(path)
    assert_all_is_there(history)
    assert_all_is_there(reader)
    reader.close()
    history.close()
