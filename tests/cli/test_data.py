"""Backup, restore, export and move as commands."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
import yaml
from typer.testing import CliRunner

from cli.main import app
from cli.moving import Progress, move
from energy.errors import DataError, RefusedError, StoreError
from energy.quantities import Quality, Role
from energy.quarters import QUARTER_MS
from storage.history import DeviceQuarter, DeviceTags, Known, Period, Row, SiteQuarter, Total
from storage.history.influxdb import InfluxHistory
from storage.history.settings import EmbeddedSettings
from storage.history.sqlite import SqliteHistory
from tests.influxdb_server import InfluxServer, influxd

DAY_MS = 86_400_000
T = 1_750_000_000_000 // DAY_MS * DAY_MS  # 2025-06-15
PV = DeviceTags("ixelles", "hall", "hall/pv", Role.PV)
GRID = DeviceTags("ixelles", "hall", "hall/grid", Role.GRID)
SCHOOL = DeviceTags("ixelles", "school", "school/pv", Role.PV)


@pytest.fixture
def config(tmp_path) -> Path:
    return configured(tmp_path, "centre")


def configured(tmp_path: Path, name: str) -> Path:
    site = {"id": "hall", "name": "Hall", "gateway": "gw", "devices": [{"id": "pv", "role": "pv"}]}
    file = tmp_path / f"{name}.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                "communities": [{"id": "ixelles", "name": "Ixelles", "sites": [site]}],
                "store": {"kind": "embedded", "path": str(tmp_path / name / "history.db")},
                "register": {"path": str(tmp_path / name / "register.db")},
                "api": {"keys_file": str(tmp_path / name / "keys.json")},
            }
        )
    )
    return file


@pytest.fixture
def history(config, tmp_path):
    store = SqliteHistory(tmp_path / "centre" / "history.db")
    store.write(
        [Row(PV, T + 500, {"power_w": 230.1, "state": "on, off"}, bad=("soc_pct",)), Row(GRID, T, {"power_w": -7})]
    )
    store.write([Row(PV, T + 3 * DAY_MS, {"energy_export_wh": 1234567}), Row(SCHOOL, T, {"power_w": 1})])
    yield store
    store.close()


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def exported(config: Path, out: Path, *more: object) -> dict[str, object]:
    period = ("--from", "2025-06-15", "--to", "2025-06-19T00:00:00Z")
    return json.loads(run("export", "--config", config, *period, "--out", out, "--json", *more))


def test_export_writes_long_csv_while_the_store_is_written(history, config, tmp_path):
    facts = exported(config, tmp_path / "out.csv")
    assert (facts["devices"], facts["values"]) == (3, 6)
    rows = list(csv.reader((tmp_path / "out.csv").read_text().splitlines()))
    assert rows == [
        ["time", "community", "site", "device", "quantity", "unit", "value", "quality", "known"],
        ["2025-06-15T00:00:00.000Z", "ixelles", "hall", "hall/grid", "power_w", "W", "-7", "measured", "1"],
        ["2025-06-15T00:00:00.500Z", "ixelles", "hall", "hall/pv", "power_w", "W", "230.1", "measured", "1"],
        ["2025-06-15T00:00:00.500Z", "ixelles", "hall", "hall/pv", "soc_pct", "%", "", "missing", "0"],
        ["2025-06-15T00:00:00.500Z", "ixelles", "hall", "hall/pv", "state", "", "on, off", "measured", "1"],
        [
            "2025-06-18T00:00:00.000Z",
            "ixelles",
            "hall",
            "hall/pv",
            "energy_export_wh",
            "Wh",
            "1234567",
            "measured",
            "1",
        ],
        ["2025-06-15T00:00:00.000Z", "ixelles", "school", "school/pv", "power_w", "W", "1", "measured", "1"],
    ]


def test_export_of_quarter_hours_and_days_tells_energies_with_their_quality(history, config, tmp_path):
    quarters = [
        DeviceQuarter(PV, T, 0.0, 250.5, Quality.MEASURED, {"power_w": 1002.0, "state": "on"}),
        DeviceQuarter(PV, T + QUARTER_MS, None, 100.0, Quality.ESTIMATED),
    ]
    site = SiteQuarter("ixelles", "hall", T, 250.5, 10.0, 0.0, None, None, None, Quality.MISSING)
    history.write_quarters(quarters, [site])
    known = {"export_wh": Known(350.5, 2), "power_w": Known(1002.0, 1)}
    day = Total("ixelles", "hall", "hall/pv", T, T + DAY_MS, Quality.ESTIMATED, known, {"state": "on"})
    history.write_totals(Period.DAY, [day])

    exported(config, tmp_path / "quarters.csv", "--step", "15m", "--site", "hall")
    rows = list(csv.reader((tmp_path / "quarters.csv").read_text().splitlines()))[1:]
    assert [row[3:] for row in rows] == [
        ["", "pv_wh", "Wh", "250.5", "estimated", "1"],
        ["", "import_wh", "Wh", "10", "estimated", "1"],
        ["", "export_wh", "Wh", "0", "estimated", "1"],
        ["", "charge_wh", "Wh", "", "missing", "0"],
        ["", "discharge_wh", "Wh", "", "missing", "0"],
        ["", "consumption_wh", "Wh", "", "missing", "0"],
        ["hall/pv", "import_wh", "Wh", "0", "measured", "1"],
        ["hall/pv", "export_wh", "Wh", "250.5", "measured", "1"],
        ["hall/pv", "power_w", "W", "1002", "measured", "1"],
        ["hall/pv", "state", "", "on", "measured", "1"],
        ["hall/pv", "import_wh", "Wh", "", "missing", "0"],
        ["hall/pv", "export_wh", "Wh", "100", "estimated", "1"],
    ]
    exported(config, tmp_path / "days.csv", "--step", "1d", "--device", "hall/pv", "--quantity", "export_wh")
    assert (tmp_path / "days.csv").read_text().splitlines()[1:] == [
        "2025-06-15T00:00:00.000Z,ixelles,hall,hall/pv,export_wh,Wh,350.5,estimated,0.02083"
    ]


def test_export_writes_parquet_that_any_tool_reads(history, config, tmp_path):
    exported(config, tmp_path / "out.parquet", "--site", "hall", "--quantity", "power_w", "--quantity", "state")
    query = f"SELECT device, quantity, value, text FROM '{tmp_path}/out.parquet' ORDER BY ALL"
    assert duckdb.sql(query).fetchall() == [
        ("hall/grid", "power_w", -7.0, None),
        ("hall/pv", "power_w", 230.1, None),
        ("hall/pv", "state", None, "on, off"),
    ]


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        (("--device", "hall/boiler"), DataError, "--device.*hall/boiler"),
        (("--site", "barn"), DataError, "--site.*barn"),
        (("--quantity", "mood"), DataError, "--quantity.*mood"),
        (("--quantity", "pv_wh"), DataError, "--quantity.*pv_wh"),
        (("--step", "1h"), DataError, "(?s)--step.*1h.*raw, 15m"),
        (("--from", "yesterday"), DataError, "--from.*yesterday"),
        (("--to", "2025-06-15"), DataError, "--to.*empty"),
        (("--out", "out.xlsx"), RefusedError, "neither"),
    ],
)
def test_export_says_what_is_wrong_and_writes_nothing(history, config, tmp_path, monkeypatch, more, error, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        exported(config, tmp_path / "out.csv", *more)
    assert list(tmp_path.glob("out*")) == []


def test_backup_and_restore_as_commands(history, config, tmp_path):
    facts = json.loads(run("backup", "--config", config, "--out", tmp_path / "copy", "--json"))
    assert facts["files"] == ["history.db"]
    other = configured(tmp_path, "other")
    assert "history.db" in run("restore", "--config", other, "--from", tmp_path / "copy")
    restored = SqliteHistory(tmp_path / "other" / "history.db")
    assert restored.readings(PV.device, 0, T + 9 * DAY_MS) == history.readings(PV.device, 0, T + 9 * DAY_MS)
    restored.close()


def test_move_copies_everything_and_only_what_is_new_the_next_time(history, config, tmp_path):
    quarters = [DeviceQuarter(PV, T + n * QUARTER_MS, 1.0, None, Quality.ESTIMATED) for n in range(3)]
    of_site = SiteQuarter("ixelles", "hall", T, 1.0, 2.0, 3.0, None, 0.0, 0.0, Quality.MEASURED)
    history.write_quarters(quarters, [of_site])
    day = Total("ixelles", "hall", None, T, T + DAY_MS, Quality.MEASURED, {"pv_wh": Known(1.0, 1)})
    month = Total("ixelles", "hall", PV.device, T, T + 31 * DAY_MS, Quality.MEASURED, {}, {"state": "on"})
    history.write_totals(Period.DAY, [day])
    history.write_totals(Period.MONTH, [month])
    to = configured(tmp_path, "new")
    facts = json.loads(run("move", "--config", config, "--to", to, "--json"))
    assert facts == {"devices": 3, "readings": 4, "refused": 0, "quarters": 4, "totals": 2}
    history.write([Row(PV, T + 3 * DAY_MS + 1, {"power_w": 5.0})])
    assert json.loads(run("move", "--config", config, "--to", to, "--json"))["readings"] == 1
    new = SqliteHistory(tmp_path / "new" / "history.db")
    for tags in (PV, GRID, SCHOOL):
        assert new.readings(tags.device, 0, T + 9 * DAY_MS) == history.readings(tags.device, 0, T + 9 * DAY_MS)
    assert new.device_quarters(PV.device, 0, T + DAY_MS) == quarters
    assert new.site_quarters(["hall"], 0, T + DAY_MS) == [of_site]
    assert new.site_totals(Period.DAY, ["hall"], 0, T + DAY_MS) == [day]
    assert new.device_totals(Period.MONTH, PV.device, 0, T + DAY_MS) == [month]
    new.close()
    with pytest.raises(RefusedError, match="same store"):
        run("move", "--config", config, "--to", config)


def test_a_move_that_breaks_off_goes_on_where_it_was(history, tmp_path):
    class Failing(SqliteHistory):
        calls = 0

        def write(self, rows) -> None:
            Failing.calls += 1
            if Failing.calls == 3:
                raise StoreError("the server went away")
            super().write(rows)

    pair = (EmbeddedSettings(path=Path("a")), EmbeddedSettings(path=Path("b")))
    new = Failing(tmp_path / "new.db")
    with pytest.raises(StoreError, match="went away"):
        move(history, new, Progress(tmp_path / "move.json", *pair), lambda _: None)
    assert move(history, new, Progress(tmp_path / "move.json", *pair), lambda _: None)["readings"] == 2
    assert new.last() == history.last()
    new.close()


KILLED = """
import os, sys
from cli.main import main
from storage.history.sqlite import SqliteHistory

