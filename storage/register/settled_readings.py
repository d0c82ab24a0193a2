"""The readings that a closed month was settled by, until it is corrected: what late ones are compared with."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, select, update
from sqlalchemy.orm import Mapped, mapped_column

from energy.settlement.late import packed, unpacked
from energy.sharing.settlement import QuarterReadings
from storage.register.database import insert
from storage.register.tables import Base, table

__all__ = ["Seen", "forget", "keep", "looked", "meters_of", "readings_of", "seen"]


class SettledReadingsRow(Base):
    """`body`: the readings as energy.settlement.late packs them. `meters`, `seen`: see Seen."""

    __tablename__ = "settled_readings"

    community: Mapped[str] = mapped_column(primary_key=True)
    month: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    body: Mapped[bytes]
    meters: Mapped[bytes | None]
    seen: Mapped[str | None]


class Seen(NamedTuple):
    """A closed month whose readings are kept: `mark` names what the sites' meters told at the last look; None: none yet."""

    month: str
    version: int
    mark: str | None


_KEPT: Final = table(SettledReadingsRow)


def keep(connection: Connection, community: str, month: str, version: int, readings: QuarterReadings) -> None:
    """In the place of those of the version before."""
    forget(connection, community, month)
    values = {"community": community, "month": month, "version": version, "body": packed(readings)}
    connection.execute(insert(connection, _KEPT).values(values))


def readings_of(connection: Connection, community: str, month: str) -> QuarterReadings | None:
    """None: they are not kept, or not any more."""
    found = connection.execute(select(_KEPT.c.body).where(_own(community, month))).scalar_one_or_none()
    return None if found is None else unpacked(found)


def seen(connection: Connection, community: str, months: int) -> list[Seen]:
    """The newest months, the newest first."""
    wanted = select(_KEPT.c.month, _KEPT.c.version, _KEPT.c.seen).where(_KEPT.c.community == community)
    rows = connection.execute(wanted.order_by(_KEPT.c.month.desc()).limit(months))
    return [Seen(row.month, row.version, row.seen) for row in rows]


def meters_of(connection: Connection, community: str, month: str) -> QuarterReadings | None:
    """What the sites' meters told at the first look after the month was closed; None: none yet."""
    found = connection.execute(select(_KEPT.c.meters).where(_own(community, month))).scalar_one_or_none()
    return None if found is None else unpacked(found)


def looked(connection: Connection, community: str, of: Seen, mark: str, first: QuarterReadings | None = None) -> None:
    """A look at that version was taken; `first`: what the meters told at the first one. Nothing where it is another now."""
    values = {"seen": mark} | ({} if first is None else {"meters": packed(first)})
    same = _own(community, of.month) & (_KEPT.c.version == of.version)
    connection.execute(update(_KEPT).where(same).values(values))


def forget(connection: Connection, community: str, month: str) -> None:
    """The month's readings are kept no more."""
    connection.execute(delete(_KEPT).where(_own(community, month)))


def _own(community: str, month: str) -> ColumnElement[bool]:
    return (_KEPT.c.community == community) & (_KEPT.c.month == month)
