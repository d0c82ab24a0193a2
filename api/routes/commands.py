"""Leases: asked for, audited, released. What is asked stands in the register before it leaves for the gateway."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Response
from starlette.concurrency import run_in_threadpool

from api.access import Action, Principal, authorize, may
from api.answers import documented, json_answer
from api.bodies import BodyRoute
from api.context import Context, Ctx
from api.places import PlacedSite
from api.problems import Problem, not_found
from api.schemas import CommandList, CommandRequest, CommandView
from energy.errors import StoreError
from messaging import codec, topics
from storage.register import Command

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["commands"], route_class=BodyRoute)
Commander = Annotated[Principal, Depends(may(Action.COMMAND))]
Reader = Annotated[Principal, Depends(may(Action.READ))]

_UNCONFIRMED: Final = "not confirmed: "
_PAGE: Final = 500
_MOST: Final = 1_000


@router.get("/commands", responses=documented(CommandList, 503))
async def commands(
    context: Ctx,
    principal: Reader,
    limit: Annotated[int, Query(ge=1, le=_MOST)] = 100,
    before: Annotated[int | None, Query(ge=0, lt=1 << 62, description="only those asked before, ms UTC")] = None,
    active: Annotated[bool, Query(description="only leases in force")] = False,
) -> Response:
    """Leases with their trail, newest first; `before` = the last one's `t` gives the next page."""
    return json_answer({"commands": await _visible(context, principal, limit, before, active=active)})


@router.get("/commands/{command}", responses=documented(CommandView, 404, 503))
async def command(context: Ctx, principal: Reader, command: str) -> Response:
    """One lease with its trail."""
    found = await run_in_threadpool(context.register.command, command)
    if found is None or not await _sees(context, principal, found):
        raise not_found("command", command)
    return json_answer(found)


