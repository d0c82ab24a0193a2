"""What must hold between the facts of a register: known references, no two at once, one key per community and day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Any

from storage.register.facts import Fact, overlaps
from storage.register.roles import AccessRole, scope_problem

__all__ = ["problems"]

# (kind, field, kind it names)
_REFERENCES = (
    ("site", "community", "community"),
    ("device", "site", "site"),
    ("user", "person", "person"),
    ("participant", "community", "community"),
    ("participant", "person", "person"),
    ("metering_point", "participant", "participant"),
    ("metering_point", "site", "site"),
    ("sharing_key", "community", "community"),
    ("price", "community", "community"),
)
_SCOPES = (("communities", "community"), ("sites", "site"))


def problems(facts: Mapping[str, Sequence[Any]]) -> list[str]:
    """Everything wrong with the facts, by kind, each as a sentence that begins with the id it is about."""
    found = [
        *_backwards(facts),
        *_twice(facts),
        *_unknown(facts),
        *_unknown_scopes(facts),
        *_keys(facts),
        *_without_basis(facts),
        *_misplaced_roles(facts),
        *_shared_logins(facts),
        *_parties(facts),
    ]
    return list(dict.fromkeys(found))


def _backwards(facts: Mapping[str, Sequence[Fact]]) -> Iterator[str]:
    for kind, each in facts.items():
        for fact in each:
            if fact.valid_to is not None and fact.valid_to <= fact.valid_from:
                yield f"{fact.id}: {kind}.valid_to {fact.valid_to} must lie after valid_from {fact.valid_from}"


def _twice(facts: Mapping[str, Sequence[Fact]]) -> Iterator[str]:
    for kind, each in facts.items():
        for fact_id, same in groupby(sorted(each, key=lambda fact: fact.id), key=lambda fact: fact.id):
            for one, other in overlaps(same):
                yield f"{fact_id}: {kind} from {_day(one.valid_from)} overlaps the one from {_day(other.valid_from)}"


def _unknown(facts: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    for kind, field, named in _REFERENCES:
        for fact in facts.get(kind, ()):
            target = getattr(fact, field)
            if target is None:
                continue
            known = [other for other in facts.get(named, ()) if other.id == target]
            if not known:
                yield f"{fact.id}: {kind}.{field} names {target!r}, which is no {named}"
            elif not _covered(fact, known):
                yield f"{fact.id}: {kind}.{field} names {target!r}, which does not hold on all its days"


def _covered(fact: Fact, others: Sequence[Fact]) -> bool:
    """Whether the others, together, hold on every day of the fact."""
    day = fact.valid_from
    end = fact.valid_to or date.max
    for other in sorted(others, key=lambda each: each.valid_from):
        if other.valid_from <= day:
            day = max(day, other.valid_to or date.max)
    return day >= end


def _unknown_scopes(facts: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    for field, named in _SCOPES:
        known = {fact.id for fact in facts.get(named, ())} | {"*"}
        for user in facts.get("user", ()):
            for target in getattr(user, field):
                if target not in known:
                    yield f"{user.id}: user.{field} names {target!r}, which is no {named}"


def _keys(facts: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    keys = sorted(facts.get("sharing_key", ()), key=lambda key: (key.community, key.valid_from))
    for community, own in groupby(keys, key=lambda key: key.community):
        versions = list(own)
        for one, other in overlaps(versions):
            if one.id != other.id:
                yield f"{other.id}: sharing_key of {community} overlaps {one.id}, only one can be in force on a day"
        points = _points_of(facts, community)
        for version in versions:
            for point in version.key.get("participants") or {}:
                if point not in points:
                    yield f"{version.id}: sharing_key.participants names {point}, which is no metering point of {community}"


def _points_of(facts: Mapping[str, Sequence[Any]], community: str) -> set[str]:
    members = {member.id for member in facts.get("participant", ()) if member.community == community}
    return {point.id for point in facts.get("metering_point", ()) if point.participant in members}


def _without_basis(facts: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    for member in facts.get("participant", ()):
        if member.social_tariff and not member.legal_basis.strip():
            yield f"{member.id}: participant.legal_basis is needed where social_tariff is true"


def _misplaced_roles(facts: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    for user in facts.get("user", ()):
        if user.role is AccessRole.GATEWAY:
            yield f"{user.id}: user.role gateway is a machine's, not a person's"
        wrong = scope_problem(user.role, {"communities": user.communities, "municipalities": user.municipalities})
        if wrong is not None:
            yield f"{user.id}: user.role {wrong}"


def _shared_logins(facts: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    users = sorted((user for user in facts.get("user", ()) if user.login), key=lambda user: (user.login, user.id))
    for login, same in groupby(users, key=lambda user: user.login):
        ids = sorted({user.id for user in same})
        if len(ids) > 1:
            yield f"{ids[1]}: user.login {login!r} is {ids[0]}'s already: a token would stand for neither"


def _parties(facts: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    known = {fact.id for kind in ("participant", "community") for fact in facts.get(kind, ())}
    for party in facts.get("party", ()):
        if party.id not in known:
            yield f"{party.id}: party.id names {party.id!r}, which is no participant and no community"
        if bool(party.mandate) != (party.mandate_signed is not None):
            yield f"{party.id}: party.mandate and mandate_signed come together"
        if party.mandate and not party.iban:
            yield f"{party.id}: party.iban is needed where there is a mandate"


def _day(day: date) -> str:
    return "ever" if day == date.min else day.isoformat()
