"""Copies of what the centre keeps, made while it runs, and brought back.

A copy is a folder: the SQLite files (by SQLite's own backup), the sealed days (hard links where the disk allows it),
other files, and `backup.json`, written last, with a digest of every file. The marks of quarter-hours to compute stand still while the history is
copied, so that copied readings are computed after a restore, too.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from energy.errors import RefusedError, StoreError
from storage.history.segments import segments_folder

__all__ = ["Kept", "backup", "restore"]

_MANIFEST: Final = "backup.json"
_FORMAT: Final = 1
_TRIES: Final = 5  # a day may be merged into another file while it is linked
_HISTORY, _REGISTER, _DIRTY = "history.db", "register.db", "dirty.db"


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a centre keeps what. `history`: of the embedded store, None with a server; `others`: plain files."""

    history: Path | None
    register: Path
    dirty: Path
    others: Sequence[Path] = ()

    @property
    def databases(self) -> dict[str, Path]:
        """SQLite files by their name in a copy."""
        found = {_REGISTER: self.register, _DIRTY: self.dirty}
        return found if self.history is None else {_HISTORY: self.history, **found}


def backup(kept: Kept, folder: Path, now_ms: int) -> dict[str, Any]:
    """Copies everything into the new `folder`; it appears when it is complete. Returns what `backup.json` says.

    Raises RefusedError when the folder exists, StoreError when something cannot be read or written.
    """
    if folder.exists():
        raise RefusedError(f"{folder} exists", hint="name a folder that does not exist yet")
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    with _explained(unfinished):
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(parents=True)
        with _standing_still(kept.dirty):
            files = [name for name, path in kept.databases.items() if _copy_database(path, unfinished / name)]
            days = _link_days(kept.history, unfinished) if kept.history is not None and _HISTORY in files else 0
        for path in kept.others:
            if path.exists():
                shutil.copy2(path, unfinished / path.name)
                files.append(path.name)
        facts = {
            "format": _FORMAT, "t": now_ms, "files": sorted(files), "days": days, "sha256": _digests(unfinished)
        }  # fmt: skip
        (unfinished / _MANIFEST).write_text(json.dumps(facts, indent=2), encoding="utf-8")
        _sync_tree(unfinished)
        unfinished.rename(folder)
    return facts


def restore(kept: Kept, folder: Path, *, replace: bool = False) -> dict[str, Any]:
    """Brings a copy back. What stands there is moved aside (`.before`) with `replace`, else refused.

    The services must be stopped. Raises RefusedError, or StoreError when the copy is damaged; then nothing is changed.
    """
    facts = _read_manifest(folder)
    targets = {folder / name: path for name, path in kept.databases.items() if name in facts["files"]}
    targets |= {folder / path.name: path for path in kept.others if path.name in facts["files"]}
    if kept.history is not None and (folder / segments_folder(Path(_HISTORY))).is_dir():
        targets[folder / segments_folder(Path(_HISTORY))] = segments_folder(kept.history)
    present = [path for path in targets.values() if path.exists()]
    if present and not replace:
        raise RefusedError(
            f"{present[0]} exists", hint="stop the services and use --replace: what is there is kept as NAME.before"
        )
    with _explained(folder), _stopped(kept.dirty):
        _compare(folder, facts)
        for name in kept.databases:
            if name in facts["files"]:
                _check(folder / name)
        beside = {target.with_name(f"{target.name}.restoring"): source for source, target in targets.items()}
        try:
            for draft, source in beside.items():
                _copy(source, draft)
            for target in targets.values():
                _put(target)
        finally:
            for draft in beside:
                _remove(draft)
    return facts


def _digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file by its path in the copy."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            found[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _compare(folder: Path, facts: dict[str, Any]) -> None:
    """Raises StoreError unless every file is as it was copied. Copies of before there were digests pass."""
    if (known := facts.get("sha256")) is None:
        return
    found = _digests(folder)
    if not isinstance(known, dict) or sorted(name for name in known if "/" not in name) != facts["files"]:
        raise StoreError(f"{folder / _MANIFEST} is damaged", hint="use another copy; nothing was changed")
    for name, digest in known.items():
        if found.get(name) != digest:
            told = "is damaged" if name in found else "is missing"
            raise StoreError(f"{folder / name} {told}", hint="use another copy; nothing was changed")


def _put(target: Path) -> None:
    """Moves what was copied beside `target` to its place, and what stood there aside."""
    before = target.with_name(f"{target.name}.before")
    for extra in ("", "-wal", "-shm"):  # a database that was killed has its last commits in its -wal
        old, new = target.with_name(target.name + extra), before.with_name(before.name + extra)
        _remove(new)
        if old.exists():
            old.rename(new)
    target.with_name(f"{target.name}.restoring").rename(target)


@contextmanager
def _stopped(dirty: Path) -> Iterator[None]:
    """Keeps the collector away meanwhile."""
    dirty.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(f"{dirty}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise RefusedError("the collector is running", hint="stop all services of the centre first") from error
    finally:
        os.close(handle)


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        known = facts["format"] == _FORMAT
        facts["files"].sort()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{folder} is no complete copy: {_MANIFEST} cannot be read ({error})",
            hint="name the folder that `commonwatt backup` made",
        ) from error
    if not known:
        raise StoreError(f"{folder} was made by a newer commonwatt", hint="restore it with that version")
    return facts


def _check(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
        (answer,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if answer == "ok" and not database.execute("SELECT 1 FROM sqlite_schema").fetchone():
            answer = "it is empty"
    if answer != "ok":
        raise StoreError(f"{path} is damaged: {answer}", hint="use another copy; nothing was changed")


def _copy_database(source: Path, target: Path) -> bool:
    """SQLite's own copy, at one instant; nobody who writes waits for it. False when there is no such file."""
    if not source.exists():
        return False
    with (
        contextlib.closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as database,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        database.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
    return True


def _link_days(history: Path, folder: Path) -> int:
    """Links the files that the copied history names."""
    source, target = segments_folder(history), segments_folder(folder / _HISTORY)
    for _ in range(_TRIES):
        try:
            target.mkdir(exist_ok=True)
            names = _days_of(folder / _HISTORY)
            for name in names:
                if not (target / name).exists():
                    _link(source / name, target / name)
            return len(names)
        except FileNotFoundError as error:
            gone = error
            shutil.rmtree(target)
            (folder / _HISTORY).unlink()
            _copy_database(history, folder / _HISTORY)
    raise StoreError(f"{gone.filename} is missing", hint="start the collector once: it sets aside what is damaged")


def _days_of(history: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(history)) as database:
        if database.execute("SELECT 1 FROM sqlite_schema WHERE name = 'segment'").fetchone() is None:
            return []
        return [name for (name,) in database.execute("SELECT file FROM segment WHERE NOT damaged")]


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # another disk, or one without hard links
        shutil.copy2(source, target)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    _remove(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy2(source, target)
    _sync_tree(target)


@contextmanager
def _standing_still(dirty: Path) -> Iterator[None]:
    """No mark is set or taken away meanwhile: readings wait for it, unconfirmed."""
    if not dirty.exists():
        yield
        return
    with contextlib.closing(sqlite3.connect(dirty, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")


@contextmanager
def _explained(place: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{place}: {error}", hint="check the disk, its free space and your rights there") from error


def _sync_tree(path: Path) -> None:
    for each in [*(sorted(path.rglob("*")) if path.is_dir() else ()), path]:
        handle = os.open(each, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
