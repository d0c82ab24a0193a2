"""Sums over few tell of each: none is told of fewer than five that the caller does not see singly."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from api.access import authorize
from api.problems import Problem
from api.rights import Action, Principal
from energy.community import Community

__all__ = ["SMALLEST_GROUP", "authorize_sum", "check_group", "hidden_sites"]

SMALLEST_GROUP: Final = 5


def authorize_sum(principal: Principal, community: Community) -> None:
    """Returns when `principal` may see sums over the community's sites. Raises Problem 404 or 403."""
    authorize(principal, Action.AGGREGATE, community.id)
    check_group(hidden_sites(principal, community), "sites")


def hidden_sites(principal: Principal, community: Community) -> set[str]:
    """The sites whose part in a sum the caller does not know: it neither reads them nor has a metering point there."""
    return {
        site.id
        for site in community.sites
        if site.id not in principal.own_sites and not principal.may(Action.READ, community.id, site.id)
    }


def check_group(hidden: Collection[str], of: str) -> None:
    """`hidden`: those in a sum whose own part the caller does not know; what it knows it can take off. Raises Problem 403."""
    if 0 < len(hidden) < SMALLEST_GROUP:
        raise Problem(
            403,
            "group_too_small",
            f"this would tell of fewer than {SMALLEST_GROUP} {of} that are not yours to see singly",
            hint="ask for a larger community, or with a key that may read its sites",
        )
