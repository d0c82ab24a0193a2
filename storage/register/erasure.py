"""Everything the register holds about a person: given to it as a whole, or taken out of it as far as the law allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, or_, select, update

from energy.errors import RefusedError
from storage.register import audit, curves, reopened, settled_readings
from storage.register.consents import consents, forget_evidence
from storage.register.documents import documents
from storage.register.facts import Facts, plain
from storage.register.keys import forget_names, keys, revoke
from storage.register.month_runs import settled_months
from storage.register.participants import PARTICIPANTS, Participant
from storage.register.parties import PARTIES
from storage.register.people import PEOPLE, USERS
from storage.register.plan import KINDS
from storage.register.tables import ActRow, CommandRow, table

__all__ = ["Ids", "about", "erase", "ids_of"]

_ERASED: Final = "(erased)"
_ALL_MONTHS: Final = 10_000
_DOCUMENT_YEARS: Final = 10  # after the year of issue: Belgian VAT code, article 60


@dataclass(frozen=True, slots=True)
class Ids:
    """Under which names a person stands in the register."""

    person: str
    users: tuple[str, ...]
    participants: tuple[str, ...]

    def has(self, kind: str, fact: Any) -> bool:
        """Whether a fact is about the person: itself, its users, memberships and parties, and what belongs to these."""
        own = {"person": (self.person,), "participant": self.participants, "party": self.participants}
        if fact.id in own.get(kind, ()):
            return True
        return getattr(fact, "person", None) == self.person or getattr(fact, "participant", None) in self.participants


def ids_of(connection: Connection, name: str) -> Ids:
    """Of a user's or a person's id. Raises RefusedError when there is none."""
    users = USERS.all(connection)
    person = next((user.person for user in users if user.id == name), name)
    if not any(one.id == person for one in PEOPLE.all(connection)):
        raise RefusedError(
            f"there is no user and no person {name!r}", hint="`commonwatt users list`, `register export`"
        )
    return Ids(
        person,
        tuple(sorted({user.id for user in users if user.person == person})),
        tuple(sorted({member.id for member in PARTICIPANTS.all(connection) if member.person == person})),
    )


def about(connection: Connection, ids: Ids) -> dict[str, Any]:
    """All of it but quarter-hours, as JSON has it: register, keys, consents, what the person did, statements, documents."""
    communities = sorted({each.community for each in PARTICIPANTS.all(connection) if each.id in ids.participants})
    return {
        "register": {
            facts.kind: [_fields(facts, fact) for fact in facts.all(connection) if ids.has(facts.kind, fact)]
            for facts in KINDS
        },
        "keys": [_without_hash(key) for key in keys(connection, revoked=True) if _owned(key, ids)],
        "consents": [asdict(consent) for consent in consents(connection, ids.person)],
        "audit": [asdict(line) for line in _audit(connection, ids)],
        "acts": _acts(connection, ids),
        "statements": [
            {"version": version, "status": run.status, **msgspec.to_builtins(statement)}
            for community in communities
            for version, run in settled_months(connection, community, _ALL_MONTHS)
            for statement in run.statements
            if statement.member in ids.participants
        ],
        "documents": [
            msgspec.to_builtins(document)
            for community in communities
            for document in documents(connection, community)
            if document.draft.member in ids.participants
        ],
    }


def erase(connection: Connection, ids: Ids, *, by: str, why: str, now_ms: int) -> None:
    """Takes every personal field of a person out of every row, past ones too; ends its users and keys, deletes its curves.

    Statements and documents stay under the pseudonym, and so does whom documents were addressed to, as long as these
    must be kept: the law asks for them. Raises RefusedError while it is a member.
    """
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    standing = next((one for one in PARTICIPANTS.all(connection) if _is_member(one, ids, today)), None)
    if standing is not None:
        raise RefusedError(
            f"{standing.id} is a member of {standing.community} until {standing.valid_to or 'further notice'}",
            hint="write the `valid_to` of its membership, and erase after it: what is settled needs to know whose it is",
        )
    for facts in KINDS:
        _blank(connection, facts, ids, now_ms)
    for user in USERS.all(connection):
        if user.id in ids.users and not user.disabled:
            USERS.put(connection, replace(user, disabled=True), now_ms)
    for key in keys(connection):
        if _owned(key, ids):
            revoke(connection, key.name, by=by, now_ms=now_ms, why="its person is erased")
    forget_names(connection, ids.users)
    forget_evidence(connection, ids.person)
    for community, month in curves.months_of(connection, ids.participants):
        reopened.close(connection, community, month)  # late readings that wait for a correction are the person's, too
        settled_readings.forget(connection, community, month)
    parts = curves.forget(connection, ids.participants)
    audit.record(connection, now_ms, by, "erase", "person", ids.person, after={"curves": parts}, why=why)


def _is_member(member: Participant, ids: Ids, today: date) -> bool:
    return member.id in ids.participants and (member.valid_to is None or today < member.valid_to)


def _blank(connection: Connection, facts: Facts[Any], ids: Ids, now_ms: int) -> None:
    personal = facts.personal_fields()
    if not personal:
        return
    columns = facts.table.c
    whose: list[ColumnElement[bool]] = []
    if facts is PEOPLE:
        whose.append(columns.id == ids.person)
    if facts is PARTIES:
        whose.append(columns.id.in_(_without_documents(connection, ids, now_ms)))
    if "person" in columns:
        whose.append(columns.person == ids.person)
    if "participant" in columns:
        whose.append(columns.participant.in_(ids.participants))
    if not whose:
        return
    blank = {name: None if columns[name].nullable else "" for name in personal}
    if "name" in blank:
        blank["name"] = _ERASED
    if facts is PEOPLE:
        blank["language"] = "fr"
    connection.execute(update(facts.table).where(or_(*whose)).values(**blank))


def _without_documents(connection: Connection, ids: Ids, now_ms: int) -> list[str]:
    """The participants to whom no document was issued that must be kept still."""
    year = datetime.fromtimestamp(now_ms / 1000, UTC).year
    communities = {each.community for each in PARTICIPANTS.all(connection) if each.id in ids.participants}
    named = {
        document.draft.member
        for community in communities
        for document in documents(connection, community)
        if document.issued.year + _DOCUMENT_YEARS >= year
    }
    return [member for member in ids.participants if member not in named]


def _owned(key: Any, ids: Ids) -> bool:
    return key.owner in ids.users or bool(key.participants and set(key.participants) <= set(ids.participants))


def _without_hash(key: Any) -> dict[str, Any]:
    return {name: value for name, value in asdict(key).items() if name != "sha256"}


def _fields(facts: Facts[Any], fact: Any) -> dict[str, Any]:
    return {name: plain(getattr(fact, name)) for name in facts.names}


def _audit(connection: Connection, ids: Ids) -> Sequence[audit.AuditEntry]:
    own = (ids.person, *ids.users, *ids.participants)
    return audit.about(connection, own)


def _acts(connection: Connection, ids: Ids) -> Mapping[str, Any]:
    """What the person's users did to alerts and devices."""
    act, command = table(ActRow), table(CommandRow)
    done = select(act.c.alert, act.c.act, act.c.t, act.c.reason).where(act.c.by.in_(ids.users))
    asked = select(command.c.id, command.c.device, command.c.t, command.c.reason)
    return {
        "alerts": [dict(row) for row in connection.execute(done).mappings()],
        "commands": [
            dict(row) for row in connection.execute(asked.where(command.c.issued_by.in_(ids.users))).mappings()
        ],
    }