@router.post(
    "/commands",
    status_code=202,
    responses=documented(CommandView, 404, 503, status=202, description="Recorded, and given to the broker"),
)
async def ask(
    context: Ctx,
    principal: Commander,
    request: CommandRequest,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """Asks a lease of a device. The gateway decides; `GET /commands/{id}` and the stream tell what became of it."""
    site = await _site_of(context, principal, request.device)
    if idempotency_key is None:
        done = await _issue(context, principal, site, request)
    else:
        done = await _once(context, principal, site, request, idempotency_key)
    if _unconfirmed(done):
        raise Problem(
            503,
            "broker",
            f"the broker did not confirm the command: {done.trail[-1].reason}",
            hint="try again, with a new Idempotency-Key; should it have arrived all the same, its lease ends by itself",
            headers={"Retry-After": "5"},
            extra={"command": done.id},
        )
    return json_answer(done, status=202, headers={"Location": f"/api/v1/commands/{done.id}"})


@router.post("/commands/release-all", responses=documented(CommandList, 503))
async def release_all(context: Ctx, principal: Commander) -> Response:
    """Ends every lease in force in the caller's communities: each device goes to its safe state."""
    recorded = await _visible(context, principal, _MOST, None, active=True)
    seen = context.live.active_leases(principal.scope)  # asked by others over MQTT, or not confirmed to us
    wanted = []
    for device in dict.fromkeys([*(command.device for command in recorded), *(lease["device"] for lease in seen)]):
        site = context.places.registered(device.partition("/")[0])
        if site is not None and principal.sees(site.community, site.id):
            authorize(principal, Action.COMMAND, site.community, site.id)
            lease = CommandRequest.model_construct(device=device, set={}, ttl_s=0, reason="release all")
            wanted.append(_issue(context, principal, site, lease))
    released = await asyncio.gather(*wanted)
    failed = [command.device for command in released if _unconfirmed(command)]
    if failed:
        raise Problem(
            503,
            "broker",
            f"the broker did not confirm the release of {', '.join(failed)}",
            hint="try again; without a renewal every lease ends by itself within 300 s",
            headers={"Retry-After": "1"},
            extra={"commands": msgspec.to_builtins(released)},
        )
    return json_answer({"commands": released})


async def _once(
    context: Context, principal: Principal, site: PlacedSite, lease: CommandRequest, idempotency_key: str
) -> Command:
    """Issues the command the first time; the same key again finds it. Raises Problem 422 when it is another one."""
    # Its id is made from the key, so that the register itself recognises a repetition, even after a restart.
    command_id = hashlib.sha256(f"{principal.credential}\n{idempotency_key}".encode()).hexdigest()[:32]
    async with context.command_lock:  # two requests at once must not both find nothing
        done = await run_in_threadpool(context.register.command, command_id)
        if done is None:
            return await _issue(context, principal, site, lease, command_id)
    if (done.device, done.set, done.ttl_s, done.reason) != (lease.device, lease.set, lease.ttl_s, lease.reason):
        raise Problem(
            422,
            "idempotency_mismatch",
            "this Idempotency-Key was used for another command",
            field="header.idempotency-key",
            hint="take a new one for each new command",
        )
    return done


async def _issue(
    context: Context, principal: Principal, site: PlacedSite, lease: CommandRequest, command_id: str | None = None
) -> Command:
    """Records the command, publishes it, and records when the broker did not confirm it."""
    now = context.clock.now_ms()
    command_id = command_id or secrets.token_hex(16)
    assert site.gateway is not None
    message = codec.Command(command_id, lease.device, lease.set, lease.ttl_s, principal.name, lease.reason, now)
    recorded = await run_in_threadpool(
        context.register.record_command,
        command_id,
        lease.device,
        lease.set,
        lease.ttl_s,
        issued_by=principal.name,
        reason=lease.reason,
        t=now,
        ends_at=now + round(lease.ttl_s * 1000),
    )
    try:
        await context.live.publish(topics.command(site.community, site.gateway), codec.encode(message))
    except StoreError as error:
        return await run_in_threadpool(
            context.register.record_result, command_id, "failed", _UNCONFIRMED + error.message, context.clock.now_ms()
        )
    return recorded


async def _site_of(context: Context, principal: Principal, device: str) -> PlacedSite:
    """The site of a device that can be commanded. Raises Problem 404.

    A registered device is found without the store: it can be commanded while that is away.
    """
    name = device.partition("/")[0]
    site = context.places.registered(name)
    if site is None or site.device(device) is None:
        site = (await context.places.look()).sites.get(name)
    if site is None or not principal.sees(site.community, site.id) or site.device(device) is None:
        raise Problem(
            404,
            "not_found",
            f"there is no device {device[:100]!r}",
            field="body.device",
            hint="see /api/v1/sites/{site}/devices",
        )
    authorize(principal, Action.COMMAND, site.community, site.id)
    if site.gateway is None:
        raise Problem(
            422,
            "not_registered",
            f"{device!r} stands in no configuration, so its gateway is not known",
            field="body.device",
            hint="add its site to the configuration",
        )
    return site


async def _visible(
    context: Context, principal: Principal, limit: int, before: int | None, *, active: bool
) -> list[Command]:
    """The newest `limit` commands the caller may see: read on until there are as many."""
    found: dict[str, Command] = {}
    while len(found) < limit:
        page = await run_in_threadpool(
            context.register.commands, _PAGE, before, active_only=active, now_ms=context.clock.now_ms()
        )
        visible = {command.id: command for command in page if await _sees(context, principal, command)}
        found |= visible
        if len(page) < _PAGE or page[-1].t + 1 == before:
            break
        before = page[-1].t + 1  # several may be of the same instant
    return list(found.values())[:limit]


async def _sees(context: Context, principal: Principal, command: Command) -> bool:
    if principal.scope is None:
        return True
    name = command.device.partition("/")[0]
    site = context.places.registered(name) or (await context.places.look()).sites.get(name)
    return site is not None and principal.sees(site.community, site.id)


def _unconfirmed(command: Command) -> bool:
    return any(entry.state == "failed" and entry.reason.startswith(_UNCONFIRMED) for entry in command.trail)
