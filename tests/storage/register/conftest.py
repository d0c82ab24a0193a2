"""Registers on both databases: every test that asks for `where` or `register` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from storage.register import Register
from storage.register.settings import RegisterSettings
from tests.postgres_server import PostgresServer, postgres_binaries


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running PostgreSQL server of this session's own."""
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed")
    server = PostgresServer(binaries)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request, tmp_path) -> RegisterSettings:
    """An empty database."""
    if request.param == "sqlite":
        return RegisterSettings(path=tmp_path / "register.db")
    return request.getfixturevalue("postgres").fresh()


@pytest.fixture
def register(where) -> Iterator[Register]:
    """An open register."""
    register = Register(where)
    yield register
    register.close()
