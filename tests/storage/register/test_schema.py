"""The schema: taken over from before Alembic, brought up to date once, backed up before, refused when newer."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

import storage.register
from energy.errors import ConfigError, StoreError
from storage.register import QuarantineEntry, Register, TrailEntry
from storage.register import schema as module
from storage.register.plan import KINDS
from storage.register.settings import RegisterSettings
from storage.register.tables import Base

T = 1_750_000_000_000
BEFORE_ALEMBIC = Path(__file__).with_name("data") / "register-1.sql"
MIGRATIONS = Path(module.__file__).with_name("migrations")


@pytest.fixture
def old(tmp_path) -> Path:
    """A file as it was written before Alembic."""
    path = tmp_path / "register.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(BEFORE_ALEMBIC.read_text())
    return path


def test_a_register_from_before_alembic_is_taken_over_with_everything_in_it(old):
    register = Register(old)
    command, stray = register.command("c1"), register.command("stray")
    assert (command.lease, command.renewals, command.renewed_at) == ("c1", 0, None)
    assert (command.device, command.set, command.state) == ("hall/battery", {"power_w": -3000}, "applied")
    assert command.trail == (TrailEntry(T, "asked", "surplus 5.1 kW"), TrailEntry(T + 500, "applied", "ok"))
    assert (stray.device, stray.set, stray.state) == ("", {}, "expired")
    seen = register.alert("a1")
    assert (seen.state, seen.acknowledged_by) == ("acknowledged", "lea")
    step = seen.evidence[-1]
    assert (step.t, step.event, step.text) == (T + 2000, "acknowledged", "acknowledged by lea")
    topic = "cw/v1/ixelles/gw1/data"
    assert register.quarantined() == [QuarantineEntry(topic, "gw1", "no JSON", b"{broken", 7, T, T + 1, 2)]
    assert register.quarantine_total() == 2
    register.close()


def test_a_file_is_backed_up_before_it_is_changed(old):
    Register(old).close()
    (backup,) = old.parent.glob("register.db.before-*")
    with closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM command").fetchone() == (2,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_fresh_register_needs_no_backup(tmp_path):
    Register(tmp_path / "register.db").close()
    Register(tmp_path / "register.db").close()
    assert list(tmp_path.glob("*.before-*")) == []


def test_a_step_that_fails_changes_nothing_and_is_taken_up_again(old, monkeypatch):
    from storage.register.migrations.versions import r0001_activity

    monkeypatch.setattr(module, "HEAD", "r9999")
    with pytest.raises(Exception, match="r9999"):
        Register(old)
    with closing(sqlite3.connect(old)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        assert "alembic_version" not in names
    monkeypatch.undo()
    Register(old).close()
    assert r0001_activity.down_revision is None


def test_starters_at_once_bring_it_up_to_date_once(where):
    with ThreadPoolExecutor(8) as pool:
        registers = list(pool.map(lambda _: Register(where), range(8)))
    for register in registers:
        assert register.commands() == []
        register.close()


def test_tables_are_those_of_the_classes(register):
    for each in pkgutil.iter_modules(storage.register.__path__, "storage.register."):
        importlib.import_module(each.name)  # a class says what its table is when it is imported
    with register.database.write() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        differences = [found for found in compare_metadata(context, Base.metadata) if "index" not in str(found[0])]
    assert differences == []
    assert {each.table.name for each in KINDS} | {"run", "audit", "consent", "api_key"} <= set(Base.metadata.tables)


def test_the_head_is_that_of_the_steps():
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == module.HEAD


def test_a_newer_register_is_refused(where):
    register = Register(where)
    with register.database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'r0099'"))
        if connection.dialect.name == "sqlite":
            connection.execute(text("PRAGMA user_version = 100"))
    register.close()
    with pytest.raises(StoreError, match="has schema version r0099, this program knows up to"):
        Register(where)


def test_a_program_from_before_alembic_refuses_it(tmp_path):
    path = tmp_path / "register.db"
    Register(path).close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] > 1  # version 1 was the last it knew


@pytest.mark.parametrize("url", ["mysql://host/db", "sqlite:///register.db", "postgresql://u:secret@host/db"])
def test_a_url_of_something_else_or_with_a_password_is_refused(url):
    with pytest.raises(ValueError, match=r"must begin with postgresql|holds a password") as refused:
        RegisterSettings(url=url)
    assert re.search(r"path|password_file", str(refused.value))


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_way_to_write_the_url_is_understood(scheme):
    assert RegisterSettings(url=f"{scheme}://cw@db/energy").url == "postgresql+psycopg://cw@db/energy"


def test_a_password_file_that_is_empty_is_refused(tmp_path):
    (tmp_path / "secret").write_text("\n")
    settings = RegisterSettings(url="postgresql://cw@127.0.0.1:1/energy", password_file=tmp_path / "secret")
    with pytest.raises(ConfigError, match=r"secret: register.password_file: is empty"):
        Register(settings)


def test_a_password_file_that_is_not_there_is_named(tmp_path):
    settings = RegisterSettings(url="postgresql://cw@127.0.0.1:1/energy", password_file=tmp_path / "secret")
    with pytest.raises(ConfigError, match=r"secret: register.password_file: cannot be read"):
        Register(settings)


def test_a_server_that_is_not_there_is_a_store_error(free_port):
    with pytest.raises(StoreError, match="check that PostgreSQL runs"):
        Register(RegisterSettings(url=f"postgresql://cw@127.0.0.1:{free_port()}/energy"))
