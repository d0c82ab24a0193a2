"""Invoices, remunerations and credit notes as they were issued: one sequence a year and community, without a gap."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import msgspec
from sqlalchemy import Connection, func, select
from sqlalchemy.orm import Mapped, mapped_column

from energy.errors import RefusedError
from energy.settlement.documents import Document, Draft, numbered
from storage.register.database import insert
from storage.register.tables import Base, table

__all__ = ["documents", "issue", "month_of"]


class DocumentRow(Base):
    """A Document; `body` is its JSON, `version` that of the run it came from."""

    __tablename__ = "document"

    community: Mapped[str] = mapped_column(primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[str]
    kind: Mapped[str]
    member: Mapped[str]
    month: Mapped[str]
    version: Mapped[int]
    body: Mapped[bytes]
    created: Mapped[int]


_DOCUMENT: Final = table(DocumentRow)


def issue(
    connection: Connection,
    community: str,
    version: int,
    drafts: Sequence[Draft],
    *,
    issued: date,
    due_days: int,
    now_ms: int,
) -> list[Document]:
    """Numbers the drafts and keeps them, in the caller's transaction: when it fails no number is used up.

    Raises RefusedError when the day lies before the last document's: numbers follow the days.
    """
    of_community = _DOCUMENT.c.community == community
    last = connection.execute(
        select(_DOCUMENT.c.body)
        .where(of_community)
        .order_by(_DOCUMENT.c.year.desc(), _DOCUMENT.c.sequence.desc())
        .limit(1)
    ).scalar()
    if last is not None and (before := msgspec.json.decode(last, type=Document)).issued > issued:
        raise RefusedError(
            f"{before.number} was issued on {before.issued}, later than {issued}", hint="issue from that day on"
        )
    # two processes that issue at once get the same number: the database refuses the second, nothing of it is kept
    used = select(func.coalesce(func.max(_DOCUMENT.c.sequence), 0)).where(of_community, _DOCUMENT.c.year == issued.year)
    sequence = connection.execute(used).scalar_one()
    made = [numbered(draft, issued.year, sequence + place, issued, due_days) for place, draft in enumerate(drafts, 1)]
    for place, document in enumerate(made, 1):
        row = {
            "community": community,
            "year": issued.year,
            "sequence": sequence + place,
            "number": document.number,
            "kind": document.draft.kind,
            "member": document.draft.member,
            "month": document.draft.month,
            "version": version,
            "body": msgspec.json.encode(document),
            "created": now_ms,
        }
        connection.execute(insert(connection, _DOCUMENT).values(**row))
    return made


def documents(connection: Connection, community: str, month: str | None = None) -> list[Document]:
    """All of a community, or of one month, by number."""
    wanted = select(_DOCUMENT.c.body).where(_DOCUMENT.c.community == community)
    if month is not None:
        wanted = wanted.where(_DOCUMENT.c.month == month)
    found = connection.execute(wanted.order_by(_DOCUMENT.c.year, _DOCUMENT.c.sequence))
    return [msgspec.json.decode(body, type=Document) for (body,) in found]


def month_of(connection: Connection, community: str, number: str) -> str | None:
    """The month a document is about; None: there is no such number."""
    wanted = select(_DOCUMENT.c.month).where(_DOCUMENT.c.community == community, _DOCUMENT.c.number == number)
    found: str | None = connection.execute(wanted).scalar()
    return found
