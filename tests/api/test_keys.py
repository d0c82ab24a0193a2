"""The key file: shown once, reloaded on change, whole at any time."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.keys import KeyRole, KeyStore
from energy.errors import ConfigError, RefusedError
from runtime.clock import ManualClock


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "keys.json", ManualClock())


def test_key_store_verifies_what_it_created(store: KeyStore):
    plaintext = store.create("grafana", KeyRole.VIEWER, ["*"])
    key = store.verify(plaintext)
    assert key is not None
    assert (key.name, key.role, key.communities) == ("grafana", KeyRole.VIEWER, ("*",))
    assert store.verify(plaintext + "x") is None
    assert store.verify("") is None
    assert store.verify("\udcff") is None


def test_key_store_sees_what_another_process_created_and_revoked(store: KeyStore):
    other = KeyStore(store.path, ManualClock())
    plaintext = other.create("grafana", "viewer", ["*"])
    assert store.verify(plaintext) is not None
    assert other.revoke("grafana") is True
    assert store.verify(plaintext) is None
    assert other.revoke("grafana") is False


def test_key_store_refuses_a_name_twice_and_a_wrong_role(store: KeyStore):
    store.create("grafana", "viewer", ["*"])
    with pytest.raises(RefusedError, match="already"):
        store.create("grafana", "viewer", ["*"])
    with pytest.raises(RefusedError, match="no role"):
        store.create("other", "king", ["*"])
    with pytest.raises(RefusedError):
        store.create("other", "viewer", [])
    assert [key.name for key in store.list()] == ["grafana"]


def test_key_store_with_a_broken_file_keeps_what_was_valid_and_says_so(
    store: KeyStore, caplog: pytest.LogCaptureFixture
):
    plaintext = store.create("grafana", "viewer", ["*"])
    store.path.write_text('{"keys": [{"name": "half"')
    assert store.verify(plaintext) is not None
    assert store.verify(plaintext) is not None
    assert caplog.text.count("is no key file") == 1
    with pytest.raises(ConfigError, match="is no key file"):
        KeyStore(store.path, ManualClock())


def test_key_store_never_overwrites_a_broken_file(store: KeyStore):
    store.path.write_text("{")
    assert store.verify("cw_anything") is None
    with pytest.raises(ConfigError):
        store.create("grafana", "viewer", ["*"])
    assert store.path.read_text() == "{"


def test_key_store_without_a_file_knows_nobody(store: KeyStore):
    assert store.list() == ()
    assert store.verify("cw_anything") is None


def test_key_store_that_cannot_be_read_says_so(tmp_path: Path):
    (tmp_path / "keys.json").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        KeyStore(tmp_path / "keys.json", ManualClock())
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be"):
        KeyStore(tmp_path / "file" / "keys.json", ManualClock()).create("a", "viewer", ["*"])
