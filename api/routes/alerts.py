"""Alerts, worst first, and their acknowledgement by a person."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Query, Response
from starlette.concurrency import run_in_threadpool

from api.access import Action, Principal, authorize, may
from api.answers import documented, json_answer
from api.context import Context, Ctx
from api.problems import Problem, not_found
from api.schemas import AlertList, AlertView
from storage.register import Alert

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["alerts"])
_READ: Final = 5_000  # the register does not know who may see what, so more is read than is given


@router.get("/alerts", responses=documented(AlertList, 503))
async def alerts(
    context: Ctx,
    principal: Annotated[Principal, Depends(may(Action.READ))],
    state: Annotated[Literal["open", "all"], Query(description="open: without those cleared")] = "all",
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> Response:
    """Open alerts first, the worst of them first; then past ones, newest first."""
    read = limit if principal.communities is None else _READ
    found = await run_in_threadpool(context.register.alerts, open_only=state == "open", limit=read)
    visible = [alert for alert in found if principal.sees(alert.community)]
    return json_answer({"alerts": visible[:limit]})


@router.post("/alerts/{alert}/ack", responses=documented(AlertView, 404, 409, 503))
async def acknowledge(
    context: Ctx, principal: Annotated[Principal, Depends(may(Action.ACKNOWLEDGE))], alert: str
) -> Response:
    """Notes who has seen a firing alert. Done twice it changes nothing."""
    found = await _find(context, principal, alert)
    authorize(principal, Action.ACKNOWLEDGE, found.community)
    await run_in_threadpool(context.register.acknowledge, alert, principal.name, context.clock.now_ms())
    found = await _find(context, principal, alert)
    if found.acknowledged_at is None:
        raise Problem(
            409, "not_firing", f"alert {alert!r} is {found.state}", hint="only a firing alert can be acknowledged"
        )
    return json_answer(found)


async def _find(context: Context, principal: Principal, alert: str) -> Alert:
    found = await run_in_threadpool(context.register.alert, alert)
    if found is None or not principal.sees(found.community):
        raise not_found("alert", alert)
    return found
