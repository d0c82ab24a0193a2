"""SQLite as this project opens it: migrations, transactions, connections."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from energy.errors import StoreError
from storage.sqlite import Database, Schema

ONE = Schema("notes", (("CREATE TABLE note (text TEXT NOT NULL)",),))
TWO = Schema("notes", (*ONE.migrations, ("ALTER TABLE note ADD COLUMN t INTEGER", "UPDATE note SET t = 7")))
BROKEN = Schema("notes", (*ONE.migrations, ("ALTER TABLE note ADD COLUMN t INTEGER", "UPDATE nowhere SET t = 7")))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "notes.db"


def notes(database) -> list[tuple]:
    with database.read() as connection:
        return connection.execute("SELECT * FROM note").fetchall()


def test_an_older_file_is_migrated_with_what_it_holds(path):
    database = Database(path, ONE)
    with database.write() as connection:
        connection.execute("INSERT INTO note VALUES ('kept')")
    database.close()
    database = Database(path, TWO)
    assert notes(database) == [("kept", 7)]
    database.close()


def test_a_reader_of_a_newer_program_asks_for_the_migration(path):
    Database(path, ONE).close()
    reader = Database(path, TWO, read_only=True)
    with pytest.raises(StoreError, match="has no schema version 2 yet"):
        notes(reader)
    Database(path, TWO).close()
    assert notes(reader) == []
    reader.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(path):
    Database(path, ONE).close()
    with pytest.raises(StoreError, match="no such table: nowhere"):
        Database(path, BROKEN)
    database = Database(path, TWO)
    assert notes(database) == []
    database.close()


def test_a_block_that_raises_is_undone(path):
    database = Database(path, ONE)

    def half() -> None:
        with database.write() as connection:
            connection.execute("INSERT INTO note VALUES ('gone')")
            raise KeyError

    with pytest.raises(KeyError):
        half()
    assert notes(database) == []
    with database.write() as connection:
        connection.execute("INSERT INTO note VALUES ('kept')")
    assert notes(database) == [("kept",)]
    database.close()


def test_commits_are_synced_and_logged_ahead(path):
    database = Database(path, ONE)
    with database.write() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


def test_a_read_connection_cannot_write(path):
    database = Database(path, ONE)
    with pytest.raises(StoreError, match="readonly") as caught, database.read() as connection:
        connection.execute("INSERT INTO note VALUES ('no')")
    assert "right to write" in caught.value.hint
    database.close()


def test_threads_write_in_turn_and_read_meanwhile(path):
    database = Database(path, ONE)

    def write_and_read(n: int) -> int:
        with database.write() as connection:
            connection.execute("INSERT INTO note VALUES (?)", (str(n),))
        return len(notes(database))

    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(write_and_read, range(100)))
    assert max(counts) == len(notes(database)) == 100
    database.close()


def test_two_readers_at_a_time_have_a_connection_each_and_later_ones_use_them_again(path):
    database = Database(path, ONE)
    with database.read() as one, database.read() as other:
        assert one is not other
    with database.read() as again:
        assert again in (one, other)
    database.close()


def test_a_read_that_outlives_the_database_ends_cleanly(path):
    database = Database(path, ONE)
    with database.read() as connection:
        database.close()
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(sqlite3.ProgrammingError):
        connection.execute("SELECT 1")


def test_shared_files_may_be_opened_for_writing_by_many_exclusive_ones_by_one(path):
    shared = [Database(path, ONE) for _ in range(3)]
    for database in shared:
        database.close()
    exclusive = Database(path, ONE, exclusive=True)
    with pytest.raises(StoreError, match="another process"):
        Database(path, ONE, exclusive=True)
    exclusive.close()


def test_a_writer_waits_for_another_process_to_finish(path):
    one, other = Database(path, ONE), Database(path, ONE)
    begun = threading.Event()

    def hold() -> None:
        with one.write() as connection:
            connection.execute("INSERT INTO note VALUES ('first')")
            begun.set()
            release.wait(5)

    release = threading.Event()
    thread = threading.Thread(target=hold)
    thread.start()
    assert begun.wait(5)
    threading.Timer(0.05, release.set).start()
    with other.write() as connection:
        connection.execute("INSERT INTO note VALUES ('second')")
    thread.join()
    assert notes(other) == [("first",), ("second",)]
    one.close()
    other.close()
