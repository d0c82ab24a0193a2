"""Stores to run the same suite on: the embedded one with everything in its log or sealed at once, and real InfluxDB servers of version 1 and 2 where they are installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from storage.history import History
from storage.history.influxdb import InfluxHistory
from storage.history.sealer import Limits
from storage.history.sqlite import SqliteHistory
from tests.influxdb_server import InfluxServer, influxd

INFLUX_VERSIONS = [
    pytest.param(1, marks=pytest.mark.influxdb, id="influxdb1"),
    pytest.param(2, marks=pytest.mark.influxdb, id="influxdb2"),
]
STORES = [pytest.param("log", id="embedded"), pytest.param("sealed", id="embedded-sealed"), *INFLUX_VERSIONS]
AT_ONCE = Limits(seal_rows=1, files_a_day=4, raw_days=None, quarters_ms=0)
DAY_MS = 86_400_000


class SealedHistory(SqliteHistory):
    """Everything is sealed or packed as soon as it is written; days are merged again and again."""

    now_ms = 2**42

    def write(self, rows) -> None:
        super().write(rows)
        now_ms = max((row.t for row in rows), default=0)
        while self.maintain(now_ms):
            pass

    def write_quarters(self, devices, sites) -> None:
        super().write_quarters(devices, sites)
        self.now_ms += DAY_MS
        while self.maintain(self.now_ms):
            pass


@pytest.fixture(scope="session")
def running_influx(tmp_path_factory) -> Iterator[Callable[[int], InfluxServer]]:
    """A running server of the version asked for, shared by all tests: ask it for a `fresh` database."""
    servers: dict[int, InfluxServer] = {}

    def running(version: int) -> InfluxServer:
        if version not in servers:
            servers[version] = new_server(version, tmp_path_factory.mktemp(f"influxdb{version}"))
            servers[version].start()
        return servers[version]

    yield running
    for server in servers.values():
        server.kill()


def new_server(version: int, directory, **options) -> InfluxServer:
    """A server that is not started; skips the test when none of that version is installed."""
    binary = influxd(version)
    if binary is None:
        pytest.skip(f"no InfluxDB {version}.x server on PATH")
    return InfluxServer(binary, version, directory, **options)


@pytest.fixture(params=STORES)
def history(request, tmp_path) -> Iterator[History]:
    """An empty store of each kind in turn."""
    store = open_store(request, tmp_path)
    yield store
    store.close()


def open_store(request: pytest.FixtureRequest, directory) -> History:
    """An empty store of the kind that a fixture with `params=STORES` asks for."""
    if request.param == "log":
        return SqliteHistory(directory / "history.db")
    if request.param == "sealed":
        return SealedHistory(directory / "history.db", limits=AT_ONCE)
    return InfluxHistory(request.getfixturevalue("running_influx")(request.param).fresh())


@pytest.fixture(params=INFLUX_VERSIONS)
def influx(request, running_influx) -> InfluxServer:
    """A running server of each version in turn, shared with other tests."""
    return running_influx(request.param)


@pytest.fixture(params=INFLUX_VERSIONS)
def own_influx(request, tmp_path) -> Iterator[InfluxServer]:
    """A running server of each version in turn that the test may kill."""
    server = new_server(request.param, tmp_path / "influxdb")
    server.start()
    yield server
    server.kill()
