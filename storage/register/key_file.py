"""Takes over the file in which API keys lay before the register had them: once, with every key as it was."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from energy.errors import ConfigError
from storage.register.database import RegisterDatabase
from storage.register.keys import ApiKey, add, keys
from storage.register.roles import AccessRole

__all__ = ["take_over"]

log = logging.getLogger(__name__)


def take_over(database: RegisterDatabase, path: Path, now_ms: int) -> int:
    """Brings the keys of the file into the register and sets it aside as `NAME.taken-over`; gives how many were new.

    A key the register knows, or knew until it was revoked, stays as it is there. Without a file nothing is done.
    Raises ConfigError when it is no key file, StoreError.
    """
    if not path.exists():
        return 0
    wanted = list(_parse(path))
    with database.write() as connection:
        new = _add(connection, wanted, str(path), now_ms)
    aside = path.with_name(f"{path.name}.taken-over")
    try:
        path.replace(aside)
    except FileNotFoundError:
        pass  # another process did it at the same moment
    except OSError as error:
        log.warning("%s: its keys are in the register now, it can be removed (%s)", path, error.strerror)
    if new:
        log.info("%d API keys were taken over from %s into the register", new, path)
    return new


def _add(connection: Connection, wanted: list[ApiKey], origin: str, now_ms: int) -> int:
    known = {key.sha256 for key in keys(connection, revoked=True)}
    names = {key.name for key in keys(connection)}
    new = [key for key in wanted if key.sha256 not in known]
    for key in new:
        if key.name in names:
            raise ConfigError(
                f"has a key {key.name!r}, and the register another of that name",
                file=origin,
                hint=f"`commonwatt keys revoke` the register's, or take {key.name!r} out of the file",
            )
        add(connection, key, by=key.created_by, why=f"taken over from {Path(origin).name}", now_ms=now_ms)
        names.add(key.name)
    return len(new)


def _parse(path: Path) -> Iterator[ApiKey]:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        for entry in content["keys"]:
            yield ApiKey(
                name=str(entry["name"]),
                role=AccessRole(entry["role"]),
                communities=tuple(str(community) for community in entry["communities"]),
                sha256=str(entry["sha256"]),
                created=int(entry["created"]),
                created_by=path.name,
            )
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(path), hint="check its owner") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"is no key file: {error}", file=str(path), hint="restore it, or remove it and create the keys again"
        ) from error
