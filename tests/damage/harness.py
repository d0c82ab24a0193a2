"""A border by which files come in, and what it did with a damaged one: the error it raised, and what it left behind."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from typer.testing import CliRunner

from cli.main import app
from energy.errors import CommonwattError

__all__ = ["Border", "Desk", "Outcome", "Table"]

BEFORE = b"as it was before\n"


@dataclass(frozen=True)
class Table:
    """What is known of a border's table: the kind of each column by its header, how cells are parted, which are needed."""

    columns: Mapping[str, str]
    delimiter: str = ","
    optional: frozenset[str] = frozenset()
    told_as: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    """Other columns, and rows of other lengths, are refused."""
    may_be_empty: bool = False


@dataclass(frozen=True)
class Border:
    """One way in. `files`: good ones by name; `damaged`: the one that is damaged; `words`: the command, in which the
    names of files, `outs` and the folder's `register.db` stand for their paths."""

    name: str
    damaged: str
    files: Mapping[str, bytes]
    words: tuple[str, ...] = ()
    call: Callable[[Path], object] | None = None
    outs: tuple[str, ...] = ()
    table: Table | None = None
    before: tuple[tuple[str, ...], ...] = ()

    @property
    def good(self) -> bytes:
        """The file that is damaged, as it should be."""
        return self.files[self.damaged]


@dataclass(frozen=True)
class Outcome:
    """`told`: the error in words, None when the file was taken in; `wrote`: the files that were written or changed."""

    told: str | None
    hint: str | None
    wrote: Mapping[str, bytes]

    def refused(self, *words: str) -> None:
        """Asserts that it was refused in words that name the file and all of `words`, say what to do, and changed nothing."""
        assert self.told is not None, f"was taken in: {self.wrote}"
        for word in words:
            assert word in self.told, f"{word!r} is not in {self.told!r}"
        assert self.hint, f"no next step in {self.told!r}"
        assert "Traceback" not in self.told
        assert not self.wrote, f"{self.told!r}, and yet written: {list(self.wrote)}"

    def same_as(self, other: Outcome) -> None:
        """Asserts that both files were taken in as the same."""
        assert self.told is None, self.told
        assert other.told is None, other.told
        assert set(self.wrote) == set(other.wrote)
        for name, content in self.wrote.items():  # registers and reports also keep when it was
            assert not name.endswith((".csv", ".parquet")) or content == other.wrote[name]


class Desk:
    """A folder with a border's good files, made once; each damaged file is tried in it, and the folder put back."""

    def __init__(self, border: Border, folder: Path) -> None:
        self.border, self.folder = border, folder
        for name, content in border.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content.replace(b"{folder}", str(folder).encode()))
        for name in border.outs:
            (folder / name).write_bytes(BEFORE)
        for words in border.before:
            told, _ = self._invoke(tuple(self._plan() if word == "PLAN" else word for word in words))
            assert told is None, told
        self._before = self._snapshot()
        self._raw = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    @property
    def path(self) -> Path:
        """Where the damaged file stands."""
        return self.folder / self.border.damaged

    def try_bytes(self, content: bytes) -> Outcome:
        """What comes of this content in place of the good file."""
        self.path.write_bytes(content.replace(b"{folder}", str(self.folder).encode()))
        return self.try_it()

    def try_it(self) -> Outcome:
        """What comes of the folder as it is now; afterwards it is as at first."""
        try:
            damaged = self._snapshot()
            told, hint = self._invoke(self.border.words) if self.border.words else self._call()
            wrote = {name: now for name, now in self._snapshot().items() if damaged.get(name) != now}
            return Outcome(told, hint, wrote)
        finally:
            self._put_back()

    def _plan(self) -> str:
        names = ("--config", self.folder / "centre.yaml", "--people", self.folder / "people.yaml")
        found = CliRunner().invoke(app, ["register", "plan", *map(str, names), "--json"], catch_exceptions=False)
        return str(json.loads(found.stdout)["plan"])

    def _call(self) -> tuple[str | None, str | None]:
        assert self.border.call is not None
        try:
            self.border.call(self.folder)
        except CommonwattError as error:
            return error.message, error.hint
        return None, None

    def _invoke(self, words: tuple[str, ...]) -> tuple[str | None, str | None]:
        names = {*self.border.files, *self.border.outs}
        arguments = [str(self.folder / word) if word in names else word for word in words]
        result = CliRunner().invoke(app, [word.replace("{folder}", str(self.folder)) for word in arguments])
        if isinstance(result.exception, CommonwattError):
            return result.exception.message, result.exception.hint
        if result.exception is not None:
            raise result.exception
        return None, None

    def _snapshot(self) -> dict[str, bytes]:
        found = {}
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = Path(folder) / name
                if path.is_file() and not name.endswith(("-wal", "-shm", ".lock")):
                    found[str(path.relative_to(self.folder))] = _content(path)
        return found

    def _put_back(self) -> None:
        for path in [path for path in self.folder.rglob("*") if path not in self._raw and not path.is_dir()]:
            path.unlink()
        for path in self._raw:
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
        for path, content in self._raw.items():
            if path.is_symlink() or not path.is_file() or path.read_bytes() != content:
                path.unlink(missing_ok=True)
                path.write_bytes(content)


def _content(path: Path) -> bytes:
    """The bytes of a file; of a database what it says, for its pages may move when it is only read."""
    content = path.read_bytes()
    if not content.startswith(b"SQLite format 3"):
        return content
    with closing(sqlite3.connect(path)) as database:
        return "\n".join(database.iterdump()).encode()
