"""Who may come in, as the register says: held in memory, so that no request asks it, and read anew when that changed."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from starlette.concurrency import run_in_threadpool

from api.rights import RIGHTS, Principal, Scope, place
from energy.community import Community
from runtime.clock import Clock
from runtime.outage import Outage
from storage.register.database import RegisterDatabase
from storage.register.keys import EVERYWHERE, ApiKey, access_version, keys, sha256_of
from storage.register.participants import METERING_POINTS, PARTICIPANTS, MeteringPoint, Participant
from storage.register.people import USERS, User
from storage.register.roles import AccessRole

__all__ = ["KeyStore"]

log = logging.getLogger(__name__)

_LOOK_S: Final = 1.0
_ZONE: Final = ZoneInfo("Europe/Brussels")  # of the register's days


@dataclass(frozen=True, slots=True)
class _Known:
    """Everybody who may come in, at one state of the register and on one day, by what they show."""

    version: int = 0
    day: date = date.min
    principals: Mapping[str, Principal] = field(default_factory=dict)
    logins: Mapping[str, Principal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Members:
    """Participants by id, and all metering points they have or had."""

    participants: Mapping[str, Participant]
    points: Sequence[MeteringPoint]

    def named(self, ids: Sequence[str]) -> _Members:
        """Those of these ids."""
        own = {name: self.participants[name] for name in ids if name in self.participants}
        return _Members(own, [point for point in self.points if point.participant in own])

    def of(self, person: str) -> _Members:
        """Those of a person."""
        return self.named([member.id for member in self.participants.values() if member.person == person])


class KeyStore:
    """The keys that stand. While the register is away, who was known stays known. Raises StoreError when it is made."""

    def __init__(self, database: RegisterDatabase, communities: Sequence[Community], clock: Clock) -> None:
        self._database = database
        self._communities = communities
        self._clock = clock
        self._known = _Known()
        self._outage = Outage(log, "keys are not read anew, those known stay in force: %s")
        self.look()

    def verify(self, plaintext: str) -> Principal | None:
        """Whose key this is, or None."""
        return self.current(sha256_of(plaintext))

    def current(self, credential: str) -> Principal | None:
        """Who shows that now, None once it is ended."""
        principal = self._known.principals.get(credential)
        if principal is None or (principal.until is not None and principal.until <= self._clock.now_ms()):
            return None
        return principal

    def of_login(self, login: str) -> Principal | None:
        """The user whom the identity provider calls so, without a credential yet; None: nobody, or several."""
        return self._known.logins.get(login)

    async def watch(self) -> None:
        """Looks once a second; runs until cancelled."""
        while True:
            await self._clock.sleep(_LOOK_S * self._clock.speed)
            with self._outage:
                await run_in_threadpool(self.look)

    def look(self) -> None:
        """Reads the register if keys, users or participants have changed there, or a day has begun. Raises StoreError."""
        day = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC).astimezone(_ZONE).date()
        with self._database.read() as connection:
            version = access_version(connection)
            if (version, day) == (self._known.version, self._known.day):
                return
            users = {user.id: user for user in USERS.on(connection, day).values() if not user.disabled}
            members = _Members(PARTICIPANTS.on(connection, day), METERING_POINTS.all(connection))
            standing = keys(connection)
        found = (self._of_key(key, users, members) for key in standing)
        self._known = _Known(
            version,
            day,
            {one.credential: one for one in found if one is not None and one.credential},
            {user.login: self._principal(user.id, user, members.of(user.person)) for user in _named(users)},
        )

    def _of_key(self, key: ApiKey, users: Mapping[str, User], members: _Members) -> Principal | None:
        own = self._principal(key.name, key, members.named(key.participants))
        if key.owner is None:
            return replace(own, credential=key.sha256, until=key.expires)
        user = users.get(key.owner)
        if user is None:
            return None
        whole = self._principal(user.id, user, members.of(user.person))
        return replace(
            whole,
            role=key.role,
            scope=whole.scope if not key.scope else _narrowed(whole.scope, own.scope),
            rights=whole.rights & own.rights,
            credential=key.sha256,
            person=user.person,
            until=key.expires,
        )

    def _principal(self, name: str, of: ApiKey | User, own: _Members) -> Principal:
        people = {each.person for each in own.participants.values()}
        return Principal(
            name=name,
            role=of.role,
            scope=self._scope(of, own),
            rights=RIGHTS[of.role],
            participants=frozenset(own.participants),
            own_sites=frozenset(point.site for point in own.points if point.site is not None),
            person=next(iter(people)) if len(people) == 1 else None,
        )

    def _scope(self, of: ApiKey | User, own: _Members) -> Scope:
        if EVERYWHERE in (*of.communities, *of.municipalities, *of.sites):
            return None
        found = set(of.communities)
        owners = {name.casefold() for name in of.municipalities}
        for community in self._communities:
            here = {
                site.id
                for site in community.sites
                if site.id in of.sites or (site.municipality or community.municipality).casefold() in owners
            }
            if owners and here and len(here) == len(community.sites):
                found.add(community.id)
            else:
                found |= {place(community.id, site) for site in here}
        if RIGHTS[of.role] <= RIGHTS[AccessRole.PARTICIPANT]:  # to them a community is its sums, no more
            found |= {member.community for member in own.participants.values()}
        return frozenset(found)


def _named(users: Mapping[str, User]) -> list[User]:
    """Those whose login is theirs alone."""
    times = Counter(user.login for user in users.values())
    return [user for user in users.values() if user.login and times[user.login] == 1]


def _narrowed(wide: Scope, narrow: Scope) -> Scope:
    """What is in both: a site of a community that one has as a whole and the other in part, too."""
    if wide is None or narrow is None:
        return narrow if wide is None else wide
    return frozenset(
        {each for each in narrow if each in wide or each.partition("/")[0] in wide}
        | {each for each in wide if each.partition("/")[0] in narrow}
    )
