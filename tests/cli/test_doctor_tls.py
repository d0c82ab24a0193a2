"""The doctor on the way to a broker with TLS: certificates of every kind, made by openssl."""

from __future__ import annotations

import asyncio
import datetime as dt
import getpass
import ssl
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cli.doctor.broker import check_gateway_session
from cli.doctor.command import examine
from cli.doctor.tls import check_certificates, check_way
from energy.errors import ConfigError
from messaging.connection import MqttSettings, TlsSettings
from runtime.certificates import parse_certificate, read_certificate
from runtime.clock import ManualClock, SystemClock


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        key, certificate = folder / "ca.key", folder / "ca.crt"
        new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650"]
        openssl(*new, "-keyout", key, "-out", certificate, "-subj", "/O=Test/CN=authority")

    def make(self, name: str, *, days: int = 100, alternative: str = "IP:127.0.0.1") -> TlsSettings:
        """A certificate for `name`."""
        key, request, certificate = (self.folder / f"{name}.{end}" for end in ("key", "csr", "crt"))
        extension = self.folder / f"{name}.ext"
        extension.write_text(f"subjectAltName={alternative}\n")
        new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        openssl(*new, "-keyout", key, "-out", request, "-subj", f"/O=Test/CN={name}")
        sign = ["x509", "-req", "-in", request, "-CA", self.folder / "ca.crt", "-CAkey", self.folder / "ca.key"]
        openssl(*sign, "-CAcreateserial", "-days", days, "-extfile", extension, "-out", certificate)
        return TlsSettings(ca_file=self.folder / "ca.crt", cert_file=certificate, key_file=key)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("pki") / "ours")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("pki") / "theirs")


@asynccontextmanager
async def listening(tls: TlsSettings | None):
    """A server with that certificate; gives its port."""
    context = None
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.cert_file, tls.key_file)
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


async def way(server_tls, client_tls):
    async with listening(server_tls) as port:
        settings = MqttSettings(port=port, tls=client_tls)
        return [check async for check in check_way(settings, SystemClock())]


async def test_way_with_good_certificates_tells_the_days_left(authority):
    checks = await way(authority.make("broker"), authority.make("gw-1"))
    assert [check.result for check in checks] == ["ok", "ok", "ok"]
    assert checks[-1].detail.startswith("99 days left")


async def test_way_with_a_certificate_that_ends_soon_warns(authority):
    checks = await way(authority.make("broker-soon", days=5), authority.make("gw-1"))
    assert (checks[-1].check, checks[-1].result) == ("broker's certificate", "warn")


@pytest.mark.parametrize(
    ("case", "detail", "next_step"),
    [
        ("stranger", "its certificate", "ca_file"),
        ("other name", "is not for 127.0.0.1", "mqtt.host"),
        ("expired", "expired", "clock"),
        ("plain", "no TLS", "8883"),
    ],
)
async def test_way_that_tls_refuses_is_explained(authority, stranger, case, detail, next_step):
    server = {
        "stranger": lambda: stranger.make("broker"),
        "other name": lambda: authority.make("elsewhere", alternative="DNS:elsewhere.example"),
        "expired": lambda: authority.make("old", days=0),
        "plain": lambda: None,
    }[case]()
    last = (await way(server, authority.make("gw-1")))[-1]
    assert last.result == "fail"
    assert detail in last.detail
    assert next_step in last.next


def test_own_certificate_in_order(authority):
    tls = authority.make("gw-1")
    tls.key_file.chmod(0o600)
    checks = list(check_certificates(tls, SystemClock(), name="gw-1"))
    assert [(check.check, check.result) for check in checks] == [
        ("own certificate", "ok"),
        ("certificate authority", "ok"),
    ]


def test_own_certificate_of_another_gateway_fails(authority):
    checks = list(check_certificates(authority.make("gw-2"), SystemClock(), name="gw-1"))
    assert any(check.result == "fail" and "'gw-2'" in check.detail for check in checks)


def test_own_certificate_that_ended_fails(authority):
    clock = ManualClock(round(dt.datetime(2200, 1, 1, tzinfo=dt.UTC).timestamp() * 1000))
    assert {check.result for check in check_certificates(authority.make("gw-1"), clock, name=None)} == {"fail"}


def test_key_that_others_can_read_warns(authority):
    tls = authority.make("gw-3")
    tls.key_file.chmod(0o644)
    (check,) = [check for check in check_certificates(tls, SystemClock(), name="gw-3") if check.check == "own key"]
    assert (check.result, check.next) == ("warn", f"`chmod 600 {tls.key_file}`")


def test_files_that_are_no_certificate_fail(authority, tmp_path):
    tls = TlsSettings(ca_file=tmp_path / "absent.crt", cert_file=authority.make("gw-1").key_file)
    checks = list(check_certificates(tls, SystemClock(), name="gw-1"))
    assert [check.result for check in checks] == ["fail", "fail"]


def test_read_certificate_agrees_with_openssl(authority):
    path = authority.make("gw-agrees").cert_file
    told = subprocess.run(
        ["openssl", "x509", "-noout", "-enddate", "-in", path], check=True, capture_output=True, text=True
    ).stdout
    expected = ssl.cert_time_to_seconds(told.strip().removeprefix("notAfter="))
    certificate = read_certificate(path)
    assert certificate.not_after.timestamp() == expected
    assert certificate.common_name == "gw-agrees"


@given(st.binary(max_size=300))
def test_parse_certificate_of_anything_raises_only_what_it_promises(data):
    with pytest.raises((ValueError, IndexError, StopIteration)):
        parse_certificate(data)


def test_read_certificate_of_a_damaged_file_is_a_config_error(tmp_path):
    path = tmp_path / "x.crt"
    path.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    with pytest.raises(ConfigError, match="holds no certificate"):
        read_certificate(path)


@pytest.mark.parametrize(("known", "name", "result"), [(True, "broker login", "ok"), (False, "broker login", "fail")])
async def test_login_by_certificate(authority, stranger, broker, known, name, result):
    server = authority.make("broker")
    broker.kill()
    broker.config.write_text(
        f"user {getpass.getuser()}\nlistener {broker.settings.port} 127.0.0.1\ncafile {server.ca_file}\n"
        f"certfile {server.cert_file}\nkeyfile {server.key_file}\nrequire_certificate true\n"
        "use_identity_as_username true\n"
    )
    broker.start()
    own = authority.make("gw-1") if known else stranger.make("gw-1")
    tls = TlsSettings(ca_file=server.ca_file, cert_file=own.cert_file, key_file=own.key_file)
    settings = broker.settings.model_copy(update={"tls": tls})
    checks = await check_gateway_session(settings, "ixelles", "gw-1")
    (check,) = [check for check in checks if check.check == name]
    assert check.result == result


async def test_login_is_left_alone_while_the_gateway_runs_with_this_certificate(authority, tmp_path):
    own = authority.make("gw-1")
    async with listening(authority.make("broker")) as port:
        path = tmp_path / "gw-that-runs.yaml"
        mqtt = {"host": "127.0.0.1", "port": port, "tls": own.model_dump(mode="json")}
        path.write_text(yaml.safe_dump({"gateway": "gw-1", "community": "c", "data_dir": str(tmp_path), "mqtt": mqtt}))
        command = [sys.executable, "-c", "input()", "gateway", "--config", str(path)]
        process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)
        checks = [check async for check in examine(path, SystemClock(), watch_s=0)]
        process.kill()
        await process.wait()
    (login,) = [check for check in checks if check.check == "broker login"]
    assert (login.result, f"process {process.pid}" in login.detail) == ("ok", True)
