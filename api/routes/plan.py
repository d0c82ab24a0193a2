"""What a community's planner expects and what its balancer decides, each with its reason in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Query, Response

from api.access import Action, Principal, may
from api.answers import documented, json_answer
from api.context import Ctx
from api.groups import authorize_sum
from api.schemas_plan import PlanView
from energy.languages import Language
from energy.reasons import in_words

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["plan"])

Told = Annotated[Language, Query(description="of the sentences")]

_EMPTY: Final[dict[str, Any]] = {"t": None, "decisions": [], "limits": {}}
_OF_DEVICES: Final = ("values", "peak_target_w", "cars", "starts")


@router.get("/communities/{community}/plan", responses=documented(PlanView, 404))
async def plan(
    context: Ctx, principal: Annotated[Principal, Depends(may(Action.AGGREGATE))], community: str, lang: Told = "en"
) -> Response:
    """The newest plan, 36 h by quarter-hour, and what the balancer does now; devices and sites for those who may see them."""
    authorize_sum(principal, context.places.community(community, principal.scope))
    made = context.live.plans.get(community)
    found = msgspec.json.decode(made) if made else None
    shown = None if found is None else {**found["plan"], "t": found["t"], "missing": found["missing"]}
    detailed = principal.may(Action.READ, community)
    if shown is not None and not detailed:
        shown = {name: {} if name in _OF_DEVICES else value for name, value in shown.items()}
    decided = context.live.decided.get(community) if detailed else None
    now = {name: value for name, value in msgspec.json.decode(decided).items() if name in _EMPTY} if decided else _EMPTY
    told = {"plan": None if shown is None else _plan_in(lang, shown), "now": _now_in(lang, now)}
    return json_answer({"community": community, "t": context.clock.now_ms(), **told})


def _plan_in(language: Language, plan: Mapping[str, Any]) -> dict[str, Any]:
    steps = [{**step, "why": in_words(step["why"], language)} for step in plan["steps"]]
    return {**plan, "steps": steps, "missing": _all_in(language, plan["missing"])}


def _now_in(language: Language, now: Mapping[str, Any]) -> dict[str, Any]:
    decisions = [{**each, "reason": in_words(each["reason"], language)} for each in now["decisions"]]
    limits = {site: _all_in(language, sentences) for site, sentences in now["limits"].items()}
    return {**now, "decisions": decisions, "limits": limits}


def _all_in(language: Language, sentences: Sequence[str]) -> list[str]:
    return [in_words(sentence, language) for sentence in sentences]
