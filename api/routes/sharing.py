"""What the sites of a community share, by its key or by another: what if, and which key serves an aim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import ValidationError

from api.access import Action, Principal, authorize, may
from api.answers import documented, json_answer
from api.context import Context, Ctx
from api.groups import authorize_sum, check_group, hidden_sites
from api.live.objects import GridQuarter
from api.problems import Problem
from api.routes.history import From, To
from api.schemas_sharing import RecommendedKeysView, SharingView
from api.time_limit import read_within
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

AimName = Literal["most-shared", "most-equal", "vulnerable-first"]
WhatIf = Annotated[str, Query(max_length=64, pattern=r"^[a-z]+(-[a-z]+)*$")]


@dataclass(frozen=True, slots=True)
class _Question:
    """Sharing in [start, end), ms UTC, whole quarter-hours; `detailed`: the caller may see single sites.

    `hidden`: those it does not see singly. `running`: what the sites told of the quarter-hour that runs, None: it lies
    outside what was asked.
    """

    community: Community
    start: int
    end: int
    what_if: str | None
    why: str | None
    detailed: bool
    hidden: frozenset[str]
    running: Mapping[str, GridQuarter] | None
    now_ms: int


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
    now_ms = context.clock.now_ms()
    from_, to = period(start, end, now_ms)
    _check_size(place, len(quarter_starts(from_, to)), why)
    first, last = _quarters_over(from_, to, now_ms)
    running = context.live.board.quarters(community, now_ms) if from_ <= now_ms and last < to else None
    hidden = frozenset(hidden_sites(principal, place))
    question = _Question(place, first, last, key, why, detailed, hidden, running, now_ms)
    return await read_within(context, _answer, question)


@router.get("/communities/{community}/sharing/recommended", responses=documented(RecommendedKeysView, 404, 409, 503))
async def recommended_key(
    context: Ctx,
    principal: Annotated[Principal, Depends(may(Action.READ))],
    community: str,
    aim: Annotated[
        AimName,
        Query(
            description="what the community wants of its key: most energy shared; coverage as equal as can be, among the "
            "keys that share nine tenths of the most; or tier 1 of the configured key, the vulnerable, served first"
        ),
    ],
    start: From = None,
    end: Annotated[To, Query(alias="to")] = None,
) -> Response:
    """Every key that can be made of the same participants, weights and tiers, the best for the aim first, with figures."""
    place = context.places.community(community, principal.scope)
    if not principal.sees(community):
        detail = f"a key is weighed by what every site of {community} gains, and you may see some of them only"
        raise Problem(403, "whole_community_needed", detail, hint="ask with a key of the whole community")
    from_, to = period(start, end, context.clock.now_ms())
    _check_size(place, len(quarter_starts(from_, to)), None)
    _check_aim(place, aim)
    first, last = _quarters_over(from_, to, context.clock.now_ms())
    return await read_within(context, _recommended, place, aim, first, last)


def _check_aim(community: Community, aim: AimName) -> None:
    """Raises Problem 422 where the key does not say who is vulnerable."""
    listed = community.sharing.participants or {}
    if aim == "vulnerable-first" and not any(each.tier == 1 for each in listed.values()):
        raise Problem(
            422,
            "nobody_vulnerable",
            f"no participant of the key of {community.id} has tier 1",
            field="query.aim",
            hint="give the vulnerable `tier: 1` in the community's key, or ask for another aim",
        )


def _recommended(context: Context, community: Community, aim: AimName, start: int, end: int) -> Response:
    from api.timeline.recommended import recommended_keys  # noqa: PLC0415 - numpy waits for the first who asks
    from energy.sharing.advice import Aim  # noqa: PLC0415

    found = recommended_keys(community, Aim(aim), start, end, context.history)
    if not found["keys"]:
        raise Problem(
            409,
            "nothing_settled",
            "no quarter-hour of this period is over and complete",
            hint="ask for a period with readings; /sharing tells which quarter-hours are held and why",
        )
    head = {"community": community.id, "from": start, "to": end, "step": "15m", "aim": aim, "status": "estimate"}
    return json_answer(head | found)


def _as_sums(running: dict[str, Any]) -> dict[str, Any]:
    """The running quarter-hour without its single sites, of which the reason it is held names some."""
    held = None if running["held"] is None else "import or export is not known of all sites"
    return running | {"shares": [], "held": held, "why": None}


def _for_sums(key: SharingKey, question: _Question) -> SharingKey:
    """The key where a caller sees sums alone: a sum in which unknown sites count as 0 would tell of the few others."""
    return key.model_copy(update={"on_missing": "hold"}) if question.hidden and key.on_missing == "zero" else key


def _check_receivers(key: SharingKey, question: _Question) -> None:
    """Some sums are over the receivers alone, others over all: neither these nor the rest may be few. Raises Problem 403."""
    end = question.end if question.running is None else question.end + QUARTER_MS
    receivers = {
        site
        for site, each in (key.participants or {}).items()
        if (each.since is None or each.since.timestamp() * 1000 <= question.start)
        and (each.until is None or end <= each.until.timestamp() * 1000)
    }
    check_group(question.hidden & receivers, "receivers")
    check_group(question.hidden - receivers, "sites that do not receive all the time")


def _quarters_over(from_: int, to: int, now_ms: int) -> tuple[int, int]:
    """The whole quarter-hours of [from_, to) that are over, as [start, end)."""
    over = quarter_start(now_ms)
    first = min(quarter_start(from_), over)
    return first, max(first, min(quarter_start(to + QUARTER_MS - 1), over))


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
    from api.timeline.running import share_running  # noqa: PLC0415 - numpy waits for the first who asks
    from api.timeline.sharing import key_in_force, share_sites  # noqa: PLC0415 - numpy waits for the first who asks

    community, detailed = question.community, question.detailed
    try:
        key = key_in_force(community, question.what_if)
    except ValueError as error:
        told = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        hint = f"one of {', '.join(SHORT_NAMES)}, or a name that `commonwatt sharing presets` lists"
        raise Problem(422, "unknown_key", told[:500], field="query.key", hint=hint) from None
    _check_receivers(key, question)
    key = _for_sums(key, question)
    sites = [site.id for site in community.sites]
    found = share_sites(sites, key, question.start, question.end, context.history, question.why)
    running = None
    if question.running is not None:
        running = share_running(
            sites, key, question.running, question.now_ms, speed=context.clock.speed, why=question.why
        )
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
            "running": running if detailed or running is None else _as_sums(running),
        }
    )
