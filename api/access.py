"""Who asks, and whether they may: one `authorize` for every route. What each role may stands in api/rights.py.

A community or site the caller is not scoped to does not exist for it: 404, as for a wrong name.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Final

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.context import Context, context_of
from api.oidc import Token
from api.problems import Problem, not_found
from api.rights import RIGHTS, Action, Principal
from storage.register.roles import AccessRole

__all__ = ["Action", "Principal", "authorize", "caller_of", "may", "still_valid"]


_AT_THIS_MACHINE: Final = Principal("loopback", AccessRole.VIEWER, None, RIGHTS[AccessRole.VIEWER])
_TOKEN_DOTS: Final = 2  # a signed token has three parts; a key of ours has no dot
_bearer: Final = HTTPBearer(
    auto_error=False,
    description="a key from `commonwatt keys create`, beginning with cw_; or a token of the identity provider",
)


def authorize(principal: Principal, action: Action, community: str | None = None, site: str | None = None) -> None:
    """Returns when `principal` may do `action` (to `community`, or to that site of it). Raises Problem 404 or 403.

    Sums over a community are for whoever sees at least a site of it, all else about it for whoever sees all of it.
    """
    if community is not None and not (
        principal.sees(community, site) or (site is None and principal.touches(community))
    ):
        raise not_found("community", community)
    if action not in principal.rights:
        raise Problem(
            403,
            "forbidden",
            f"{principal.role} {principal.name!r} may not {action}",
            hint="ask for a key with a role that may: operator, manager or admin act, viewer and technician read, manager settles",
        )
    if community is not None and not principal.may(action, community, site):
        raise Problem(
            403,
            "forbidden",
            f"{principal.role} {principal.name!r} may {action} single sites of {community}, not all of it",
            hint="ask for one of your sites, or for a key of the whole community",
        )


def may(action: Action) -> Callable[..., Awaitable[Principal]]:
    """A route's dependency: the caller, who may do `action` somewhere. Which communities, the route asks again."""

    async def caller(
        request: Request, _credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
    ) -> Principal:
        return await caller_of(request, action)

    return caller


async def caller_of(request: Request, action: Action) -> Principal:
    """The caller, who may do `action` somewhere. Raises Problem 401, 403 or 429."""
    principal = await _identify(request)
    authorize(principal, action)
    return principal


def still_valid(context: Context, principal: Principal) -> bool:
    """Whether a caller identified a while ago still stands as it did: for streams, which outlive a revocation."""
    if principal.credential is None:
        return True
    known = context.keys.current(principal.credential)
    if known is None and context.oidc is not None:
        token = context.oidc.current(principal.credential)
        known = None if token is None else _of_token(context, principal.credential, token)
    return known == principal


async def _identify(request: Request) -> Principal:
    context = context_of(request)
    header = request.headers.get("authorization")
    if header is None:
        if context.settings.open_to_loopback == "viewer" and request.method == "GET" and _is_local(request):
            return _AT_THIS_MACHINE
        raise _unauthenticated("this needs a key")
    scheme, _, shown = header.partition(" ")
    principal = await _known(context, shown.strip()) if scheme.lower() == "bearer" else None
    if principal is None or principal.credential is None:
        raise _unauthenticated("this key is not known")
    wait_s = context.rate_limit.take(principal.credential)
    if wait_s:
        raise Problem(
            429,
            "rate_limited",
            f"{principal.name!r} asks more than {context.settings.rate_per_s:g} times a second",
            hint="slow down, or follow /api/v1/live/stream instead of polling",
            headers={"Retry-After": str(math.ceil(wait_s))},
        )
    return principal


async def _known(context: Context, shown: str) -> Principal | None:
    """Whose key, or whose token of the identity provider, that is."""
    if context.oidc is None or shown.count(".") != _TOKEN_DOTS:
        return context.keys.verify(shown)
    verified = await context.oidc.verify(shown)
    return None if verified is None else _of_token(context, *verified)


def _of_token(context: Context, digest: str, token: Token) -> Principal | None:
    user = context.keys.of_login(token.login)
    return None if user is None else replace(user, credential=digest)


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
