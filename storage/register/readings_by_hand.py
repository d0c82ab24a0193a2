"""Meters read by hand, as entered and corrected: nothing is overwritten, each entry has its line in the audit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, Integer, select, update
from sqlalchemy.orm import Mapped, mapped_column

from energy.buildings.index import IndexMeter, IndexReading, check_reading
from energy.errors import DataError
from storage.register import audit
from storage.register.database import insert
from storage.register.tables import Base, table

__all__ = ["Entry", "enter", "entries", "known_readings"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A reading with who entered it, when (ms UTC) and what was noted."""

    site: str
    meter: str
    reading: IndexReading
    by: str
    note: str
    recorded_at: int


class IndexReadingRow(Base):
    """See Entry. `superseded_at` None: this is what counts now. Indexes are decimals as they were read."""

    __tablename__ = "index_reading"

    row_id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    site: Mapped[str]
    meter: Mapped[str]
    day: Mapped[date]
    index_read: Mapped[str]
    exchanged_to: Mapped[str | None]
    rolled: Mapped[bool]
    confirmed: Mapped[bool]
    by: Mapped[str]
    note: Mapped[str]
    recorded_at: Mapped[int]
    superseded_at: Mapped[int | None]


_ROWS: Final = table(IndexReadingRow)


def entries(connection: Connection, sites: Sequence[str] | None = None, *, known_at: int | None = None) -> list[Entry]:
    """What counts now, or counted at `known_at` (ms UTC), by site, meter and day; of all sites when None."""
    columns = _ROWS.c
    wanted = select(_ROWS).order_by(columns.site, columns.meter, columns.day)
    if known_at is None:
        wanted = wanted.where(columns.superseded_at.is_(None))
    else:
        later = columns.superseded_at.is_(None) | (columns.superseded_at > known_at)
        wanted = wanted.where((columns.recorded_at <= known_at) & later)
    if sites is not None:
        wanted = wanted.where(columns.site.in_(sites))
    return [_entry(row) for row in connection.execute(wanted)]


def known_readings(connection: Connection, site: str, meter: str) -> list[IndexReading]:
    """The readings of a meter that count now, by day."""
    same = (_ROWS.c.site == site) & (_ROWS.c.meter == meter) & _ROWS.c.superseded_at.is_(None)
    return [_entry(row).reading for row in connection.execute(select(_ROWS).where(same).order_by(_ROWS.c.day))]


def enter(
    connection: Connection,
    site: str,
    meter: IndexMeter,
    reading: IndexReading,
    *,
    today: date,
    by: str,
    note: str,
    now_ms: int,
    corrects: bool = False,
) -> Entry:
    """Keeps a reading, in the caller's transaction; `corrects`: in place of the one of that day.

    Raises DataError for one that cannot be, ImplausibleError for one that has to be confirmed.
    """
    known = known_readings(connection, site, meter.id)
    before = next((one for one in known if one.day == reading.day), None)
    if corrects and before is None:
        raise DataError(
            f"{meter.id} has no reading of {reading.day} to correct", field="corrects", hint="leave `corrects` out"
        )
    if corrects and not note.strip():
        raise DataError("a correction needs its reason", field="note", hint="say what was wrong")
    if reading.confirmed and not note.strip():
        raise DataError("a confirmed reading needs its reason", field="note", hint="say why it is right")
    others = [one for one in known if one is not before] if corrects else known
    check_reading(meter, others, reading, today)
    if before is not None:
        same = (_ROWS.c.site == site) & (_ROWS.c.meter == meter.id) & (_ROWS.c.day == reading.day)
        open_ = _ROWS.c.superseded_at.is_(None)
        connection.execute(update(_ROWS).where(same & open_).values(superseded_at=now_ms))
    values = {**_plain(reading), "site": site, "meter": meter.id, "by": by, "note": note, "recorded_at": now_ms}
    connection.execute(insert(connection, _ROWS).values(**values, superseded_at=None))
    audit.record(
        connection,
        now_ms,
        by,
        "correct" if corrects else "enter",
        "index_reading",
        f"{site}/{meter.id}",
        before=None if before is None else _told(before),
        after=_told(reading),
        why=note,
    )
    return Entry(site, meter.id, reading, by, note, now_ms)


def _plain(reading: IndexReading) -> dict[str, Any]:
    return {
        "day": reading.day,
        "index_read": str(reading.index),
        "exchanged_to": None if reading.exchanged_to is None else str(reading.exchanged_to),
        "rolled": reading.rolled,
        "confirmed": reading.confirmed,
    }


def _told(reading: IndexReading) -> dict[str, Any]:
    return {**_plain(reading), "day": reading.day.isoformat()}


def _entry(row: Any) -> Entry:
    reading = IndexReading(
        day=row.day,
        index=Decimal(row.index_read),
        exchanged_to=None if row.exchanged_to is None else Decimal(row.exchanged_to),
        rolled=row.rolled,
        confirmed=row.confirmed,
    )
    return Entry(row.site, row.meter, reading, row.by, row.note, row.recorded_at)
