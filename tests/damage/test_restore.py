"""Damaged copies brought back by `restore`: each is refused by the file that is damaged, and what stands there stays as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy.errors import StoreError
from storage.backup import Kept, backup, restore
from tests.damage.test_fuzz import damaged
from tests.storage.test_backup import T
from tests.storage.test_backup import kept as kept_files

kept = kept_files


def content(kept: Kept) -> dict[str, bytes]:
    """Every file that the centre keeps, but the lock of a collector."""
    root = kept.register.parent
    paths = [*root.rglob("*"), *kept.others]
    return {str(path): path.read_bytes() for path in paths if path.is_file() and not path.name.endswith(".lock")}


def _flip(path: Path) -> None:
    at = path.stat().st_size // 2
    changed = bytearray(path.read_bytes())
    changed[at] ^= 1
    path.unlink()  # a day may be a hard link to what the centre keeps
    path.write_bytes(changed)


def _cut(path: Path) -> None:
    kept_part = path.read_bytes()[:-1]
    path.unlink()
    path.write_bytes(kept_part)


def _empty(path: Path) -> None:
    path.unlink()
    path.touch()


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [_flip, _cut, _empty, _folder, Path.unlink])
def test_copy_with_any_file_damaged_is_refused_by_its_name_and_nothing_is_changed(kept, tmp_path, damage):
    facts = backup(kept, tmp_path / "good", T)
    before = content(kept)
    for place, name in enumerate(facts["sha256"]):
        copy = tmp_path / f"copy-{place}"
        backup(kept, copy, T)
        damage(copy / name)
        with pytest.raises(StoreError) as caught:
            restore(kept, copy, replace=True)
        assert Path(name).name in caught.value.message
        assert caught.value.hint
        assert content(kept) == before


def test_copy_without_digests_is_checked_as_far_as_sqlite_can(kept, tmp_path):
    """Copies made before there were any."""
    copy = tmp_path / "copy"
    backup(kept, copy, T)
    manifest = json.loads((copy / "backup.json").read_text())
    del manifest["sha256"]
    (copy / "backup.json").write_text(json.dumps(manifest))
    (copy / "register.db").write_bytes(b"")
    before = content(kept)
    with pytest.raises(StoreError, match=r"register\.db is damaged: it is empty"):
        restore(kept, copy, replace=True)
    assert content(kept) == before


def test_copy_that_cannot_be_laid_beside_leaves_no_drafts(kept, tmp_path):
    copy = tmp_path / "copy"
    backup(kept, copy, T)
    kept.others[0].unlink()
    other = Kept(kept.history, kept.register, kept.dirty, (tmp_path / "file" / "keys.json",))
    (tmp_path / "file").write_text("no folder")
    before = content(kept)
    with pytest.raises(StoreError):
        restore(other, copy, replace=True)
    assert content(kept) == before


@settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_manifest_damaged_at_random_is_refused_or_says_the_same(kept, tmp_path_factory, data):
    copy = tmp_path_factory.mktemp("copies") / "copy"
    facts = backup(kept, copy, T)
    (copy / "backup.json").write_bytes(data.draw(damaged((copy / "backup.json").read_bytes())))
    before = content(kept)
    try:
        told = restore(kept, copy, replace=True)
    except StoreError:
        assert content(kept) == before
    else:
        assert told["files"] == facts["files"]
