"""Copies made while somebody writes, brought back, and what is refused."""

from __future__ import annotations

import json
import sqlite3
import threading
from pathlib import Path

import pytest

from energy.errors import RefusedError, StoreError
from energy.quantities import Role
from storage.backup import Kept, backup, restore
from storage.dirty import DirtyQuarters
from storage.history import DeviceTags, Row
from storage.history.sealer import Limits
from storage.history.sqlite import SqliteHistory
from storage.register import Register

T = 1_750_000_000_000
PV = DeviceTags("ixelles", "hall", "hall/pv", Role.PV)
AT_ONCE = Limits(seal_rows=1, files_a_day=2, raw_days=None)


def row(n: int) -> Row:
    return Row(PV, T + n, {"power_w": float(n)})


@pytest.fixture
def kept(tmp_path) -> Kept:
    """What a centre keeps, with three readings, two of them sealed."""
    data = tmp_path / "data"
    found = Kept(data / "history.db", data / "register.db", data / "dirty.db", (tmp_path / "keys.json",))
    history = SqliteHistory(found.history, limits=AT_ONCE)
    history.write([row(0), row(1)])
    while history.maintain(T):
        pass
    history.write([row(2)])
    history.close()
    Register(found.register).close()
    dirty = DirtyQuarters(found.dirty)
    dirty.mark([("hall", 0)])
    dirty.close()
    (tmp_path / "keys.json").write_text("{}")
    return found


def elsewhere(tmp_path: Path) -> Kept:
    data = tmp_path / "other"
    return Kept(data / "h.db", data / "r.db", data / "d.db", (data / "keys.json",))


def readings(path: Path) -> list[Row]:
    history = SqliteHistory(path)
    try:
        return history.readings(PV.device, 0, T + 10**6)
    finally:
        history.close()


def test_a_copy_brought_back_elsewhere_has_everything(kept, tmp_path):
    facts = backup(kept, tmp_path / "copy", T)
    digests = facts.pop("sha256")
    assert sorted(name for name in digests if "/" not in name) == facts["files"]
    assert len(digests) == len(facts["files"]) + facts["days"]
    assert facts == {
        "format": 1,
        "t": T,
        "files": ["dirty.db", "history.db", "keys.json", "register.db"],
        "days": 1,
    }
    other = elsewhere(tmp_path)
    assert restore(other, tmp_path / "copy") == facts | {"sha256": digests}
    assert readings(other.history) == [row(0), row(1), row(2)]
    dirty = DirtyQuarters(other.dirty)
    assert [(mark.site, mark.start) for mark in dirty.pending()] == [("hall", 0)]
    dirty.close()
    Register(other.register).close()
    assert other.others[0].read_text() == "{}"


def test_a_copy_made_while_readings_are_written_sealed_and_merged_is_of_one_instant(kept, tmp_path):
    history = SqliteHistory(kept.history, limits=AT_ONCE)
    stop = threading.Event()
    written = [2]

    def work() -> None:
        while not stop.is_set():
            history.write([row(written[0] + 1)])
            written[0] += 1
            history.maintain(T)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for n in range(8):
            least = written[0]
            backup(kept, tmp_path / f"copy{n}", T)
            copied = readings(tmp_path / f"copy{n}" / "history.db")
            assert copied == [row(i) for i in range(len(copied))]
            assert len(copied) > least
    finally:
        stop.set()
        thread.join()
        history.close()


def test_a_copy_stays_as_it_was_when_the_store_goes_on(kept, tmp_path):
    backup(kept, tmp_path / "copy", T)
    history = SqliteHistory(kept.history, limits=AT_ONCE)
    for n in range(3, 9):
        history.write([row(n)])
        while history.maintain(T + 10**9):
            pass
    history.close()
    assert readings(tmp_path / "copy" / "history.db") == [row(0), row(1), row(2)]


def test_a_folder_that_exists_is_not_written_over(kept, tmp_path):
    (tmp_path / "copy").mkdir()
    with pytest.raises(RefusedError, match="exists"):
        backup(kept, tmp_path / "copy", T)
    assert list((tmp_path / "copy").iterdir()) == []


def test_restore_leaves_what_is_there_alone_unless_told_and_then_keeps_it_aside(kept, tmp_path):
    backup(kept, tmp_path / "copy", T)
    history = SqliteHistory(kept.history)
    history.write([row(3)])
    history.close()
    with pytest.raises(RefusedError, match="exists") as caught:
        restore(kept, tmp_path / "copy")
    assert "--replace" in caught.value.hint
    assert len(readings(kept.history)) == 4
    restore(kept, tmp_path / "copy", replace=True)
    assert readings(kept.history) == [row(0), row(1), row(2)]
    with sqlite3.connect(kept.history.with_name("history.db.before")) as before:
        assert before.execute("SELECT count(*) FROM log").fetchone() == (2,)
    before.close()


def test_restore_is_refused_while_the_collector_runs(kept, tmp_path):
    backup(kept, tmp_path / "copy", T)
    dirty = DirtyQuarters(kept.dirty)
    with pytest.raises(RefusedError, match="collector is running"):
        restore(kept, tmp_path / "copy", replace=True)
    dirty.close()
    assert len(readings(kept.history)) == 3


@pytest.mark.parametrize("damage", ["database", "cut", "no manifest", "newer"])
def test_a_damaged_copy_is_refused_before_anything_is_changed(kept, tmp_path, damage):
    copy = tmp_path / "copy"
    backup(kept, copy, T)
    if damage == "database":
        (copy / "register.db").write_bytes(b"no database at all" * 300)
    elif damage == "cut":
        content = (copy / "history.db").read_bytes()
        (copy / "history.db").write_bytes(content[: len(content) // 2])
    elif damage == "no manifest":
        (copy / "backup.json").unlink()
    else:
        (copy / "backup.json").write_text(json.dumps({"format": 2, "files": []}))
    other = elsewhere(tmp_path)
    with pytest.raises(StoreError):
        restore(other, copy)
    assert not any(path.exists() for path in (other.history, other.register, other.dirty))


def test_a_centre_with_a_server_copies_what_it_has(kept, tmp_path):
    served = Kept(None, kept.register, kept.dirty)
    facts = backup(served, tmp_path / "copy", T)
    assert (facts["files"], facts["days"]) == (["dirty.db", "register.db"], 0)
