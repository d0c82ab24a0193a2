"""API keys in one file: hashed, scoped to a role and communities, shown once.

A key is 256 random bits, so a single SHA-256 keeps it as safe as a slow hash would a password, and costs no request
anything. The prefix `cw_` lets secret scanners find a leaked one.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import logging
import os
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from energy.errors import ConfigError, RefusedError
from runtime.clock import Clock

__all__ = ["EVERY_COMMUNITY", "ApiKey", "KeyRole", "KeyStore"]

log = logging.getLogger(__name__)

PREFIX: Final = "cw_"
EVERY_COMMUNITY: Final = "*"
_UNREADABLE: Final = (0, 0, 0)


class KeyRole(StrEnum):
    """What the holder of a key is; what each may do stands in api/access.py."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    MANAGER = "manager"
    ADMIN = "admin"
    PARTICIPANT = "participant"
    TECHNICIAN = "technician"
    COUNCILLOR = "councillor"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is kept. `sha256` is the hash of the whole plaintext, `created` ms UTC."""

    name: str
    role: KeyRole
    communities: tuple[str, ...]
    sha256: str
    created: int


class KeyStore:
    """The keys of one JSON file, read again whenever it changed. A file that is not there holds no keys."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._clock = clock
        self._seen: tuple[int, int, int] | None = None
        self._by_hash: dict[str, ApiKey] = {}
        self._broken: ConfigError | None = None
        self._load()
        if self._broken is not None:
            raise self._broken

    def verify(self, plaintext: str) -> ApiKey | None:
        """The key whose plaintext this is, or None."""
        return self.current(hashlib.sha256(plaintext.encode("utf-8", "surrogateescape")).hexdigest())

    def current(self, sha256: str) -> ApiKey | None:
        """The key of that hash as it stands now, None once it is revoked."""
        self._load()
        key = self._by_hash.get(sha256)
        return key if key is not None and hmac.compare_digest(key.sha256, sha256) else None

    def list(self) -> tuple[ApiKey, ...]:
        """All keys, by name. Raises ConfigError when the file is broken."""
        self._load()
        if self._broken is not None:
            raise self._broken
        return tuple(sorted(self._by_hash.values(), key=lambda key: key.name))

    def create(self, name: str, role: KeyRole | str, communities: Sequence[str]) -> str:
        """Adds a key and returns its plaintext, which is kept nowhere. Raises RefusedError when the name is taken."""
        role = _role(role)
        if not name or len(name) > 63 or not name.isprintable():
            raise RefusedError("a key's name must have 1 to 63 printable characters", hint="name who or what uses it")
        if not communities:
            raise RefusedError("a key must be for at least one community", hint="give ids, or * for all")
        plaintext = PREFIX + secrets.token_urlsafe(32)
        digest = hashlib.sha256(plaintext.encode()).hexdigest()
        key = ApiKey(name, role, tuple(communities), digest, self._clock.now_ms())
        with self._locked():
            keys = self.list()
            if any(existing.name == name for existing in keys):
                raise RefusedError(f"there is a key named {name!r} already", hint="revoke it, or take another name")
            self._save([*keys, key])
        return plaintext

    def revoke(self, name: str) -> bool:
        """Removes the key of that name; False when there was none."""
        with self._locked():
            keys = self.list()
            kept = [key for key in keys if key.name != name]
            if len(kept) == len(keys):
                return False
            self._save(kept)
        return True

    def _load(self) -> None:
        """Reads the file if it changed. From a broken one nothing is taken: a person is editing it, what was valid stays."""
        try:
            stat = self.path.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        except FileNotFoundError:
            self._seen, self._by_hash, self._broken = None, {}, None
            return
        except OSError:
            seen = _UNREADABLE
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._by_hash = {key.sha256: key for key in _parse(self.path)}
            self._broken = None
        except ConfigError as error:
            self._broken = error
            log.error("%s; the keys read before stay in force", error)  # noqa: TRY400 - the message says it all

    def _save(self, keys: Sequence[ApiKey]) -> None:
        """Writes beside and renames: a reader sees the old file or the new one. Only the owner may read it."""
        content = {
            "keys": [
                {
                    "name": key.name,
                    "role": key.role.value,
                    "communities": list(key.communities),
                    "sha256": key.sha256,
                    "created": key.created,
                }
                for key in keys
            ]
        }
        descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")  # mode 600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(content, file, indent=2)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        self._load()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Two commands at once must not undo each other's change."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = self.path.with_name(f".{self.path.name}.lock").open("w")
        except OSError as error:
            raise ConfigError(
                f"cannot be changed: {error.strerror}", file=str(self.path), hint="run this as the service's user"
            ) from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _role(role: str) -> KeyRole:
    try:
        return KeyRole(role)
    except ValueError:
        raise RefusedError(f"{role!r} is no role", hint=f"one of {', '.join(KeyRole)}") from None


def _parse(path: Path) -> list[ApiKey]:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        return [
            ApiKey(
                name=str(entry["name"]),
                role=KeyRole(entry["role"]),
                communities=tuple(str(community) for community in entry["communities"]),
                sha256=str(entry["sha256"]),
                created=int(entry["created"]),
            )
            for entry in content["keys"]
        ]
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(path), hint="check its owner") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"is no key file: {error}", file=str(path), hint="restore it, or remove it and create the keys again"
        ) from error
