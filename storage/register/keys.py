"""API keys: hashed, scoped to a role and places, of a user or of a machine; made, revoked, never deleted.

A key is 256 random bits, so a single SHA-256 keeps it as safe as a slow hash would a password, and costs no request
anything. The prefix `cw_` lets secret scanners find a leaked one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, Connection, Integer, select, update
from sqlalchemy.orm import Mapped, mapped_column

from energy.errors import RefusedError
from storage.register import audit
from storage.register.database import insert
from storage.register.facts import plain
from storage.register.people import USERS
from storage.register.roles import AccessRole, scope_problem
from storage.register.tables import Base, TallyRow, table

__all__ = ["EVERYWHERE", "ApiKey", "access_version", "add", "create", "forget_names", "keys", "revoke", "sha256_of"]

PREFIX: Final = "cw_"
EVERYWHERE: Final = "*"
_LONGEST_NAME: Final = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as it is kept; instants are ms UTC. `sha256`: of the whole plaintext.

    `owner`: the user whose key it is, None for a machine's. A user's key never may more than the user; without scopes of
    its own it may all that the user may.
    """

    name: str
    role: AccessRole
    sha256: str
    communities: tuple[str, ...] = ()
    municipalities: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    participants: tuple[str, ...] = ()
    owner: str | None = None
    created: int
    created_by: str
    expires: int | None = None
    revoked: int | None = None
    revoked_by: str | None = None

    @property
    def scope(self) -> tuple[str, ...]:
        """Everything it is scoped to, for people to read."""
        return (*self.communities, *self.municipalities, *self.sites, *self.participants)


class ApiKeyRow(Base):
    """See ApiKey."""

    __tablename__ = "api_key"

    row_id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    name: Mapped[str]
    sha256: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    communities: Mapped[list[str]] = mapped_column(JSON)
    municipalities: Mapped[list[str]] = mapped_column(JSON)
    sites: Mapped[list[str]] = mapped_column(JSON)
    participants: Mapped[list[str]] = mapped_column(JSON)
    owner: Mapped[str | None]
    created: Mapped[int]
    created_by: Mapped[str]
    expires: Mapped[int | None]
    revoked: Mapped[int | None]
    revoked_by: Mapped[str | None]


_KEY: Final = table(ApiKeyRow)
_TALLY: Final = table(TallyRow)
_FIELDS: Final = tuple(field.name for field in dataclasses.fields(ApiKey))
_AUDITED: Final = ("role", "communities", "municipalities", "sites", "participants", "owner", "expires")


def keys(connection: Connection, *, revoked: bool = False) -> list[ApiKey]:
    """The keys that stand, by name; with `revoked` those that did, too."""
    wanted = select(*(_KEY.c[name] for name in _FIELDS)).order_by(_KEY.c.name, _KEY.c.row_id)
    if not revoked:
        wanted = wanted.where(_KEY.c.revoked.is_(None))
    return [_as_key(row) for row in connection.execute(wanted).mappings()]


def create(
    connection: Connection,
    name: str,
    role: AccessRole | str,
    *,
    by: str,
    now_ms: int,
    why: str = "",
    owner: str | None = None,
    expires: int | None = None,
    **scope: Sequence[str],
) -> str:
    """Adds a key and returns its plaintext, which is kept nowhere. `scope`: ids by the names of ApiKey's fields.

    Raises RefusedError: the name is taken, the scope does not fit the role, the owner is unknown or ended.
    """
    wanted: dict[str, Any] = {kind: tuple(ids) for kind, ids in scope.items()}
    checked = _role(role)
    _check(connection, name, checked, owner, wanted)
    plaintext = PREFIX + secrets.token_urlsafe(32)
    key = ApiKey(
        name=name,
        role=checked,
        sha256=sha256_of(plaintext),
        owner=owner,
        created=now_ms,
        created_by=by,
        expires=expires,
        **wanted,
    )
    add(connection, key, by=by, why=why, now_ms=now_ms)
    return plaintext


def add(connection: Connection, key: ApiKey, *, by: str, why: str, now_ms: int) -> None:
    """Keeps a key whose plaintext somebody has already, with its line in the audit."""
    values = {name: plain(getattr(key, name)) for name in _FIELDS}
    connection.execute(insert(connection, _KEY).values(**values))
    told = {name: values[name] for name in _AUDITED if values[name]}
    audit.record(connection, now_ms, by, "create", "key", key.name, after=told, why=why)


def revoke(connection: Connection, name: str, *, by: str, now_ms: int, why: str = "") -> bool:
    """Ends the key of that name; False when none stands. That it stood is kept."""
    standing = (_KEY.c.name == name) & _KEY.c.revoked.is_(None)
    done = connection.execute(update(_KEY).where(standing).values(revoked=now_ms, revoked_by=by))
    if done.rowcount == 0:
        return False
    audit.record(connection, now_ms, by, "revoke", "key", name, why=why)
    return True


def forget_names(connection: Connection, owners: Sequence[str]) -> None:
    """Calls the keys of these users by their users' ids: what people wrote there may say who they are."""
    connection.execute(
        update(_KEY).where(_KEY.c.owner.in_(owners), _KEY.c.revoked.is_not(None)).values(name=_KEY.c.owner)
    )


def access_version(connection: Connection) -> int:
    """Rises with every change of keys, users and participants, whoever makes it: triggers count."""
    return int(connection.execute(select(_TALLY.c.value).where(_TALLY.c.name == "access")).scalar_one())


def sha256_of(plaintext: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(plaintext.encode("utf-8", "surrogateescape")).hexdigest()


def _check(
    connection: Connection, name: str, role: AccessRole, owner: str | None, scope: Mapping[str, tuple[str, ...]]
) -> None:
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise RefusedError(
            f"a key's name must have 1 to {_LONGEST_NAME} printable characters", hint="name what uses it"
        )
    if any(key.name == name for key in keys(connection)):
        raise RefusedError(f"there is a key named {name!r} already", hint="revoke it, or take another name")
    wrong = scope_problem(role, scope)
    if wrong is not None:
        raise RefusedError(wrong, hint="give the scope that belongs to the role, or another role")
    if owner is None:
        if not any(scope.values()):
            raise RefusedError("a key must be for some place", hint="give ids, or * for all communities")
        return
    users = [user for user in USERS.all(connection) if user.id == owner]
    if not users or all(user.disabled for user in users):
        raise RefusedError(f"there is no active user {owner!r}", hint="`commonwatt users list` shows them")


def _role(role: AccessRole | str) -> AccessRole:
    try:
        return AccessRole(role)
    except ValueError:
        raise RefusedError(f"{role!r} is no role", hint=f"one of {', '.join(AccessRole)}") from None


def _as_key(row: Any) -> ApiKey:
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    return ApiKey(**values | {"role": AccessRole(row["role"])})
