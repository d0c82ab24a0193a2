"""Sealing, merging and retiring periods: at every point of a crash, with damage, late data and readers beside."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy.quantities import Quality, Role
from storage.history import DeviceQuarter, DeviceTags, Known, Period, Row, SiteQuarter, Total, sealer
from storage.history.sealer import Limits
from storage.history.segments import DAY_MS
from storage.history.sqlite import SqliteHistory

ROOT = Path(__file__).parents[3]
T = 1_750_000_000_000 // DAY_MS * DAY_MS
TAGS = [DeviceTags("ixelles", "hall", f"hall/load-{n}", Role.LOAD) for n in range(3)]
PV = TAGS[0]
AT_ONCE = Limits(seal_rows=1, files_a_day=3, raw_days=None)

# Every call that changes the disk is counted; the process dies just before call number `die_at`.
STEPS = """
import os, sys
from pathlib import Path
from storage import sqlite
from storage.history.sealer import Limits
from storage.history.sqlite import SqliteHistory

calls, die_at = 0, int(sys.argv[2])

def counted(function):
    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls == die_at:
            os._exit(9)
        return function(*args, **kwargs)
    return call

history = SqliteHistory(Path(sys.argv[1]), limits=Limits(seal_rows=1, files_a_day=3, raw_days=None))
os.fsync = counted(os.fsync)
Path.rename = counted(Path.rename)
Path.unlink = counted(Path.unlink)
sqlite.Database.write = counted(sqlite.Database.write)
while history.maintain(int(sys.argv[3])):
    pass