writes, die_at, write = 0, int(sys.argv.pop()), SqliteHistory.write

def counted(self, rows):
    global writes
    writes += 1
    if writes == die_at:
        os._exit(9)
    write(self, rows)

SqliteHistory.write = counted
main()
"""


def test_move_that_is_killed_goes_on_and_copies_everything_once(history, config, tmp_path):
    other = configured(tmp_path, "other")
    for die_at in (1, 2, 3):
        job = [sys.executable, "-c", KILLED, "move", "--config", config, "--to", other, str(die_at)]
        assert subprocess.run(job, check=False, capture_output=True, timeout=60).returncode == 9
    run("move", "--config", config, "--to", other)
    new = SqliteHistory(tmp_path / "other" / "history.db", read_only=True)
    for tags in (PV, GRID, SCHOOL):
        assert new.readings(tags.device, 0, T + 9 * DAY_MS) == history.readings(tags.device, 0, T + 9 * DAY_MS)
    new.close()


@pytest.mark.influxdb
def test_moving_into_influxdb_keeps_everything(history, tmp_path):
    binary = influxd(1)
    if binary is None:
        pytest.skip("no InfluxDB 1.x server on PATH")
    server = InfluxServer(binary, 1, tmp_path / "influxdb")
    server.start()
    try:
        settings = server.fresh()
        new = InfluxHistory(settings)
        move(history, new, Progress(tmp_path / "move.json", EmbeddedSettings(), settings), lambda _: None)
        for tags in (PV, GRID, SCHOOL):
            assert new.readings(tags.device, 0, T + 9 * DAY_MS) == history.readings(tags.device, 0, T + 9 * DAY_MS)
        new.close()
        short = server.fresh(raw_days=36)
        new = InfluxHistory(short)
        facts = move(history, new, Progress(tmp_path / "move.json", EmbeddedSettings(), short), lambda _: None)
        assert (facts["readings"], facts["refused"]) == (0, 4)
        new.close()
    finally:
        server.kill()
