"""The audit: who did what, when, to what and why. Both databases refuse to change or delete a line of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, Connection, Integer, Select, select
from sqlalchemy.orm import Mapped, mapped_column

from storage.register.database import insert
from storage.register.tables import Base, table

__all__ = ["AuditEntry", "about", "entries", "record"]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act, at `t` (ms UTC). `before` and `after` hold what changed, never who a person is."""

    t: int
    who: str
    action: str
    kind: str
    subject: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    why: str


class AuditRow(Base):
    """See AuditEntry."""

    __tablename__ = "audit"

    row_id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    t: Mapped[int]
    who: Mapped[str]
    action: Mapped[str]
    kind: Mapped[str]
    subject: Mapped[str]
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    why: Mapped[str]


_AUDIT: Final = table(AuditRow)


def record(
    connection: Connection,
    t: int,
    who: str,
    action: str,
    kind: str,
    subject: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    why: str = "",
) -> None:
    """Adds a line, in the transaction of the act itself: no act without it, no line without the act."""
    values = {"t": t, "who": who, "action": action, "kind": kind, "subject": subject, "why": why}
    connection.execute(insert(connection, _AUDIT).values(**values, before=before, after=after))


def entries(connection: Connection, *, limit: int = 100, subject: str | None = None) -> list[AuditEntry]:
    """The newest lines, newest first; of one subject if given."""
    wanted = _wanted().order_by(_AUDIT.c.row_id.desc()).limit(limit)
    if subject is not None:
        wanted = wanted.where(_AUDIT.c.subject == subject)
    return [AuditEntry(*row) for row in connection.execute(wanted)]


def about(connection: Connection, names: Sequence[str]) -> list[AuditEntry]:
    """Every line of which one of the names is the subject or who acted, oldest first."""
    theirs = _AUDIT.c.subject.in_(names) | _AUDIT.c.who.in_(names)
    return [AuditEntry(*row) for row in connection.execute(_wanted().where(theirs).order_by(_AUDIT.c.row_id))]


def _wanted() -> Select[Any]:
    return select(*(_AUDIT.c[name] for name in ("t", "who", "action", "kind", "subject", "before", "after", "why")))
