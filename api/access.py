"""Who asks, and what they may do: one `authorize` for every route.

    role         aggregate  read  acknowledge  command  settle
    viewer           x        x
    operator         x        x        x          x
    manager          x        x        x          x        x
    admin            x        x        x          x        x
    technician       x        x        x
    participant      x
    councillor       x
    gateway          (speaks MQTT, not HTTP)

A community the caller is not scoped to does not exist for it: 404, as for a wrong name.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Final

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.context import Context, context_of
from api.keys import EVERY_COMMUNITY, ApiKey, KeyRole
from api.problems import Problem, not_found

__all__ = ["Action", "Principal", "authorize", "caller_of", "may", "still_valid"]


class Action(StrEnum):
    """What a route does to what it touches."""

    AGGREGATE = "aggregate"  # see sums over a community
    READ = "read"  # see sites, devices, alerts, commands
    ACKNOWLEDGE = "acknowledge"
    COMMAND = "command"
    SETTLE = "settle"  # see what single members received, pay and are paid: personal data


_ALL: Final = frozenset(Action)
_RIGHTS: Final[dict[KeyRole, frozenset[Action]]] = {
    KeyRole.VIEWER: frozenset({Action.AGGREGATE, Action.READ}),
    KeyRole.OPERATOR: _ALL - {Action.SETTLE},
    KeyRole.MANAGER: _ALL,
    KeyRole.ADMIN: _ALL,
    KeyRole.TECHNICIAN: frozenset({Action.AGGREGATE, Action.READ, Action.ACKNOWLEDGE}),
    KeyRole.PARTICIPANT: frozenset({Action.AGGREGATE}),
    KeyRole.COUNCILLOR: frozenset({Action.AGGREGATE}),
    KeyRole.GATEWAY: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `communities` None: all. `sha256` of its key; None for a person at this machine without one."""

    name: str
    role: KeyRole
    communities: frozenset[str] | None
    sha256: str | None = None

    def sees(self, community: str) -> bool:
        """Whether the community exists for this caller."""
        return self.communities is None or community in self.communities


_AT_THIS_MACHINE: Final = Principal("loopback", KeyRole.VIEWER, None)
_bearer: Final = HTTPBearer(auto_error=False, description="a key from `commonwatt keys create`, beginning with cw_")


def authorize(principal: Principal, action: Action, community: str | None = None) -> None:
    """Returns when `principal` may do `action` (to `community`). Raises Problem 404 or 403."""
    if community is not None and not principal.sees(community):
        raise not_found("community", community)
    if action not in _RIGHTS[principal.role]:
        raise Problem(
            403,
            "forbidden",
            f"{principal.role} {principal.name!r} may not {action}",
            hint="ask for a key with a role that may: operator, manager or admin act, viewer and technician read, manager settles",
        )


def may(action: Action) -> Callable[..., Awaitable[Principal]]:
    """A route's dependency: the caller, who may do `action` somewhere. Which communities, the route asks again."""

    async def caller(
        request: Request, _credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
    ) -> Principal:
        return caller_of(request, action)

    return caller


def caller_of(request: Request, action: Action) -> Principal:
    """The caller, who may do `action` somewhere. Raises Problem 401, 403 or 429."""
    principal = _identify(request)
    authorize(principal, action)
    return principal


def still_valid(context: Context, principal: Principal) -> bool:
    """Whether a caller identified a while ago still stands as it did: for streams, which outlive a revocation."""
    if principal.sha256 is None:
        return True
    key = context.keys.current(principal.sha256)
    return key is not None and _of_key(key) == principal


def _identify(request: Request) -> Principal:
    context = context_of(request)
    header = request.headers.get("authorization")
    if header is None:
        if context.settings.open_to_loopback == "viewer" and request.method == "GET" and _is_local(request):
            return _AT_THIS_MACHINE
        raise _unauthenticated("this needs a key")
    scheme, _, token = header.partition(" ")
    key = context.keys.verify(token.strip()) if scheme.lower() == "bearer" else None
    if key is None:
        raise _unauthenticated("this key is not known")
    wait_s = context.rate_limit.take(key.sha256)
    if wait_s:
        raise Problem(
            429,
            "rate_limited",
            f"key {key.name!r} asks more than {context.settings.rate_per_s:g} times a second",
            hint="slow down, or follow /api/v1/live/stream instead of polling",
            headers={"Retry-After": str(math.ceil(wait_s))},
        )
    return _of_key(key)


def _of_key(key: ApiKey) -> Principal:
    everywhere = EVERY_COMMUNITY in key.communities
    return Principal(key.name, key.role, None if everywhere else frozenset(key.communities), key.sha256)


def _unauthenticated(detail: str) -> Problem:
    return Problem(
        401,
        "unauthenticated",
        detail,
        hint="send `Authorization: Bearer cw_...`; `commonwatt keys create` makes one",
        headers={"WWW-Authenticate": 'Bearer realm="commonwatt"'},
    )


def _is_local(request: Request) -> bool:
    """Whether the request comes from this machine, by its own name.

    The name guards against DNS rebinding: a web page elsewhere can point its host name at 127.0.0.1, but the browser
    then sends that name. A forwarded request comes from a proxy on this machine, not from a person at it.
    """
    if "x-forwarded-for" in request.headers or "forwarded" in request.headers or request.client is None:
        return False
    name = request.headers.get("host", "")
    host = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    return _is_loopback(request.client.host) and (host.lower() == "localhost" or _is_loopback(host))


@lru_cache(maxsize=1_000)
def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
