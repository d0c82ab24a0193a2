"""Which store, as configuration, and the store it opens."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from storage.history.influx_client import _credentials
from storage.history.influxdb import InfluxHistory
from storage.history.open import open_history
from storage.history.settings import EmbeddedSettings, InfluxSettings, StoreSettings
from storage.history.sqlite import SqliteHistory

SETTINGS: TypeAdapter[EmbeddedSettings | InfluxSettings] = TypeAdapter(StoreSettings)


def test_the_kind_decides_the_store():
    embedded = SETTINGS.validate_python({"kind": "embedded", "path": "some/history.db"})
    assert embedded == EmbeddedSettings(path=Path("some/history.db"))
    influx = SETTINGS.validate_python({"kind": "influxdb", "version": 1, "database": "town"})
    assert influx == InfluxSettings(version=1, database="town")


@pytest.mark.parametrize(
    ("settings", "credentials"),
    [
        ({"version": 2, "token": "t0ken"}, "t0ken"),
        ({"version": 1, "username": "me", "password": "12345"}, "me:12345"),
        ({"version": 1}, None),
    ],
)
def test_secrets_of_a_server_may_be_given_as_such_and_are_not_shown(settings, credentials):
    read = SETTINGS.validate_python({"kind": "influxdb", **settings})
    assert isinstance(read, InfluxSettings)
    assert _credentials(read) == credentials
    assert "12345" not in repr(read)
    assert "t0ken" not in repr(read)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "influxdb", "version": 2}, "token_file"),
        ({"kind": "influxdb", "version": 1, "username": "me"}, "belong together"),
        ({"kind": "influxdb", "version": 3, "token_file": "t"}, "1 or 2"),
        ({"kind": "influxdb", "version": 1, "url": "localhost:8086"}, "url"),
        ({"kind": "influxdb", "version": 1, "password": "secret"}, "belong together"),
        ({"kind": "parquet"}, "kind"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        SETTINGS.validate_python(settings)


@pytest.mark.parametrize(
    ("settings", "compressed"),
    [
        ({"url": "http://127.0.0.1:8086"}, False),
        ({"url": "http://localhost:8086"}, False),
        ({"url": "http://[::1]:8086"}, False),
        ({"url": "https://influx.example.org"}, True),
        ({"url": "https://influx.example.org", "gzip": False}, False),
        ({"url": "http://127.0.0.1:8086", "gzip": True}, True),
    ],
)
def test_what_leaves_this_machine_is_compressed(settings, compressed):
    assert InfluxSettings(version=1, **settings).compressed is compressed


def test_open_history_gives_a_writer_and_readers_of_the_embedded_store(tmp_path):
    settings = EmbeddedSettings(path=tmp_path / "history.db")
    writer = open_history(settings)
    reader = open_history(settings, read_only=True)
    assert isinstance(writer, SqliteHistory)
    reader.check()
    reader.close()
    writer.close()


def test_open_history_gives_an_influxdb_without_a_server_being_up():
    history = open_history(InfluxSettings(version=1, url="http://127.0.0.1:9"))
    assert isinstance(history, InfluxHistory)
    history.close()
