"""What a configuration would change in the register: compared, told, then written as a whole or not at all.

Nothing is deleted. What stands only in the register is kept and said.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Connection, text

from energy.errors import RefusedError
from storage.register.audit import record
from storage.register.consistency import problems
from storage.register.database import RegisterDatabase
from storage.register.facts import Fact, Facts, plain
from storage.register.participants import METERING_POINTS, PARTICIPANTS, PRICES, SHARING_KEYS
from storage.register.parties import PARTIES
from storage.register.people import PEOPLE, USERS
from storage.register.places import COMMUNITIES, DEVICES, SITES

__all__ = ["KINDS", "Change", "Plan", "Wanted", "apply", "compare"]

KINDS: Final[tuple[Facts[Any], ...]] = (
    COMMUNITIES,
    SITES,
    DEVICES,
    PEOPLE,
    USERS,
    PARTICIPANTS,
    METERING_POINTS,
    SHARING_KEYS,
    PRICES,
    PARTIES,
)
Wanted = Mapping[str, Sequence[Fact]]
_LOCK_KEY: Final = 0x706C616E  # "plan"


@dataclass(frozen=True, slots=True)
class Change:
    """One fact that would be added, changed or ended. `before`: only the fields that differ; None for a new one."""

    what: Literal["add", "change", "end"]
    kind: str
    fact: Fact
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """What would happen. `digest` names the register's state and the wish: another state gives another digest."""

    changes: tuple[Change, ...]
    kept: tuple[tuple[str, Fact], ...]
    problems: tuple[str, ...]
    digest: str


def compare(connection: Connection, wanted: Wanted) -> Plan:
    """The plan that makes the register hold what is `wanted` by kind, besides what it holds."""
    changes: list[Change] = []
    kept: list[tuple[str, Fact]] = []
    then: dict[str, list[Fact]] = {}
    seen = hashlib.sha256()
    for facts in KINDS:
        wishes = {(fact.id, fact.valid_from): fact for fact in wanted.get(facts.kind, ())}
        known = {(fact.id, fact.valid_from): fact for fact in facts.all(connection)}
        for fact in (*known.values(), None, *wishes.values()):
            seen.update(json.dumps([facts.kind, fact and _fields(fact)], sort_keys=True).encode())
        changes += [
            change for key, fact in wishes.items() if (change := _change(facts.kind, known.get(key), fact)) is not None
        ]
        kept += [(facts.kind, fact) for key, fact in known.items() if key not in wishes]
        then[facts.kind] = [*({**known, **wishes}).values()]
    return Plan(tuple(changes), tuple(kept), tuple(problems(then)), seen.hexdigest()[:16])


def apply(database: RegisterDatabase, wanted: Wanted, digest: str, *, by: str, why: str, now_ms: int) -> Plan:
    """Writes the plan of that digest in one transaction, each change with its line in the audit.

    Raises RefusedError, and writes nothing, when the register is not what it was or would not be consistent.
    """
    with database.write() as connection:
        if connection.dialect.name == "postgresql":  # whoever compares must be alone until it has written
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        plan = compare(connection, wanted)
        if plan.digest != digest:
            raise RefusedError(
                f"plan {digest} is not what would happen now: register or files have changed",
                hint="make the plan again, read it, and apply that one",
            )
        if plan.problems:
            raise RefusedError("; ".join(plan.problems), hint="correct the files; nothing was written")
        for change in plan.changes:
            facts = next(each for each in KINDS if each.kind == change.kind)
            facts.put(connection, change.fact, now_ms)
            before, after = (_without_person(facts, fields) for fields in (change.before, change.after))
            subject = change.fact.id
            record(connection, now_ms, by, change.what, change.kind, subject, before=before, after=after, why=why)
    return plan


def _change(kind: str, known: Fact | None, wish: Fact) -> Change | None:
    after = _fields(wish)
    if known is None:
        return Change("add", kind, wish, None, after)
    before = _fields(known)
    differs = [name for name in after if before[name] != after[name]]
    if not differs:
        return None
    ends = differs == ["valid_to"] and known.valid_to is None
    was, becomes = ({name: fields[name] for name in differs} for fields in (before, after))
    return Change("end" if ends else "change", kind, wish, was, becomes)


def _fields(fact: Fact) -> dict[str, Any]:
    return {field.name: plain(getattr(fact, field.name)) for field in dataclasses.fields(fact)}


def _without_person(facts: Facts[Any], fields: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if fields is None:
        return None
    personal = facts.personal_fields()
    return {name: "(personal)" if name in personal else value for name, value in fields.items()}
