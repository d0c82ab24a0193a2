"""What the register knows of a community's month: members, whose metering points, keys; with errors that say what lacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from energy.errors import ConfigError
from energy.quarters import local_midnight
from energy.settlement.inputs import DatedKey
from energy.settlement.statement import Member
from energy.settlement.terms import GridType, Month
from energy.settlement.volumes import Tenure
from storage.register.facts import ALWAYS, Fact
from storage.register.participants import METERING_POINTS, PARTICIPANTS, SHARING_KEYS, Participant
from storage.register.places import COMMUNITIES, CommunityFact

__all__ = ["MonthFacts", "month_facts"]


@dataclass(frozen=True, slots=True)
class MonthFacts:
    """Everything of the month but readings and prices."""

    timezone: str
    grid_type: GridType | None
    members: tuple[Member, ...]
    tenures: tuple[Tenure, ...]
    keys: tuple[DatedKey, ...]


def month_facts(connection: Connection, community: str, month: Month) -> MonthFacts:
    """As the register knows it now. Raises ConfigError naming what is missing or changes within the month."""
    place = _only(COMMUNITIES.all(connection), community, month, "community")
    own = [each for each in PARTICIPANTS.all(connection) if each.community == community and _touches(each, month)]
    members = tuple(_member(list(_of(own, member)), month) for member in sorted({each.id for each in own}))
    ids = {member.id for member in members}
    tenures = tuple(
        Tenure(point.id, point.participant, *_instants(point, place.timezone))
        for point in METERING_POINTS.all(connection)
        if point.participant in ids and _touches(point, month)
    )
    keys = tuple(
        DatedKey(key.id, key.parsed(), *_instants(key, place.timezone))
        for key in SHARING_KEYS.all(connection)
        if key.community == community and _touches(key, month)
    )
    return MonthFacts(place.timezone, place.grid_type, members, tenures, keys)


def _touches(fact: Fact, month: Month) -> bool:
    return fact.valid_from < month.end and (fact.valid_to is None or month.first < fact.valid_to)


def _only(facts: Sequence[CommunityFact], name: str, month: Month, kind: str) -> CommunityFact:
    found = [fact for fact in facts if fact.id == name and _touches(fact, month)]
    if not found:
        raise ConfigError(f"the register has no {name} in {month}", field=kind, hint="`commonwatt register plan` first")
    if len({(fact.timezone, fact.grid_type) for fact in found}) > 1:
        raise ConfigError(
            f"{name} changes within {month}", field=kind, hint="let it change on the first day of a month"
        )
    return found[0]


def _of(facts: Sequence[Participant], member: str) -> Iterator[Participant]:
    return (fact for fact in facts if fact.id == member)


def _member(versions: Sequence[Participant], month: Month) -> Member:
    kinds = {(each.member_class, each.social_tariff) for each in versions}
    if len(kinds) > 1:
        raise ConfigError(
            f"{versions[0].id} changes its class or social tariff within {month}",
            field="participants",
            hint="let it change on the first day of a month",
        )
    return Member(versions[0].id, versions[0].member_class, versions[0].social_tariff)


def _instants(fact: Fact, timezone: str) -> tuple[int | None, int | None]:
    """Its days as [since, until) in ms UTC."""
    return (
        None if fact.valid_from == ALWAYS else local_midnight(fact.valid_from, timezone),
        None if fact.valid_to is None else local_midnight(fact.valid_to, timezone),
    )
