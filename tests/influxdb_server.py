"""A real InfluxDB server on a free port, of version 1 or 2, that can be killed and started again."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from storage.history.settings import InfluxSettings

__all__ = ["InfluxServer", "free_port", "influxd"]

_TOKEN = "token-for-tests"
_CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"
[meta]
  dir = "{directory}/meta"
[data]
  dir = "{directory}/data"
  wal-dir = "{directory}/wal"
  query-log-enabled = false
[monitor]
  store-enabled = false
[continuous_queries]
  enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
[logging]
  level = "error"
"""


def influxd(version: Literal[1, 2]) -> str | None:
    """The path of a server of that major version, if one is installed as `influxd` or `influxd2`."""
    for name in ("influxd", "influxd2"):
        path = shutil.which(name)
        if path is None:
            continue
        told = subprocess.run([path, "version"], capture_output=True, text=True, check=False).stdout
        found = re.search(r"v?(\d+)\.\d+", told)
        if found and int(found[1]) == version:
            return path
    return None


class InfluxServer:
    """`start` returns when it answers; `kill` is kill -9. `settings` stay the same over restarts."""

    def __init__(
        self, binary: str, version: Literal[1, 2], directory: Path, *, environment: Mapping[str, str] | None = None
    ) -> None:
        self.binary = binary
        self.version = version
        self.directory = directory
        self.environment = {**os.environ, **(environment or {})}
        self.process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self._fresh = 0
        directory.mkdir(parents=True, exist_ok=True)
        if version == 1:
            self._config = directory / "influxdb.conf"
            self._config.write_text(_CONFIG.format(directory=directory, port=self.port, rpc_port=free_port()))
        else:
            self._token_file = directory / "token"
            self._token_file.write_text(f"{_TOKEN}\n")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> InfluxSettings:
        """Reaches the database or bucket `energy`."""
        return self._settings("energy")

    def fresh(self, *, prefix: str = "energy", raw_days: int | None = None) -> InfluxSettings:
        """Reaches a database or bucket of its own that is not there yet."""
        self._fresh += 1
        return self._settings(f"{prefix}{self._fresh}").model_copy(update={"raw_days": raw_days})

    def make_bucket(self, name: str, *, retention_s: int = 0) -> str:
        """Makes a bucket as an administrator would; gives its id."""
        organisation = self.api("GET", "/api/v2/orgs")["orgs"][0]["id"]
        rules = [{"type": "expire", "everySeconds": retention_s}] if retention_s else []
        made = self.api("POST", "/api/v2/buckets", {"orgID": organisation, "name": name, "retentionRules": rules})
        return str(made["id"])

    def start(self, *, timeout_s: float = 30.0) -> None:
        self.process = subprocess.Popen(
            self._command(), env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + timeout_s
        while not self._answers():
            if time.monotonic() > deadline or self.process.poll() is not None:
                self.kill()
                raise TimeoutError(f"{self.binary} does not answer on {self.url}")
            time.sleep(0.05)
        if self.version == 2:
            self._set_up()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def query(self, statement: str, database: str = "energy", **parameters: str) -> Any:
        """The answer of the server's own /query."""
        sent = urllib.parse.urlencode({"q": statement, "db": database, "epoch": "ms", **parameters})
        return self.api("POST", f"/query?{sent}")

    def buckets(self, *names: str) -> dict[str, Any]:
        """Those of these names that version 2 has; asked for by name, because a list ends after a hundred."""
        found: dict[str, Any] = {}
        for name in names:
            try:
                answer = self.api("GET", f"/api/v2/buckets?{urllib.parse.urlencode({'name': name})}")
            except urllib.error.HTTPError as error:
                if error.code != 404:
                    raise
                continue
            found |= {bucket["name"]: bucket for bucket in answer["buckets"]}
        return found

    def api(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """What a route of the server answers to its administrator, for tests that look past our client."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Token {_TOKEN}"} if self.version == 2 else {}
        request = urllib.request.Request(f"{self.url}{path}", data=data, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    def _command(self) -> list[str]:
        if self.version == 1:
            return [self.binary, "run", "-config", str(self._config)]
        return [
            self.binary,
            "run",
            f"--bolt-path={self.directory}/influxd.bolt",
            f"--sqlite-path={self.directory}/influxd.sqlite",
            f"--engine-path={self.directory}/engine",
            f"--http-bind-address=127.0.0.1:{self.port}",
            "--reporting-disabled",
            "--log-level=error",
        ]

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/ping", timeout=1):
                return True
        except OSError:
            return False

    def _settings(self, name: str) -> InfluxSettings:
        if self.version == 1:
            return InfluxSettings(url=self.url, version=1, database=name, raw_days=None)
        return InfluxSettings(
            url=self.url, version=2, org="town", bucket=name, token_file=self._token_file, raw_days=None
        )

    def _set_up(self) -> None:
        body = {"username": "admin", "password": "password", "org": "town", "bucket": "energy", "token": _TOKEN}
        try:
            self.api("POST", "/api/v2/setup", body)
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 422:  # set up before, by an earlier start
                    raise


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
