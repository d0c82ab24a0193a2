"""certificates.sh and secrets.sh: what they make, what they refuse, and that running them again is safe."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"


def _openssl(*arguments: str) -> str:
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def fresh(authority: Any, tmp_path: Path) -> Any:
    """An authority of this test alone."""
    made = type(authority)(tmp_path / "pki")
    made.make("init")
    return made


def test_certificates_pass_strict_verification_for_their_purpose(authority: Any):
    """X509_STRICT is what newer Python releases ask of a chain."""
    strict = ["verify", "-x509_strict", "-CAfile", f"{authority.pki}/ca.crt"]
    assert "OK" in _openssl(*strict, "-purpose", "sslclient", f"{authority.pki}/gw-one.crt")
    assert "OK" in _openssl(*strict, "-purpose", "sslserver", f"{authority.pki}/server.crt")


def test_gateway_certificate_names_the_gateway_and_lasts(authority: Any):
    text = _openssl("x509", "-noout", "-subject", "-checkend", str(824 * 86_400), "-in", f"{authority.pki}/gw-one.crt")
    assert "CN = gw-one" in text
    assert "will not expire" in text


def test_server_certificate_carries_every_name_and_address(authority: Any):
    text = _openssl("x509", "-noout", "-ext", "subjectAltName", "-in", f"{authority.pki}/server.crt")
    assert "DNS:localhost" in text
    assert "IP Address:127.0.0.1" in text


def test_keys_are_readable_by_their_owner_only(authority: Any):
    for key in authority.pki.glob("*.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600, key


@pytest.mark.parametrize(
    "name", ["live", "alerts", "centre", "server", "ca", "Gw", "a/b", "a+b", "#", "-x", "", "x\ny", "é", "a" * 64]
)
def test_gateway_with_an_impossible_name_is_refused_before_anything_is_made(fresh: Any, name: str):
    before = sorted(fresh.pki.iterdir())
    done = fresh.run("gateway", "gw-good", name)
    assert done.returncode == 1
    assert "next:" in done.stderr
    assert sorted(fresh.pki.iterdir()) == before


def test_init_again_keeps_the_authority(fresh: Any):
    before = (fresh.pki / "ca.key").read_bytes()
    done = fresh.run("init")
    assert done.returncode == 1
    assert "lock out every gateway" in done.stderr
    assert (fresh.pki / "ca.key").read_bytes() == before


def test_commands_before_init_say_what_to_do(authority: Any, tmp_path: Path):
    done = type(authority)(tmp_path / "none").run("gateway", "gw-one")
    assert done.returncode == 1
    assert "init" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["unknown"], ["gateway"], ["server"], ["revoke"], ["init", "x"]])
def test_wrong_use_prints_the_commands_and_exits_2(fresh: Any, arguments: list[str]):
    done = fresh.run(*arguments)
    assert done.returncode == 2
    assert "certificates.sh revoke ID" in done.stderr


def test_revoke_takes_every_certificate_of_a_gateway_back(fresh: Any):
    """An earlier one may be in a thief's hands too."""
    fresh.make("gateway", "gw-one")
    fresh.make("gateway", "gw-one", "gw-two")
    fresh.make("revoke", "gw-one")
    lines = fresh.run("list").stdout.splitlines()
    assert [line.split()[0] for line in lines if line.endswith("gw-one")] == ["revoked", "revoked"]
    assert [line.split()[0] for line in lines if line.endswith("gw-two")] == ["valid"]
    assert _openssl("crl", "-noout", "-text", "-in", f"{fresh.pki}/ca.crl").count("Serial Number:") == 2


def test_revoke_of_an_unknown_gateway_says_so(fresh: Any):
    done = fresh.run("revoke", "gw-none")
    assert done.returncode == 1
    assert "no valid certificate" in done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of deploy/ without what may have been made in it."""
    target = tmp_path / "deploy"
    shutil.copytree(DEPLOY, target, ignore=shutil.ignore_patterns("secrets", "pki"))
    return target


def _secrets(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "COMMONWATT_PKI"}
    return subprocess.run([str(copy / "secrets.sh"), *arguments], env=env, capture_output=True, text=True, check=False)


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_secrets_are_random_and_kept_when_made_again(copy: Path):
    assert _secrets(copy, "centre.example.org", "203.0.113.7").returncode == 0
    made = _content(copy / "secrets")
    passwords = [made[name] for name in made if name.endswith(("_password", "_token"))]
    assert len(passwords) == len(set(passwords)) == 4
    assert all(len(password) == 64 and password.isalnum() for password in passwords)
    assert _secrets(copy, "centre.example.org").returncode == 0
    assert _content(copy / "secrets") == made


def test_secrets_stand_in_a_folder_only_its_owner_enters_and_hold_no_authority_key(copy: Path):
    _secrets(copy, "centre.example.org")
    assert stat.S_IMODE((copy / "secrets").stat().st_mode) == 0o700
    authority_key = (copy / "pki" / "ca.key").read_bytes()
    assert authority_key not in _content(copy / "secrets").values()


def test_server_certificate_made_by_secrets_is_valid_for_given_names_and_inside_compose(copy: Path):
    _secrets(copy, "centre.example.org", "203.0.113.7")
    text = _openssl("x509", "-noout", "-ext", "subjectAltName", "-in", f"{copy}/secrets/broker/server.crt")
    assert all(name in text for name in ("DNS:centre.example.org", "IP Address:203.0.113.7", "DNS:mosquitto"))


def test_refresh_writes_the_new_revocation_list_into_the_same_file(copy: Path):
    """A mounted file stays the one that was there when the container started."""
    _secrets(copy, "centre.example.org")
    listed = copy / "secrets" / "broker" / "ca.crl"
    before, inode = listed.read_bytes(), listed.stat().st_ino
    for arguments in (["gateway", "gw-one"], ["revoke", "gw-one"]):
        subprocess.run([str(copy / "certificates.sh"), *arguments], check=True, capture_output=True)
    assert _secrets(copy, "refresh").returncode == 0
    assert listed.read_bytes() != before
    assert listed.stat().st_ino == inode


def test_secrets_without_a_name_print_the_use(copy: Path):
    done = _secrets(copy)
    assert done.returncode == 2
    assert "BROKER_NAME" in done.stderr
    assert not (copy / "secrets").exists()
