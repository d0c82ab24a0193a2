"""The whole system as processes: `commonwatt demo` in a temporary folder, talked to as a user would."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.processes import demo_command
from storage.history.sqlite import SqliteHistory

SUMMER_NOON = "2026-06-21T10:30:00Z"
SPEED = 4  # a rule's minute passes in 15 s; devices are read every 4 s of that clock


def eventually(condition: Callable[[], Any], *, timeout_s: float = 30.0, what: str = "it") -> Any:
    """The first true value of `condition`; fails with `what` when there is none in time."""
    deadline = time.monotonic() + timeout_s
    last: Any = None
    while time.monotonic() < deadline:
        try:
            last = condition()
            if last:
                return last
        except (OSError, KeyError, IndexError, ValueError) as error:
            last = error
        time.sleep(0.1)
    pytest.fail(f"{what} did not happen within {timeout_s:g} s; last seen: {last!r}")


def stored(path: Path) -> list[tuple[str, int]]:
    """Every reading of an embedded store, as (device, t)."""
    history = SqliteHistory(path, read_only=True)
    try:
        return [(tags.device, row.t) for tags in history.devices() for row in history.readings(tags.device, 0, 2**62)]
    finally:
        history.close()


class Demo:
    """A running demonstration."""

    def __init__(self, folder: Path, port: int, *arguments: str) -> None:
        self.folder = folder
        self.port = port
        self.arguments = arguments
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = demo_command(self.folder, self.port, *self.arguments)
        self.log = (self.folder.parent / "demo.log").open("ab")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)
            self.process.wait(30)
            self.process = None
            self.log.close()

    @property
    def pids(self) -> dict[str, int]:
        return json.loads((self.folder / "processes.json").read_text())

    @property
    def key(self) -> str:
        return (self.folder / "operator.key").read_text().strip()

    def request(
        self,
        path: str,
        *,
        method: str = "GET",
        body: Any = None,
        headers: dict[str, str] | None = None,
        key: str | None = None,
    ) -> tuple[int, Message, bytes]:
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        all_headers = {
            "Content-Type": "application/json",
            **({"Authorization": f"Bearer {key}"} if key else {}),
            **(headers or {}),
        }
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data=data, method=method, headers=all_headers
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def get(self, path: str) -> Any:
        status, _, body = self.request(path)
        assert status == 200, (status, body[:500])
        return json.loads(body)

    def live(self) -> dict[str, Any]:
        return self.get("/api/v1/live")

    def simulator(self, **question: Any) -> Any:
        """Asks the simulator's control port: the truth and faults are for tests, never for the system."""
        control = yaml.safe_load((self.folder / "simulator.yaml").read_text())["control"]
        with socket.create_connection((control["host"], control["port"]), 5) as connection:
            connection.sendall(json.dumps(question).encode() + b"\n")
            with connection.makefile() as lines:
                return json.loads(lines.readline())

    def ready(self, sites: int) -> bool:
        live = self.live()
        return len(live["sites"]) >= sites and all(site["consumption_w"] is not None for site in live["sites"])


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demonstration at noon of a summer day, with all twelve sites live."""
    folder = tmp_path_factory.mktemp("system") / "demo"
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    running = Demo(folder, port, "--start", SUMMER_NOON, "--speed", str(SPEED))
    running.start()
    try:
        eventually(lambda: running.ready(12), timeout_s=60, what="twelve live sites")
        yield running
    finally:
        running.stop()
