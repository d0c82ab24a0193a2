"""Members' settled quarter-hours under their pseudonyms: the last final state of each month, gone when a member is erased."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from sqlalchemy import ColumnElement, Connection, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from energy.quarters import QUARTER_MS
from energy.settlement.curves import COLUMNS, Curve
from storage.register.database import insert
from storage.register.tables import Base, table

__all__ = ["forget", "keep", "months_of", "of_community", "of_participants"]

_NUMBER: Final = np.dtype("<i4")
_LONGEST_MS: Final = 32 * 86_400_000  # a month's, so that what may reach into a period is found by its start


class CurveRow(Base):
    """A Curve of a settled month; `body`: its values by column, 32 bits each, deflated."""

    __tablename__ = "curve"

    community: Mapped[str] = mapped_column(primary_key=True)
    month: Mapped[str] = mapped_column(primary_key=True)
    point: Mapped[str] = mapped_column(primary_key=True)
    participant: Mapped[str] = mapped_column(primary_key=True)
    start: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int]
    body: Mapped[bytes]


_CURVE: Final = table(CurveRow)


def keep(connection: Connection, community: str, month: str, version: int, curves: Sequence[Curve]) -> None:
    """Puts the curves of a month's version in the place of those of the version before."""
    old = (_CURVE.c.community == community) & (_CURVE.c.month == month)
    connection.execute(delete(_CURVE).where(old))
    rows = [
        {
            "community": community,
            "month": month,
            "point": curve.point,
            "participant": curve.member,
            "start": curve.start,
            "version": version,
            "body": zlib.compress(np.ascontiguousarray(curve.values, dtype=_NUMBER).tobytes(), 1),
        }
        for curve in curves
    ]
    if rows:
        connection.execute(insert(connection, _CURVE), rows)


def of_participants(connection: Connection, participants: Sequence[str], start: int, end: int) -> list[Curve]:
    """Their quarter-hours in [start, end), ms UTC, by point and time."""
    return _read(connection, _CURVE.c.participant.in_(participants), start, end)


def of_community(connection: Connection, community: str, start: int, end: int) -> list[Curve]:
    """Everybody's quarter-hours in [start, end), ms UTC, by point and time."""
    return _read(connection, _CURVE.c.community == community, start, end)


def months_of(connection: Connection, participants: Sequence[str]) -> list[tuple[str, str]]:
    """(community, month) of every settled month in which one of them has a curve."""
    wanted = select(_CURVE.c.community, _CURVE.c.month).where(_CURVE.c.participant.in_(participants)).distinct()
    return [(row.community, row.month) for row in connection.execute(wanted)]


def forget(connection: Connection, participants: Sequence[str]) -> int:
    """Deletes their quarter-hours; gives how many parts of months there were."""
    return connection.execute(delete(_CURVE).where(_CURVE.c.participant.in_(participants))).rowcount


def _read(connection: Connection, whose: ColumnElement[bool], start: int, end: int) -> list[Curve]:
    columns = (_CURVE.c.participant, _CURVE.c.point, _CURVE.c.start, _CURVE.c.body)
    near = (_CURVE.c.start < end) & (_CURVE.c.start > start - _LONGEST_MS)
    wanted = select(*columns).where(whose, near).order_by(_CURVE.c.point, _CURVE.c.start)
    cut = (_cut(row, start, end) for row in connection.execute(wanted))
    return [curve for curve in cut if curve.values.shape[1]]


def _cut(row: Any, start: int, end: int) -> Curve:
    values = np.frombuffer(zlib.decompress(row.body), dtype=_NUMBER).reshape(len(COLUMNS), -1)
    first = max(0, -(-(start - row.start) // QUARTER_MS))
    last = min(values.shape[1], -(-(end - row.start) // QUARTER_MS))
    return Curve(row.participant, row.point, row.start + first * QUARTER_MS, values[:, first : max(first, last)])
