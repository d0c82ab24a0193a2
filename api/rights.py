"""What each role may do, and who somebody is that asks.

    role           own  aggregate  read  acknowledge  command  record  settle
    viewer          x       x        x
    region          x       x        x
    technician      x       x        x         x
    municipality    x       x        x         x
    building        x       x        x         x
    operator        x       x        x         x          x        x
    manager, admin  x       x        x         x          x        x       x
    councillor      x       x
    participant     x       x
    gateway         (speaks MQTT, not HTTP)

All of it only in the places of the caller's scope, and `own` only of the caller's own participants.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from storage.register.roles import AccessRole

__all__ = ["RIGHTS", "Action", "Principal", "Scope", "place", "sees", "touches"]

Scope = frozenset[str] | None
"""Places somebody may see: a community's id, or `community/site` for one site alone; None: all."""


class Action(StrEnum):
    """What a route does to what it touches."""

    OWN = "own"  # see and decide about one's own
    AGGREGATE = "aggregate"  # see sums over a community
    READ = "read"  # see sites, devices, alerts, commands
    ACKNOWLEDGE = "acknowledge"
    COMMAND = "command"
    RECORD = "record"  # enter what was read by hand
    SETTLE = "settle"  # see what single members received, pay and are paid: personal data


_ALL: Final = frozenset(Action)
_LOOKS: Final = frozenset({Action.OWN, Action.AGGREGATE})
_READS: Final = _LOOKS | {Action.READ}
_TENDS: Final = _READS | {Action.ACKNOWLEDGE}

RIGHTS: Final[dict[AccessRole, frozenset[Action]]] = {
    AccessRole.VIEWER: _READS,
    AccessRole.REGION: _READS,
    AccessRole.TECHNICIAN: _TENDS,
    AccessRole.MUNICIPALITY: _TENDS,
    AccessRole.BUILDING: _TENDS,
    AccessRole.OPERATOR: _TENDS | {Action.COMMAND, Action.RECORD},
    AccessRole.MANAGER: _ALL,
    AccessRole.ADMIN: _ALL,
    AccessRole.COUNCILLOR: _LOOKS,
    AccessRole.PARTICIPANT: _LOOKS,
    AccessRole.GATEWAY: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `credential`: what it showed, hashed; None for a person at this machine without a key.

    `participants`: its own, `own_sites` where these have metering points. `person`: whose they are, where that is known.
    `until`: no longer valid from then, ms UTC.
    """

    name: str
    role: AccessRole
    scope: Scope
    rights: frozenset[Action]
    credential: str | None = None
    participants: frozenset[str] = frozenset()
    own_sites: frozenset[str] = frozenset()
    person: str | None = None
    until: int | None = None

    def sees(self, community: str, site: str | None = None) -> bool:
        """Whether the whole community, or that site of it, exists for this caller."""
        return sees(self.scope, community, site)

    def may(self, action: Action, community: str, site: str | None = None) -> bool:
        """Whether this caller may do `action` to all of the community, or to that site. Sums need but a site of it."""
        sums = action is Action.AGGREGATE and site is None and self.touches(community)
        return action in self.rights and (sums or self.sees(community, site))

    def touches(self, community: str) -> bool:
        """Whether the community or at least a site of it exists for this caller."""
        return touches(self.scope, community)


def sees(scope: Scope, community: str, site: str | None = None) -> bool:
    """Whether the whole community, or that site of it, is in the scope."""
    return scope is None or community in scope or (site is not None and place(community, site) in scope)


def touches(scope: Scope, community: str) -> bool:
    """Whether the community or at least a site of it is in the scope."""
    return scope is None or community in scope or any(each.startswith(f"{community}/") for each in scope)


def place(community: str, site: str) -> str:
    """A site as scopes name it."""
    return f"{community}/{site}"
