"""Facts with validity, kept twice in time: when they hold, and when the register knew them. Nothing is overwritten.

`valid_from` and `valid_to` are local days of Europe/Brussels, half-open. A change supersedes the row it corrects and
adds a new one, so what was known on any day can be asked again.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Final, Generic, TypeVar

from pydantic import ConfigDict
from sqlalchemy import BigInteger, ColumnElement, Connection, Integer, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from energy.names import Slug
from storage.register.database import insert
from storage.register.tables import Base, table

__all__ = ["ALWAYS", "PERSONAL", "Fact", "FactRow", "Facts", "overlaps", "plain"]

ALWAYS: Final = date.min  # of a fact whose beginning nobody needs to know
PERSONAL: Final = {"personal": True}  # metadata of fields that say who a person is: never written into the audit


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that holds on the local days [`valid_from`, `valid_to`); None: until further notice."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    id: Slug
    valid_from: date = ALWAYS
    valid_to: date | None = None

    def holds(self, on: date) -> bool:
        """Whether it holds on that local day."""
        return self.valid_from <= on and (self.valid_to is None or on < self.valid_to)


class FactRow(Base):
    """The columns every fact has. `superseded_at` None: this is what the register knows now."""

    __abstract__ = True

    row_id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    id: Mapped[str]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    recorded_at: Mapped[int]
    superseded_at: Mapped[int | None]


_F = TypeVar("_F", bound=Fact)


class Facts(Generic[_F]):
    """One kind of fact: its class, its table, and by field what makes of a column's value the field's, where they differ.

    Every method works inside the caller's transaction.
    """

    def __init__(self, kind: str, record: type[_F], row: type[FactRow], **converters: Callable[[Any], object]) -> None:
        self._converters = {**converters}
        self.kind = kind
        self.record = record
        self.table = table(row)
        self._fields = dataclasses.fields(record)

    def all(self, connection: Connection, *, known_at: int | None = None) -> list[_F]:
        """What is known now, or was known at `known_at` (ms UTC), by id and day."""
        columns = self.table.c
        known: ColumnElement[bool] = columns.superseded_at.is_(None)
        if known_at is not None:
            later = or_(columns.superseded_at.is_(None), columns.superseded_at > known_at)
            known = (columns.recorded_at <= known_at) & later
        wanted = select(*(columns[field.name] for field in self._fields)).where(known)
        found = connection.execute(wanted.order_by(columns.id, columns.valid_from))
        return [self._as_record(row) for row in found]

    def on(self, connection: Connection, day: date, *, known_at: int | None = None) -> dict[str, _F]:
        """What holds on that local day, by id."""
        return {fact.id: fact for fact in self.all(connection, known_at=known_at) if fact.holds(day)}

    def put(self, connection: Connection, fact: _F, now_ms: int) -> None:
        """Adds the fact; what was known of the same id and first day is superseded, not lost."""
        self.withdraw(connection, fact, now_ms)
        values = {field.name: plain(getattr(fact, field.name), days=True) for field in self._fields}
        connection.execute(insert(connection, self.table).values(recorded_at=now_ms, **values))

    def withdraw(self, connection: Connection, fact: Fact, now_ms: int) -> None:
        """What was recorded of that id and first day was wrong: known before `now_ms`, not from then on."""
        columns = self.table.c
        same = (columns.id == fact.id) & (columns.valid_from == fact.valid_from) & columns.superseded_at.is_(None)
        connection.execute(update(self.table).where(same).values(superseded_at=now_ms))

    @property
    def names(self) -> tuple[str, ...]:
        """The fields of the record."""
        return tuple(field.name for field in self._fields)

    def personal_fields(self) -> tuple[str, ...]:
        """The fields that say who a person is."""
        return tuple(field.name for field in self._fields if field.metadata.get("personal"))

    def _as_record(self, row: Any) -> _F:
        values: dict[str, Any] = {}
        for field, value in zip(self._fields, row, strict=True):
            convert = self._converters.get(field.name)
            values[field.name] = convert(value) if convert else value
        return self.record(**values)


def plain(value: Any, *, days: bool = False) -> Any:
    """A field's value as JSON has it; with `days` dates stay dates, as a database has them."""
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Decimal | StrEnum):
        return str(value)
    if isinstance(value, date) and not days:
        return value.isoformat()
    return value


def overlaps(facts: Iterable[Fact]) -> list[tuple[Fact, Fact]]:
    """Neighbours in time of which the later begins before the earlier has ended."""
    ordered: Sequence[Fact] = sorted(facts, key=lambda fact: fact.valid_from)
    return [
        (one, other)
        for one, other in itertools.pairwise(ordered)
        if one.valid_to is None or other.valid_from < one.valid_to
    ]
