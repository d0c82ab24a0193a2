"""What the sites of a community share, by its key or by another: what if."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from api.access import Action, Principal, authorize, may
from api.answers import documented, json_answer
from api.context import Context, Ctx
from api.groups import authorize_sum, check_group, hidden_sites
from api.problems import Problem
from api.routes.history import From, To
from api.schemas_sharing import SharingView
from api.timeline.steps import period
from energy.community import Community
from energy.quarters import QUARTER_MS, quarter_start, quarter_starts
from energy.sharing.key import SHORT_NAMES, SharingKey

__all__ = ["WhatIf", "router"]

router = APIRouter(prefix="/api/v1", tags=["sharing"])

_HOUR: Final = 4
_DAY: Final = 24 * _HOUR
_MOST_QUARTERS: Final = 31 * _DAY + _HOUR  # a local October: 31 days, one of them of 25 hours
_MOST_EXPLAINED: Final = 25 * _HOUR  # the longest local day
_MOST_SHARES: Final = 300_000  # a month of a hundred sites, some 30 MB

_OF_SINGLE_SITES: Final = ("jain_coverage", "gini_coverage", "min_coverage")

WhatIf = Annotated[str, Query(max_length=64, pattern=r"^[a-z]+(-[a-z]+)*$")]


@dataclass(frozen=True, slots=True)
class _Question:
    """Sharing in [start, end), ms UTC, whole quarter-hours; `detailed`: the caller may see single sites.

    `hidden`: those it does not see singly.
    """

    community: Community
    start: int
    end: int
    what_if: str | None
    why: str | None
    detailed: bool
    hidden: frozenset[str]


@router.get("/communities/{community}/sharing", responses=documented(SharingView, 404, 503))
async def sharing(
    context: Ctx,
    principal: Annotated[Principal, Depends(may(Action.AGGREGATE))],
    community: str,
    start: From = None,
    end: Annotated[To, Query(alias="to")] = None,
    key: Annotated[
        WhatIf | None,
        Query(
            description="what if the community shared by this key: its own participants, weights and tiers with these "
            "rounds; a fixed round counts everybody alike where no weights are configured. fixed, fixed-multi, equal, "
            "prorata, hybrid, priority, or a grid operator's key by its name, as sibelga-hybrid"
        ),
    ] = None,
    why: Annotated[
        str | None,
        Query(max_length=64, description="a site: one sentence for each quarter-hour on what it received, at most 100"),
    ] = None,
) -> Response:
    """Who received and gave what in each quarter-hour: an estimate, the grid operator's allocation is the legal one."""
    place = context.places.community(community, principal.scope)
    detailed = principal.may(Action.READ, community)
    if why is not None or (key is not None and not detailed):
        authorize(principal, Action.READ, community)  # many keys asked for one quarter-hour would tell of single sites
    authorize_sum(principal, place)
    from_, to = period(start, end, context.clock.now_ms())
    _check_size(place, len(quarter_starts(from_, to)), why)
    over = quarter_start(context.clock.now_ms())
    first = min(quarter_start(from_), over)
    last = max(first, min(quarter_start(to + QUARTER_MS - 1), over))
    question = _Question(place, first, last, key, why, detailed, frozenset(hidden_sites(principal, place)))
    return await run_in_threadpool(_answer, context, question)


def _check_receivers(key: SharingKey, question: _Question) -> None:
    """Some sums are over the receivers alone, others over all: neither these nor the rest may be few. Raises Problem 403."""
    receivers = {
        site
        for site, each in (key.participants or {}).items()
        if (each.since is None or each.since.timestamp() * 1000 <= question.start)
        and (each.until is None or question.end <= each.until.timestamp() * 1000)
    }
    check_group(question.hidden & receivers, "receivers")
    check_group(question.hidden - receivers, "sites that do not receive all the time")


def _check_size(community: Community, quarters: int, why: str | None) -> None:
    """Raises Problem 422 with the period that fits, or for a site that is not there."""
    sites = max(1, len(community.sites))
    most = min(_MOST_QUARTERS, _MOST_SHARES // sites)
    if why is not None:
        most = min(most, _MOST_EXPLAINED)
        if community.site(why) is None:
            hint = f"one of {', '.join(site.id for site in community.sites) or 'none'}"
            raise Problem(
                422, "unknown_site", f"{community.id} has no site {why!r}", field="query.why", hint=hint[:500]
            )
    if quarters <= most:
        return
    fits = f"{most // _DAY} days" if most >= 2 * _DAY else f"{most // _HOUR} hours"
    raise Problem(
        422,
        "too_long",
        f"these are {quarters:,} quarter-hours, at most {most:,} are shared at once",
        field="query.from",
        hint=f"ask for at most {fits}" + (", or without `why`" if why is not None else ""),
        extra={"quarters": quarters, "max_quarters": most},
    )


def _answer(context: Context, question: _Question) -> Response:
    from api.timeline.sharing import key_in_force, share_sites  # noqa: PLC0415 - numpy waits for the first who asks

    community, detailed = question.community, question.detailed
    try:
        key = key_in_force(community, question.what_if)
    except ValueError as error:
        told = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        hint = f"one of {', '.join(SHORT_NAMES)}, or a name that `commonwatt sharing presets` lists"
        raise Problem(422, "unknown_key", told[:500], field="query.key", hint=hint) from None
    _check_receivers(key, question)
    sites = [site.id for site in community.sites]
    found = share_sites(sites, key, question.start, question.end, context.history, question.why)
    return json_answer(
        {
            "community": community.id,
            "from": question.start,
            "to": question.end,
            "step": "15m",
            "key": question.what_if or ("configured" if "sharing" in community.model_fields_set else "prorata"),
            "what_if": question.what_if is not None,
            "status": "estimate",
            "participants": [{"id": site.id, "name": site.name} for site in community.sites] if detailed else [],
            "quarters": found.quarters if detailed else [],
            "totals": found.totals if detailed else [],
            "summary": found.summary if detailed else found.summary | dict.fromkeys(_OF_SINGLE_SITES),
        }
    )
