"""The register's tables as typed classes; their statements are SQLAlchemy Core, the hot ones compiled once."""

from __future__ import annotations

from typing import ClassVar, cast

from sqlalchemy import BigInteger, Double, Integer, LargeBinary, Table, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

__all__ = ["ActRow", "AlertRow", "Base", "CommandRow", "QuarantineRow", "TallyRow", "TrailRow", "table"]


class Base(DeclarativeBase):
    """What all tables share: instants are ms UTC in 64 bits, texts have no length."""

    type_annotation_map: ClassVar = {int: BigInteger, str: Text, bytes: LargeBinary, float: Double}


def table(row: type[Base]) -> Table:
    """The table behind a class."""
    return cast("Table", row.__table__)


class CommandRow(Base):
    """A lease asked of a device, with its renewals: how many were asked, the number of the last confirmed, and when."""

    __tablename__ = "command"

    id: Mapped[str] = mapped_column(primary_key=True)
    device: Mapped[str]
    values_json: Mapped[bytes]
    ttl_s: Mapped[float]
    issued_by: Mapped[str]
    reason: Mapped[str]
    t: Mapped[int]
    state: Mapped[str]
    ends_at: Mapped[int | None]
    asked_until: Mapped[int | None]
    renewals_asked: Mapped[int]
    renewals: Mapped[int]
    renewed_at: Mapped[int | None]


class TrailRow(Base):
    """One step in the life of a command; `renewal`: the number of the one it was told of, 0 for the first."""

    __tablename__ = "trail"

    command: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(primary_key=True)
    t: Mapped[int] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(primary_key=True)
    renewal: Mapped[int]


class AlertRow(Base):
    """An alert as last saved."""

    __tablename__ = "alert"

    id: Mapped[str] = mapped_column(primary_key=True)
    community: Mapped[str]
    severity: Mapped[str]
    state: Mapped[str]
    since: Mapped[int]
    body: Mapped[bytes]


class ActRow(Base):
    """What a person did to an alert."""

    __tablename__ = "alert_act"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    alert: Mapped[str]
    act: Mapped[str]
    t: Mapped[int]
    by: Mapped[str]
    until: Mapped[int | None]
    reason: Mapped[str]


class QuarantineRow(Base):
    """A message that was not taken."""

    __tablename__ = "quarantine"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    digest: Mapped[bytes] = mapped_column(unique=True)
    topic: Mapped[str]
    gateway: Mapped[str | None]
    reason: Mapped[str]
    payload: Mapped[bytes]
    size: Mapped[int]
    first_t: Mapped[int]
    t: Mapped[int]
    count: Mapped[int]


class TallyRow(Base):
    """A count that outlives what it counts."""

    __tablename__ = "tally"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int]
