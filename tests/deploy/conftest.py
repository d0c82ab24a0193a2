"""The real mosquitto under deploy's own configuration, with certificates made by deploy's own script."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.broker import mosquitto_binary

DEPLOY = Path(__file__).parents[2] / "deploy"


@dataclass(frozen=True)
class Authority:
    """A certificate authority in a folder, driven through certificates.sh."""

    pki: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(DEPLOY / "certificates.sh"), *arguments],
            env=os.environ | {"COMMONWATT_PKI": str(self.pki)},
            capture_output=True,
            text=True,
            check=False,
        )

    def make(self, *arguments: str) -> None:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr

    def make_expired(self, name: str) -> None:
        """A gateway certificate of this authority that ended in 2020."""
        self.make("gateway", name)
        request = ["openssl", "req", "-new", "-key", f"{self.pki}/{name}.key", "-subj", f"/CN={name}"]
        subprocess.run([*request, "-out", f"{self.pki}/{name}.csr"], check=True, capture_output=True)
        sign = ["openssl", "ca", "-batch", "-notext", "-config", f"{self.pki}/openssl.cnf", "-extensions", "client"]
        dates = ["-startdate", "20190101000000Z", "-enddate", "20200101000000Z"]
        files = ["-in", f"{self.pki}/{name}.csr", "-out", f"{self.pki}/{name}.crt"]
        subprocess.run([*sign, *dates, *files], check=True, capture_output=True)


@dataclass
class SecureBroker:
    """A running mosquitto: `port` for gateways, `inner_port` for the centre."""

    port: int
    inner_port: int
    authority: Authority
    process: subprocess.Popen[bytes]
    log: Path


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _configuration(directory: Path, pki: Path, port: int, inner_port: int) -> str:
    """deploy's own file with nothing but its paths and ports replaced."""
    text = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text(encoding="utf-8")
    replaced = {
        "listener 8883": f"listener {port} 127.0.0.1",
        "listener 8884": f"listener {inner_port} 127.0.0.1",
        "/mosquitto/certs": str(pki),
        "/mosquitto/config/acl": str(directory / "acl"),
        "/mosquitto/data/": f"{directory}/",
        "log_dest stdout": f"log_dest file {directory}/log",
    }
    for old, new in replaced.items():
        assert old in text, old
        text = text.replace(old, new)
    return text + "\nuser root\n"  # the test's files belong to whoever runs it


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    pytest.fail("mosquitto did not start")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority with a server, the centre and some gateways; `gw-revoked` and `gw-expired` are what they say."""
    made = Authority(tmp_path_factory.mktemp("pki") / "pki")
    made.make("init")
    made.make("server", "localhost", "127.0.0.1")
    made.make("centre")
    made.make("gateway", "gw-one", "gw-two", "gw-revoked", "gw-later")
    made.make_expired("gw-expired")
    made.make("revoke", "gw-revoked")
    return made


@pytest.fixture(scope="session")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Another authority that signed the same names."""
    made = Authority(tmp_path_factory.mktemp("other") / "pki")
    made.make("init")
    made.make("gateway", "gw-one")
    made.make("centre")
    return made


@pytest.fixture(scope="session")
def secure_broker(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    """mosquitto with deploy's configuration and ACL."""
    binary = mosquitto_binary()
    if binary is None:
        pytest.skip("mosquitto is not installed")
    directory = tmp_path_factory.mktemp("broker")
    shutil.copy(DEPLOY / "mosquitto" / "acl", directory / "acl")
    port, inner_port = _free_port(), _free_port()
    (directory / "mosquitto.conf").write_text(_configuration(directory, authority.pki, port, inner_port))
    process = subprocess.Popen(
        [binary, "-c", str(directory / "mosquitto.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port)
        yield SecureBroker(port, inner_port, authority, process, directory / "log")
    finally:
        process.terminate()
        process.wait(10)
