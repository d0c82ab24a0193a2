"""Fixtures shared by all tests: real servers on free ports, torn down after each test."""

from __future__ import annotations

import logging
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.broker import mosquitto_binary
from cli.processes import Ports
from messaging.connection import MqttSettings

_free_port = Ports()


@pytest.fixture(autouse=True)
def logs_end_with_the_test() -> Iterator[None]:
    """A command that ran in this process logged to a stream of its test; what comes later must not write there."""
    root = logging.getLogger()
    handlers, level = [each for each in root.handlers if type(each) is not logging.StreamHandler], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def wait_for_port(port: int, *, timeout_s: float = 15.0) -> None:
    """Returns when something accepts connections on 127.0.0.1:`port`."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with socket.socket() as sock:
            sock.settimeout(0.2)
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    pytest.fail(f"nothing listens on port {port}")


class Mosquitto:
    """A real mosquitto that can be killed and started again on the same port."""

    def __init__(self, binary: str, directory: Path, port: int) -> None:
        self.binary = binary
        self.directory = directory
        self.settings = MqttSettings(host="127.0.0.1", port=port)
        self.process: subprocess.Popen[bytes] | None = None
        self.config = directory / "mosquitto.conf"
        self.config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\npersistence false\nmax_inflight_messages 200\n"
        )

    def start(self) -> None:
        self.process = subprocess.Popen(
            [self.binary, "-c", str(self.config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for_port(self.settings.port)

    def freeze(self) -> None:
        """It keeps its connections and answers nothing; only `kill` ends it."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A callable that gives a port nobody listens on."""
    return _free_port


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running mosquitto with `start` and `kill`."""
    binary = mosquitto_binary()
    if binary is None:
        pytest.skip("mosquitto is not installed")
    directory = tmp_path / "mosquitto"
    directory.mkdir()
    server = Mosquitto(binary, directory, _free_port())
    server.start()
    yield server
    server.kill()


@pytest.fixture
def mosquitto(broker: Mosquitto) -> MqttSettings:
    """Settings of a running broker."""
    return broker.settings