"""


def row(n: int, tags: DeviceTags = PV) -> Row:
    return Row(tags, T + n * 1000, {"power_w": float(n), "voltage_l1_v": 230 + n / 10, "state": f"s{n % 3}"})


def settle(history: SqliteHistory, now_ms: int = T) -> None:
    while history.maintain(now_ms):
        pass


def sealed_files(path: Path) -> list[str]:
    return sorted(file.name for file in path.with_suffix(".sealed").glob("*"))


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "history.db"


def test_nothing_is_sealed_before_its_time(path):
    history = SqliteHistory(path, limits=Limits(seal_ms=1000, seal_rows=10))
    history.write([row(n) for n in range(9)])
    settle(history, T)
    settle(history, T + 999)
    assert sealed_files(path) == []
    settle(history, T + 1000)
    assert len(sealed_files(path)) == 1
    history.write([row(n) for n in range(9, 19)])  # by number
    settle(history, T + 1001)
    assert len(sealed_files(path)) == 2
    assert history.readings(PV.device, T, T + DAY_MS) == [row(n) for n in range(19)]
    history.close()


def test_a_seal_makes_one_file_a_day_and_a_day_that_is_over_ends_as_one_file(path):
    history = SqliteHistory(path, limits=AT_ONCE)
    for n in range(7):
        history.write([row(n), row(n + 86_400)])
        settle(history, T)
    assert 2 <= len(sealed_files(path)) <= 6
    settle(history, T + 3 * DAY_MS)
    assert [name[:10] for name in sealed_files(path)] == ["2025-06-15", "2025-06-16"]
    assert history.readings(PV.device, T, T + DAY_MS) == [row(n) for n in range(7)]
    assert len(history.readings(PV.device, T, T + 2 * DAY_MS)) == 14
    history.close()


def crash_everywhere(path: Path, expected: dict[str, list[Row]], now_ms: int) -> int:
    """Runs the housekeeping, killed before its first change, its second..., until one run gets to its end."""
    for die_at in range(1, 200):
        arguments = [sys.executable, "-c", STEPS, str(path), str(die_at), str(now_ms)]
        done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
        history = SqliteHistory(path, limits=AT_ONCE)
        found = {device: history.readings(device, 0, T + 9 * DAY_MS) for device in expected}
        newest = history.last()
        history.close()
        assert found == expected
        assert newest == {device: rows[-1] for device, rows in expected.items()}
        if done.returncode == 0:
            return die_at
        assert done.returncode == 9, done.stderr
    raise AssertionError("the housekeeping never came to its end")


def test_a_kill_at_any_step_of_a_seal_or_a_merge_loses_and_doubles_nothing(path):
    history = SqliteHistory(path, limits=AT_ONCE)
    rows = [row(n, tags) for n in range(4) for tags in TAGS] + [
        row(n + 86_400, tags) for n in range(4) for tags in TAGS
    ]
    random.Random(1).shuffle(rows)
    for n in range(0, len(rows), 6):
        history.write(rows[n : n + 6])
        if n < 12:
            settle(history, T)
    history.close()
    expected = {tags.device: sorted((r for r in rows if r.tags == tags), key=lambda r: r.t) for tags in TAGS}
    assert crash_everywhere(path, expected, T + 3 * DAY_MS) >= 10
    assert len([name for name in sealed_files(path) if name.endswith(".parquet")]) == 2


def test_a_file_that_no_period_names_is_set_aside_and_not_read(path, caplog):
    history = SqliteHistory(path, limits=AT_ONCE)
    history.write([row(0)])
    settle(history)
    history.close()
    (name,) = sealed_files(path)
    folder = path.with_suffix(".sealed")
    (folder / "2025-06-15-stranger.parquet").write_bytes((folder / name).read_bytes())
    (folder / "2025-06-15-half.parquet.tmp").write_bytes(b"PAR1")
    history = SqliteHistory(path)
    assert sealed_files(path) == sorted([name, "2025-06-15-stranger.parquet.unused"])
    assert "set aside" in caplog.text
    assert history.readings(PV.device, T, T + DAY_MS) == [row(0)]
    history.close()


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "gone"])
def test_a_damaged_file_is_set_aside_and_reported_and_the_rest_is_read(path, damage, caplog):
    history = SqliteHistory(path, limits=AT_ONCE)
    history.write([row(n) for n in range(1000)])
    history.write([row(86_400)])
    settle(history)
    history.close()
    file = path.with_suffix(".sealed") / sealed_files(path)[0]
    content = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    elif damage == "flipped":
        content[200:260] = os.urandom(60)
        file.write_bytes(content)
    else:
        file.write_bytes(content[: 0 if damage == "empty" else len(content) // 2])
    history = SqliteHistory(path, limits=AT_ONCE)
    reader = SqliteHistory(path, read_only=True)
    for store in (reader, history):
        assert store.readings(PV.device, T, T + 2 * DAY_MS) == [row(86_400)]
        assert store.last() == {PV.device: row(86_400)}
    assert file.name in caplog.text
    settle(history)
    aside = [] if damage == "gone" else [f"{file.name}.damaged"]
    assert [name for name in sealed_files(path) if name.startswith("2025-06-15")] == aside
    history.write([row(5)])
    settle(history)
    assert reader.readings(PV.device, T, T + DAY_MS) == [row(5)]
    reader.close()
    history.close()


def test_raw_readings_go_after_their_days_and_what_is_newest_is_still_known(path):
    history = SqliteHistory(path, limits=Limits(seal_rows=1, raw_days=40))
    history.write([row(0), row(0, TAGS[1]), row(50 * 86_400)])
    settle(history, T)
    assert len(sealed_files(path)) == 2
    settle(history, T + 400 * DAY_MS)  # 50 days after the first reading by the readings, 400 by a wrong clock
    assert history.readings(PV.device, 0, T + DAY_MS) == []
    assert history.readings(PV.device, 0, T + 99 * DAY_MS) == [row(50 * 86_400)]
    assert history.last()[TAGS[1].device] == row(0, TAGS[1])
    assert len(sealed_files(path)) == 1
    history.close()


def test_a_reader_follows_seals_and_merges_of_another_store(path):
    history = SqliteHistory(path, limits=AT_ONCE)
    reader = SqliteHistory(path, read_only=True)
    for n in range(20):
        history.write([row(n)])
        assert reader.readings(PV.device, T, T + DAY_MS) == [row(i) for i in range(n + 1)]
        history.maintain(T)
        assert reader.readings(PV.device, T, T + DAY_MS) == [row(i) for i in range(n + 1)]
    reader.close()
    history.close()


def test_any_tool_reads_a_sealed_file(path):
    history = SqliteHistory(path, limits=AT_ONCE)
    history.write([Row(PV, T + 250, {"power_w": 5, "voltage_l1_v": 230.1, "state": "on"}, bad=("soc_pct",))])
    settle(history)
    history.close()
    (file,) = path.with_suffix(".sealed").glob("*.parquet")
    [found] = pq.read_table(file).to_pylist()
    assert found.pop("t").isoformat(timespec="milliseconds") == "2025-06-15T00:00:00.250+00:00"
    assert found == {
        "community": "ixelles",
        "device": "hall/load-0",
        "device_id": 1,
        "bad": "soc_pct",
        "power_w": 5,
        "voltage_l1_v": 230.1,
        "state": "on",
    }
    query = f"SELECT device, epoch_ms(t), power_w, voltage_l1_v FROM '{file}'"
    assert duckdb.sql(query).fetchall() == [("hall/load-0", T + 250, 5, 230.1)]


def test_space_that_an_outage_took_goes_back_to_the_disk_in_small_steps_while_others_read_and_write(path):
    history = SqliteHistory(path, limits=Limits(seal_rows=1, raw_days=None, spare_bytes=0))
    noise = random.Random(1)
    rows = [Row(PV, T + n, {name: noise.random() for name in ("power_w", "soc_pct")}) for n in range(60_000)]
    for n in range(0, len(rows), 5000):
        history.write(rows[n : n + 5000])
    full = pages(history)
    reader = SqliteHistory(path, read_only=True)
    steps = 0
    while history.maintain(T):
        steps += 1
        history.write([row(99)])
        assert reader.before(PV.device, T + 60_000) == rows[-1]
        if steps == 20:
            break
    settle(history)
    assert steps == 20
    assert pages(history) < full / 2
    assert history.readings(PV.device, T, T + 60_000) == rows
    reader.close()
    history.close()


def pages(history: SqliteHistory) -> int:
    with history._database.read() as connection:
        return connection.execute("PRAGMA page_count").fetchone()[0]


def test_raw_readings_go_after_their_time_and_quarter_hours_stay(path):
    history = SqliteHistory(path, limits=Limits(seal_rows=1, raw_days=36))
    quarter = DeviceQuarter(PV, T, 1.0, None, Quality.MEASURED, {"state": "on"})
    site = SiteQuarter("ixelles", "hall", T, 1.0, 2.0, 3.0, None, 0.0, 0.0, Quality.MEASURED)
    day = Total("ixelles", "hall", None, T, T + DAY_MS, Quality.MEASURED, {"pv_wh": Known(5.0, 96)})
    history.write([row(0)])
    history.write_quarters([quarter], [site])
    history.write_totals(Period.DAY, [day])
    history.write([Row(PV, T + 40 * DAY_MS, {"power_w": 1.0})])
    settle(history, T + 40 * DAY_MS)
    assert history.readings(PV.device, T, T + DAY_MS) == []
    assert len(sealed_files(path)) == 1
    assert history.device_quarters(PV.device, T, T + 1) == [quarter]
    assert history.site_quarters(["hall"], T, T + 1) == [site]
    assert history.site_totals(Period.DAY, ["hall"], T, T + 1) == [day]
    history.close()


def test_committed_pages_are_copied_into_the_file_beside_the_writer(path, monkeypatch):
    monkeypatch.setattr(sealer, "_CHECKPOINT_COMMITS", 3)
    history = SqliteHistory(path)
    noise = random.Random(1)
    for _ in range(3):
        history.write([Row(PV, T + n, {"power_w": noise.random()}) for n in range(5000)])
    before = path.stat().st_size
    assert not history.maintain(T)
    assert path.stat().st_size > before + 100_000
    history.close()


_values = st.dictionaries(
    st.sampled_from(["power_w", "energy_import_wh", "voltage_l1_v"]),
    st.one_of(st.integers(-(10**15), 10**15), st.decimals(-1000, 1000, places=2).map(float)),
    min_size=1,
)
_events = st.lists(
    st.one_of(
        st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4), _values), min_size=1, max_size=6),
        st.sampled_from([0, 3]),
    ),
    max_size=20,
)


@given(events=_events)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_written_sealed_and_merged_in_any_order_reads_as_a_dictionary(tmp_path_factory, events):
    path = tmp_path_factory.mktemp("model") / "history.db"
    history = SqliteHistory(path, limits=AT_ONCE)
    model: dict[tuple[str, int], dict[str, float]] = {}
    for event in events:
        if isinstance(event, int):
            settle(history, T + event * DAY_MS)
            continue
        rows = [Row(TAGS[device], T + at * DAY_MS // 2, values) for device, at, values in event]
        history.write(rows)
        for r in rows:
            model.setdefault((r.tags.device, r.t), {}).update(r.values)
    for tags in TAGS:
        found = [(r.t, r.values) for r in history.readings(tags.device, 0, T + 9 * DAY_MS)]
        expected = sorted((t, values) for (device, t), values in model.items() if device == tags.device)
        assert found == expected
        if expected:
            assert history.last()[tags.device].values == expected[-1][1]
            assert history.before(tags.device, expected[-1][0] + 1).t == expected[-1][0]
            assert history.after(tags.device, 0).t == expected[0][0]
    history.close()
