"""A real PostgreSQL on a free port, in a cluster of its own, that can be killed and started again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from storage.register.settings import RegisterSettings

__all__ = ["PostgresServer", "postgres_binaries"]

_ACCOUNT = "postgres"  # the server refuses to run as root


def postgres_binaries() -> Path | None:
    """The folder of initdb and postgres, of the newest version installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[4]))
    if found:
        return found[-1].parent
    other = shutil.which("initdb")
    return Path(other).resolve().parent if other else None


class PostgresServer:
    """`start` returns when it answers; `fresh` makes an empty database; `kill` is kill -9 of the whole server."""

    def __init__(self, binaries: Path) -> None:
        self.binaries = binaries
        self.directory = Path(tempfile.mkdtemp(prefix="commonwatt-postgres-"))
        self.port = _free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        if os.getuid() == 0:
            shutil.chown(self.directory, _ACCOUNT, _ACCOUNT)
        (self.directory / "password").write_text("secret-of-tests\n")
        (self.directory / "password").chmod(0o644)
        subprocess.run(
            [
                str(self.binaries / "initdb"), "-D", str(self.data), "-U", "commonwatt", "-A", "scram-sha-256", "-E", "UTF8",
                "--no-sync", "--no-locale", f"--pwfile={self.directory / 'password'}",
            ],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/", **self._account,
        )  # fmt: skip

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def start(self, *, timeout_s: float = 30.0) -> None:
        self.process = subprocess.Popen(
            [
                str(self.binaries / "postgres"), "-D", str(self.data), "-h", "127.0.0.1", "-p", str(self.port), "-k", str(self.directory),
                "-c", "max_connections=200", "-c", "fsync=off",  # a kill loses nothing, a power cut is not tested
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **self._account,
        )  # fmt: skip
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self.connect("postgres").close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def connect(self, database: str) -> psycopg.Connection:
        """A connection past our own code."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="commonwatt", password="secret-of-tests", dbname=database,
            autocommit=True,
        )  # fmt: skip

    def fresh(self) -> RegisterSettings:
        """Settings of an empty database of its own."""
        self._databases += 1
        name = f"register{self._databases}"
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return RegisterSettings(
            url=f"postgresql+psycopg://commonwatt@127.0.0.1:{self.port}/{name}",
            password_file=self.directory / "password",
        )

    def kill(self) -> None:
        """Kill -9; returns when its children, who notice by themselves, are gone too."""
        if self.process is None:
            return
        children = _children(self.process.pid)
        self.process.kill()
        self.process.wait()
        self.process = None
        deadline = time.monotonic() + 30
        while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < deadline:
            time.sleep(0.02)

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def _account(self) -> dict[str, Any]:
        return {"user": _ACCOUNT, "group": _ACCOUNT, "extra_groups": []} if os.getuid() == 0 else {}


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
