"""Months that late readings have reopened: who would be charged otherwise, and the readings until a correction is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import Connection, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from energy.settlement.late import LateChange, LatePoint
from storage.register.database import insert
from storage.register.tables import Base, table

__all__ = ["Reopened", "body_of", "close", "put", "reopened"]


class ReopenedRow(Base):
    """See Reopened; `body`: the late readings, as energy.settlement.late packs them."""

    __tablename__ = "reopened"

    community: Mapped[str] = mapped_column(primary_key=True)
    month: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    at: Mapped[int]
    by: Mapped[str]
    changes: Mapped[bytes]
    late: Mapped[bytes | None]
    body: Mapped[bytes]


@dataclass(frozen=True, slots=True)
class Reopened:
    """A closed month whose last version, `version`, late readings contradict; found at `at` (ms UTC) by `by`.

    `quarters`: of so many quarter-hours a reading is another, of which of `points`; 0 and none where it is not known which.
    """

    community: str
    month: str
    version: int
    at: int
    by: str
    changes: tuple[LateChange, ...]
    quarters: int = 0
    points: tuple[LatePoint, ...] = ()


_REOPENED: Final = table(ReopenedRow)
_FIELDS: Final = ("community", "month", "version", "at", "by", "changes")


def reopened(connection: Connection, community: str, month: str | None = None) -> list[Reopened]:
    """The community's reopened months, or that one, by time."""
    wanted = select(*(_REOPENED.c[name] for name in (*_FIELDS, "late"))).where(_REOPENED.c.community == community)
    if month is not None:
        wanted = wanted.where(_REOPENED.c.month == month)
    found = []
    for row in connection.execute(wanted.order_by(_REOPENED.c.month)):
        changes = msgspec.json.decode(row.changes, type=tuple[LateChange, ...])
        late = (0, ()) if row.late is None else msgspec.json.decode(row.late, type=tuple[int, tuple[LatePoint, ...]])
        found.append(Reopened(row.community, row.month, row.version, row.at, row.by, changes, *late))
    return found


def body_of(connection: Connection, community: str, month: str) -> bytes | None:
    """The late readings of a month; None: it is not reopened."""
    own = (_REOPENED.c.community == community) & (_REOPENED.c.month == month)
    found: bytes | None = connection.execute(select(_REOPENED.c.body).where(own)).scalar_one_or_none()
    return found


def put(connection: Connection, of: Reopened, body: bytes) -> None:
    """Keeps it in place of what reopened the month before."""
    close(connection, of.community, of.month)
    values = {name: getattr(of, name) for name in _FIELDS} | {
        "changes": msgspec.json.encode(of.changes),
        "late": msgspec.json.encode((of.quarters, of.points)),
        "body": body,
    }
    connection.execute(insert(connection, _REOPENED).values(values))


def close(connection: Connection, community: str, month: str) -> None:
    """The month is as its last version says."""
    connection.execute(delete(_REOPENED).where(_REOPENED.c.community == community, _REOPENED.c.month == month))
