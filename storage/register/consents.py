"""Consents: who agreed to which use of its data, on what evidence, and when that ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import BigInteger, Connection, Integer, select, update
from sqlalchemy.orm import Mapped, mapped_column

from energy.errors import RefusedError
from storage.register.database import insert
from storage.register.tables import Base, table

__all__ = ["Consent", "Purpose", "consents", "forget_evidence", "give", "stands", "withdraw"]


class Purpose(StrEnum):
    """What the program itself does with a person's data only by consent. Others may be kept beside these."""

    CURVE = "curve"  # the community's managers look at its quarter-hours
    RESEARCH = "research"  # its quarter-hours are given to researchers, under the pseudonym


@dataclass(frozen=True, slots=True)
class Consent:
    """A person's consent to one purpose; instants are ms UTC, `withdrawn_at` None while it stands."""

    person: str
    purpose: str
    given_at: int
    evidence: str
    withdrawn_at: int | None = None


class ConsentRow(Base):
    """See Consent."""

    __tablename__ = "consent"

    row_id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    person: Mapped[str]
    purpose: Mapped[str]
    given_at: Mapped[int]
    evidence: Mapped[str]
    withdrawn_at: Mapped[int | None]


_CONSENT: Final = table(ConsentRow)


def give(connection: Connection, person: str, purpose: str, evidence: str, now_ms: int) -> None:
    """Keeps a consent. Raises RefusedError when the same one stands already or no evidence is named."""
    if not evidence.strip():
        raise RefusedError("a consent needs its evidence", hint="name the form, its date and where it lies")
    if any(one.withdrawn_at is None and one.purpose == purpose for one in consents(connection, person)):
        raise RefusedError(f"{person} has consented to {purpose!r} already", hint="withdraw it first to renew it")
    values = {"person": person, "purpose": purpose, "given_at": now_ms, "evidence": evidence}
    connection.execute(insert(connection, _CONSENT).values(**values))


def withdraw(connection: Connection, person: str, purpose: str, now_ms: int) -> None:
    """Ends a consent; that it stood stays. Raises RefusedError when there is none."""
    standing = (_CONSENT.c.person == person) & (_CONSENT.c.purpose == purpose) & _CONSENT.c.withdrawn_at.is_(None)
    if connection.execute(update(_CONSENT).where(standing).values(withdrawn_at=now_ms)).rowcount == 0:
        raise RefusedError(
            f"{person} has given no consent to {purpose!r} that stands", hint="`commonwatt users consents` lists them"
        )


def stands(connection: Connection, person: str | None, purpose: str) -> bool:
    """Whether that person consents now."""
    return person is not None and any(
        one.purpose == purpose and one.withdrawn_at is None for one in consents(connection, person)
    )


def consents(connection: Connection, person: str) -> list[Consent]:
    """All consents of a person, in the order they were given."""
    fields = (_CONSENT.c[name] for name in ("person", "purpose", "given_at", "evidence", "withdrawn_at"))
    wanted = select(*fields).where(_CONSENT.c.person == person).order_by(_CONSENT.c.row_id)
    return [Consent(*row) for row in connection.execute(wanted)]


def forget_evidence(connection: Connection, person: str) -> None:
    """Takes the evidence, which names the person, out of its consents; purposes and times stay."""
    connection.execute(update(_CONSENT).where(_CONSENT.c.person == person).values(evidence="(erased)"))
