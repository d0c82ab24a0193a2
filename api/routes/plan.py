"""What a community's planner expects and what its balancer decides, each with its reason in a sentence."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Response

from api.access import Action, Principal, may
from api.answers import documented, json_answer
from api.context import Ctx
from api.groups import authorize_sum
from api.schemas_plan import PlanView

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["plan"])

_EMPTY: Final[dict[str, Any]] = {"t": None, "decisions": [], "limits": {}}
_OF_DEVICES: Final = ("values", "peak_target_w", "cars", "starts")


@router.get("/communities/{community}/plan", responses=documented(PlanView, 404))
async def plan(
    context: Ctx, principal: Annotated[Principal, Depends(may(Action.AGGREGATE))], community: str
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
    return json_answer({"community": community, "t": context.clock.now_ms(), "plan": shown, "now": now})
