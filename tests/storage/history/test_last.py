"""The note of last readings: whoever reads it with the log since knows what a reader of everything would."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy.errors import DataError
from energy.quantities import Role
from storage.history import DeviceTags, Row, last
from storage.history.commits import CommitReader
from storage.history.sealer import Limits
from storage.history.sqlite import SqliteHistory

T = 1_750_000_000_000
TAGS = [DeviceTags("ixelles", "hall", f"hall/load-{n}", Role.LOAD) for n in range(3)]


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "history.db"


def row(tags: DeviceTags, after: int) -> Row:
    return Row(tags, T + after, {"power_w": float(after)})


def read(path: Path) -> dict[str, Row]:
    """By a process that has just begun."""
    reader = SqliteHistory(path, read_only=True)
    found = reader.last()
    reader.close()
    return found


def one(path: Path, query: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchone()[0]


def test_a_new_reader_reads_the_note_and_only_the_commits_since(path, monkeypatch):
    history = SqliteHistory(path)
    for n in range(200):
        history.write([row(TAGS[0], n)])
    history.write([row(TAGS[1], 7)])
    asked = []
    real = CommitReader.after
    monkeypatch.setattr(
        CommitReader, "after", lambda self, connection, upto: asked.append(upto) or real(self, connection, upto)
    )
    assert read(path) == {TAGS[0].device: row(TAGS[0], 199), TAGS[1].device: row(TAGS[1], 7)}
    assert asked == [one(path, "SELECT upto FROM last_note")]
    assert 201 - asked[0] <= 64
    history.close()


def test_a_device_that_fell_silent_long_ago_is_remembered_after_its_readings_went(path):
    history = SqliteHistory(path, limits=Limits(seal_rows=1, raw_days=36))
    history.write([row(TAGS[0], 0)])
    for day in range(1, 40):
        history.write([row(TAGS[1], day * 86_400_000)])
        while history.maintain(T + day * 86_400_000):
            pass
    assert history.readings(TAGS[0].device, 0, T + 1) == []
    assert read(path)[TAGS[0].device] == row(TAGS[0], 0)
    assert one(path, "SELECT count(*) FROM log") == 0
    history.close()


def test_a_writer_that_begins_again_goes_on_with_what_is_noted(path):
    for n in range(5):
        history = SqliteHistory(path)
        history.write([row(TAGS[n % 2], n)])
        history.close()
    history = SqliteHistory(path, limits=Limits(seal_rows=1))
    while history.maintain(T):
        pass
    assert read(path) == {TAGS[0].device: row(TAGS[0], 4), TAGS[1].device: row(TAGS[1], 3)}
    history.close()


def test_what_a_failed_write_said_is_in_no_note(path, monkeypatch):
    monkeypatch.setattr(last, "_COMMITS", 1)
    history = SqliteHistory(path)
    history.write([row(TAGS[0], 0)])
    history.write([row(TAGS[0], 1)])
    with pytest.raises(DataError):
        history.write([row(TAGS[0], 5), Row(TAGS[1], T, {"power_w": "much"})])
    history.write([row(TAGS[1], 2)])
    assert read(path) == {TAGS[0].device: row(TAGS[0], 1), TAGS[1].device: row(TAGS[1], 2)}
    history.close()


def test_a_damaged_note_stops_nobody_and_heals_as_devices_speak(path, caplog):
    history = SqliteHistory(path)
    for n in range(100):
        history.write([row(TAGS[n % 2], n)])
    history.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE last_note SET blob = randomblob(length(blob))")
    assert read(path) == {TAGS[0].device: row(TAGS[0], 98), TAGS[1].device: row(TAGS[1], 99)}
    assert "note of last readings is damaged" in caplog.text
    history = SqliteHistory(path)
    for n in range(100, 200):
        history.write([row(TAGS[n % 2], n)])
    caplog.clear()
    assert read(path) == {TAGS[0].device: row(TAGS[0], 198), TAGS[1].device: row(TAGS[1], 199)}
    assert caplog.text == ""
    history.close()


_steps = st.lists(
    st.one_of(
        st.lists(
            st.tuples(
                st.sampled_from(TAGS),
                st.integers(0, 3),
                st.dictionaries(st.sampled_from(["power_w", "soc_pct", "state"]), st.just(0), min_size=1),
            ),
            min_size=1,
            max_size=4,
        ),
        st.sampled_from(["seal", "reopen"]),
    ),
    max_size=15,
)


@given(steps=_steps, commits=st.integers(1, 4))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_readers_new_and_old_know_the_last_readings_after_any_writes_and_seals(
    tmp_path_factory, monkeypatch, steps, commits
):
    monkeypatch.setattr(last, "_COMMITS", commits)
    path = tmp_path_factory.mktemp("last") / "history.db"
    history = SqliteHistory(path, limits=Limits(seal_rows=1, raw_days=None))
    old = SqliteHistory(path, read_only=True)
    model: dict[str, Row] = {}
    for number, step in enumerate(steps):
        if step == "seal":
            while history.maintain(T):
                pass
        elif step == "reopen":
            history.close()
            history = SqliteHistory(path, limits=Limits(seal_rows=1, raw_days=None))
        else:
            rows = [
                Row(tags, T + after, {name: str(number) if name == "state" else float(number) for name in values})
                for tags, after, values in step
            ]
            history.write(rows)
            for each in rows:
                known = model.get(each.tags.device)
                if known is None or known.t <= each.t:
                    before = known.values if known is not None and known.t == each.t else {}
                    model[each.tags.device] = Row(each.tags, each.t, {**before, **each.values})
        assert old.last() == model
        assert read(path) == model
    old.close()
    history.close()
