"""Alerts, worst first, with their evidence; what people do to them; the rules behind them."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from api.access import Action, Principal, authorize, may
from api.answers import documented, json_answer
from api.bodies import BodyRoute
from api.conditional import SAME, conditional
from api.context import Context, Ctx
from api.problems import Problem, not_found
from api.schemas_alerts import AcknowledgeRequest, AlertList, AlertView, EvidenceView, MuteRequest, RuleList
from energy.alerts.library import texts_of
from energy.alerts.rules import Rule
from energy.alerts.subjects import subjects
from energy.community import Community
from energy.languages import LANGUAGES, Language
from messaging.notices import NotificationSettings, tells
from storage.register import Alert, Command
from storage.register.evidence import as_csv, commands_of, evidence_rows, translated
from storage.register.records import ActKind

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["alerts"], route_class=BodyRoute)
Reader = Annotated[Principal, Depends(may(Action.READ))]
Told = Annotated[Language | None, Query(alias="lang", description="of the evidence's sentences; default English")]
Acknowledger = Annotated[Principal, Depends(may(Action.ACKNOWLEDGE))]
_READ: Final = 5_000  # the register does not know who may see what, so more is read than is given


@router.get("/alerts", responses=documented(AlertList, 503))
async def alerts(
    context: Ctx,
    principal: Reader,
    state: Annotated[Literal["open", "all"], Query(description="open: without those cleared")] = "all",
    site: Annotated[str | None, Query(max_length=64, description="only those about this site")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    language: Told = None,
) -> Response:
    """Open alerts first, the worst of them first; then past ones, newest first."""
    read = limit if principal.scope is None and site is None else _READ
    found = await run_in_threadpool(context.register.alerts, open_only=state == "open", limit=read)
    visible = [alert for alert in found if principal.sees(alert.community, alert.site) and site in {None, alert.site}]
    return json_answer({"alerts": [_in(language, alert) for alert in visible[:limit]]})


@router.get("/alerts/rules", responses=documented(RuleList) | SAME)
async def rules(request: Request, context: Ctx, principal: Reader) -> Response:
    """What is watched: each rule with its raise and clear values, and what its alerts mean, in every language."""
    seen = [community for community in context.communities if principal.sees(community.id)]
    found = [_rule_view(rule, community, context.notifications) for community in seen for rule in community.rules]
    return conditional(request, json_answer({"rules": found}))


@router.get("/alerts/{alert}", responses=documented(AlertView, 404, 503))
async def alert(context: Ctx, principal: Reader, alert: str, language: Told = None) -> Response:
    """One alert."""
    return json_answer(_in(language, await _find(context, principal, alert)))


def _evidence_documented() -> dict[int | str, Any]:
    responses = documented(EvidenceView, 404, 503)
    responses[200]["content"] = {"text/csv": {"schema": {"type": "string"}}}
    return responses


@router.get("/alerts/{alert}/evidence", responses=_evidence_documented())
async def evidence(
    context: Ctx,
    principal: Reader,
    alert: str,
    form: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
    language: Told = None,
) -> Response:
    """The whole chain, to keep or to send on: crossing, action, command with its trail, result, effect, cleared."""
    found = await _find(context, principal, alert)
    commands = await run_in_threadpool(_commands, context, found)
    if form == "csv":
        name = f'attachment; filename="{found.id}.csv"'
        rows = evidence_rows(found, commands, language or "en")
        return Response(as_csv(rows), media_type="text/csv", headers={"Content-Disposition": name})
    return json_answer({"alert": _in(language, found), "texts": _texts(context, found), "commands": commands})


def _in(language: Language | None, alert: Alert) -> Alert:
    return alert if language is None else translated(alert, language)


@router.post("/alerts/{alert}/ack", responses=documented(AlertView, 404, 409, 503))
async def acknowledge(
    context: Ctx, principal: Acknowledger, alert: str, request: AcknowledgeRequest | None = None
) -> Response:
    """Notes who has seen an alert, which stops its escalation. Done twice it changes nothing."""
    wanted = request or AcknowledgeRequest()
    found = await _act(context, principal, alert, "acknowledge", wanted.for_s, wanted.reason)
    if found.acknowledged_at is None:
        raise Problem(
            409, "not_firing", f"alert {alert!r} is {found.state}", hint="only a standing alert can be acknowledged"
        )
    return json_answer(found)


@router.post("/alerts/{alert}/mute", responses=documented(AlertView, 404, 409, 503))
async def mute(context: Ctx, principal: Acknowledger, alert: str, request: MuteRequest) -> Response:
    """Nobody is told until the end given, also when it clears and is raised again; its actions go on."""
    found = await _act(context, principal, alert, "mute", request.for_s, request.reason)
    if found.state != "muted":
        raise Problem(409, "not_firing", f"alert {alert!r} is {found.state}", hint="only a standing alert can be muted")
    return json_answer(found)


@router.post("/alerts/{alert}/unmute", responses=documented(AlertView, 404, 503))
async def unmute(context: Ctx, principal: Acknowledger, alert: str) -> Response:
    """Ends a mute before its time. Where there is none it changes nothing."""
    return json_answer(await _act(context, principal, alert, "unmute", None, ""))


async def _act(
    context: Context, principal: Principal, alert: str, act: ActKind, for_s: float | None, reason: str
) -> Alert:
    found = await _find(context, principal, alert)
    authorize(principal, Action.ACKNOWLEDGE, found.community, found.site)
    now_ms = context.clock.now_ms()
    until = None if for_s is None else now_ms + round(for_s * 1000)
    await run_in_threadpool(context.register.act, alert, act, principal.name, now_ms, until=until, reason=reason)
    return await _find(context, principal, alert)


async def _find(context: Context, principal: Principal, alert: str) -> Alert:
    found = await run_in_threadpool(context.register.alert, alert)
    if found is None or not principal.sees(found.community, found.site):
        raise not_found("alert", alert)
    return found


def _commands(context: Context, alert: Alert) -> list[Command]:
    found = (context.register.command(command) for command in commands_of(alert))
    return [command for command in found if command is not None]


def _texts(context: Context, alert: Alert) -> dict[str, Any]:
    for community in context.communities:
        for rule in community.rules:
            if (community.id, rule.id) == (alert.community, alert.rule):
                return {language: texts_of(rule, language) for language in LANGUAGES}
    return {}


def _rule_view(rule: Rule, community: Community, notifications: NotificationSettings) -> dict[str, Any]:
    limits = rule.limits
    return {
        "id": rule.id,
        "community": community.id,
        "kind": rule.kind,
        "subject": rule.subject,
        "severity": rule.severity,
        "unit": rule.unit,
        "raise_above": limits.raise_at if limits.rising else None,
        "clear_below": limits.clear_at if limits.rising else None,
        "raise_below": None if limits.rising else limits.raise_at,
        "clear_above": None if limits.rising else limits.clear_at,
        "for_s": rule.for_s,
        "clear_for_s": rule.clear_for_s,
        "watches": len(subjects(rule, community)),
        "acts_on": [action.device for action in rule.actions],
        "notify": [channel.id for channel in notifications.channels if tells(channel, rule, community.id)],
        "texts": {language: texts_of(rule, language) for language in LANGUAGES},
    }
