"""The embedded store: two processes, damage, full disks, versions."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from energy.errors import DataError, StoreError
from energy.quantities import Quality, Role
from storage.history import DeviceQuarter, DeviceTags, Row
from storage.history.sealer import Limits
from storage.history.sqlite import SqliteHistory

ROOT = Path(__file__).parents[3]
T = 1_750_000_000_000
PV = DeviceTags("ixelles", "hall", "hall/pv", Role.PV)

WRITER = """
import sys
from pathlib import Path
from energy.quantities import Role
from storage.history import DeviceTags, Row
from storage.history.sqlite import SqliteHistory

history = SqliteHistory(Path(sys.argv[1]))
tags = [DeviceTags("ixelles", "hall", f"hall/load-{n}", Role.LOAD) for n in range(20)]
batch = 0
while True:
    history.write([Row(tag, 1_750_000_000_000 + batch, {"power_w": batch, "state": "on"}) for tag in tags])
    print(batch, flush=True)
    batch += 1
"""


def start_writer(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def kill(writer: subprocess.Popen[str]) -> None:
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "data" / "history.db"


def row(n: int) -> Row:
    return Row(PV, T + n, {"power_w": float(n)})


def test_a_reader_made_before_the_file_says_so_and_works_once_it_is_there(path):
    reader = SqliteHistory(path, read_only=True)
    for question in (reader.check, reader.last, lambda: reader.readings("hall/pv", 0, T)):
        with pytest.raises(StoreError, match="does not exist yet") as caught:
            question()
        assert "start the collector" in caught.value.hint
    writer = SqliteHistory(path)
    writer.write([row(0)])
    reader.check()
    assert reader.last() == {PV.device: row(0)}
    reader.close()
    writer.close()


def test_a_reader_of_an_empty_file_waits_for_the_writer_to_lay_it_out(path):
    path.parent.mkdir()
    path.touch()
    reader = SqliteHistory(path, read_only=True)
    with pytest.raises(StoreError, match="has no schema version"):
        reader.check()
    writer = SqliteHistory(path)
    reader.check()
    reader.close()
    writer.close()


def test_a_reader_works_after_the_writer_has_gone(path):
    writer = SqliteHistory(path)
    writer.write([row(0)])
    writer.close()
    reader = SqliteHistory(path, read_only=True)
    assert reader.last() == {PV.device: row(0)}
    reader.close()


def test_a_reader_cannot_write(path):
    SqliteHistory(path).close()
    reader = SqliteHistory(path, read_only=True)
    with pytest.raises(StoreError, match="not open for writing"):
        reader.write([row(0)])
    reader.close()


def test_reading_while_another_process_writes_sees_whole_batches(path):
    writer = start_writer(path)
    assert writer.stdout.readline()
    reader = SqliteHistory(path, read_only=True)
    seen = []
    try:
        for _ in range(30):
            acknowledged = int(writer.stdout.readline())
            newest = {r.t for r in reader.last().values()}
            assert len(newest) == 1  # every batch holds all devices at one instant
            assert newest.pop() >= T + acknowledged
            seen.append(acknowledged)
    finally:
        kill(writer)
        reader.close()
    assert seen == sorted(seen)


def test_killing_the_writer_loses_no_acknowledged_batch(path):
    for _ in range(3):
        writer = start_writer(path)
        acknowledged = [int(writer.stdout.readline()) for _ in range(40)]
        kill(writer)
        history = SqliteHistory(path)
        for n in range(20):
            times = [r.t for r in history.readings(f"hall/load-{n}", T, T + 10**6)]
            assert times[: len(acknowledged)] == [T + batch for batch in acknowledged]
        history.close()


def test_a_second_writer_is_refused_and_let_in_when_the_first_has_closed(path):
    first = SqliteHistory(path)
    with pytest.raises(StoreError, match="being written by another process") as caught:
        SqliteHistory(path)
    assert "one collector per file" in caught.value.hint
    first.write([row(0)])
    first.close()
    second = SqliteHistory(path)
    assert second.last() == {PV.device: row(0)}
    second.close()


def test_a_second_writing_process_is_refused(path):
    history = SqliteHistory(path)
    other = subprocess.run(
        [sys.executable, "-c", WRITER, str(path)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
    )
    assert other.returncode == 1
    assert "being written by another process" in other.stderr
    history.close()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_of_a_newer_version_is_refused(path, read_only):
    SqliteHistory(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="schema version 99, this program knows up to") as caught:
        SqliteHistory(path, read_only=read_only).check()
    assert "newer commonwatt" in caught.value.hint


def test_a_full_disk_is_an_error_that_leaves_nothing_half_written_and_passes(path):
    history = SqliteHistory(path)
    history.write([row(0)])
    writer = history._database._writer
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages}")
    many = [Row(DeviceTags("i", "s", f"s/load-{n}", None), T, {"power_w": 1.0}) for n in range(1, 3000)]
    quarters = [DeviceQuarter(r.tags, T, 1.0, 1.0, Quality.MEASURED) for r in many]
    with pytest.raises(StoreError, match="full") as caught:
        history.write(many)
    assert "free space" in caught.value.hint
    with pytest.raises(StoreError, match="full"):
        history.write_quarters(quarters, [])
    assert history.last() == {PV.device: row(0)}
    assert history.devices() == [PV]
    writer.execute("PRAGMA max_page_count = 1000000")
    history.write(many)
    history.write_quarters(quarters, [])
    assert len(history.last()) == 3000
    assert len(history.device_quarters("s/load-7", T, T + 1)) == 1
    history.close()


def test_a_commit_that_fails_is_undone_with_the_devices_it_named(path):
    history = SqliteHistory(path)
    history.write([row(0)])
    other = DeviceTags("ixelles", "hall", "hall/grid", Role.GRID)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (Path(f"{path}-wal").stat().st_size, hard))  # no room for the log to grow
    try:
        with pytest.raises(StoreError, match=r"I/O|full") as caught:
            history.write([Row(other, T, {"power_w": 1.0})])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "space" in caught.value.hint
    assert history.devices() == [PV]
    history.write([Row(other, T, {"power_w": 2.0})])
    assert history.last() == {PV.device: row(0), other.device: Row(other, T, {"power_w": 2.0})}
    history.close()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_something_else_is_refused_and_left_alone(path, read_only):
    path.parent.mkdir()
    path.write_bytes(b"certainly no database" * 100)
    with pytest.raises(StoreError, match="not a database") as caught:
        SqliteHistory(path, read_only=read_only).check()
    assert "move that file aside" in caught.value.hint
    assert path.read_bytes() == b"certainly no database" * 100


def test_a_damaged_file_is_an_error_and_no_crash(path):
    history = SqliteHistory(path)
    history.write([Row(PV, T + n, {"power_w": n}) for n in range(5000)])
    history.close()
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoreError, match="malformed") as caught:
        SqliteHistory(path)
    assert "backup" in caught.value.hint


def test_a_commit_that_was_damaged_is_left_out_and_kept_when_the_rest_is_sealed(path, caplog):
    history = SqliteHistory(path, limits=Limits(seal_rows=1, raw_days=None))
    for n in range(3):
        history.write([row(n)])
    history.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE log SET blob = randomblob(length(blob)) WHERE id = 2")
    connection.close()
    history = SqliteHistory(path, limits=Limits(seal_rows=1, raw_days=None))
    assert history.readings(PV.device, T, T + 9) == [row(0), row(2)]
    assert "commit 2" in caplog.text
    while history.maintain(T):
        pass
    assert history.readings(PV.device, T, T + 9) == [row(0), row(2)]
    with history._database.read() as connection:
        assert connection.execute("SELECT id FROM unreadable").fetchall() == [(2,)]
        assert connection.execute("SELECT count(*) FROM log").fetchone() == (0,)
    history.close()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be opened"):
        SqliteHistory(tmp_path / "file" / "history.db")


def test_a_closed_store_says_so_and_may_be_closed_again(path):
    history = SqliteHistory(path)
    history.close()
    history.close()
    with pytest.raises(StoreError, match="closed"):
        history.check()
    with pytest.raises(StoreError, match="not open for writing"):
        history.write([row(0)])


def test_a_failed_batch_is_forgotten_with_the_devices_it_named(path):
    history = SqliteHistory(path)
    with pytest.raises(DataError, match="cannot be stored"):
        history.write([row(0), Row(PV, T + 1, {"power_w": object()})])
    assert history.devices() == []
    history.write([row(0)])
    assert history.devices() == [PV]
    assert history.quantities(PV.device) == ["power_w"]
    history.close()
