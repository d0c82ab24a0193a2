"""The live state: once as an object, or followed as server-sent events."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from api.access import Action, Principal, caller_of, may, still_valid
from api.answers import documented
from api.context import Context, Ctx
from api.live.stream import HEARTBEAT_S, Subscriber
from api.problems import Problem, problem_response
from api.schemas import ERRORS, LiveView

__all__ = ["LiveFirst", "router"]

router = APIRouter(prefix="/api/v1", tags=["live"])
Reader = Annotated[Principal, Depends(may(Action.READ))]

_RECHECK_S: Final = 5.0
_NUMBER: Final = re.compile(r"\d{1,18}", re.ASCII)


@router.get("/live", responses=documented(LiveView))
async def live(context: Ctx, principal: Reader) -> Response:
    """All sites and communities now. `Data-Age-S` tells the age of the newest part; what is older than 30 s is null."""
    return _now(context, principal)


class LiveFirst:
    """ASGI middleware that answers GET /api/v1/live as its route does, without the router's way to it.

    The answer's bytes are there already: routing and dependencies would be nine tenths of what it costs.
    """

    path = f"{router.prefix}/live"

    def __init__(self, app: ASGIApp, *, context: Context) -> None:
        self._app = app
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != self.path or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        scope["route"] = self  # by whose path the answer is counted
        try:
            answer = _now(self._context, await caller_of(Request(scope), Action.READ))
        except Problem as problem:
            answer = problem_response(problem)
        await answer(scope, receive, send)


def _now(context: Context, principal: Principal) -> Response:
    body, age_ms = context.live.live(principal.scope)
    age = {} if age_ms is None else {"Data-Age-S": f"{age_ms / 1000:.1f}"}
    return Response(body, media_type="application/json", headers=age)


@router.get(
    "/live/stream",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "Server-sent events"},
        **{code: ERRORS[code] for code in (401, 403, 429)},
    },
)
async def stream(
    context: Ctx,
    principal: Reader,
    last_event_id: Annotated[str | None, Header(description="resume after this event")] = None,
) -> Response:
    """One `snapshot`, then `site`, `community`, `alert` and `command` events; `stale` when a community's collector is silent."""
    if context.live.events.readers >= context.settings.max_streams:
        raise Problem(
            429, "too_many_streams", "too many event streams are open", hint="try later", headers={"Retry-After": "30"}
        )
    return StreamingResponse(
        _frames(context, principal, last_event_id),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},  # nginx would hold events back
    )


async def _frames(context: Context, principal: Principal, last_event_id: str | None) -> AsyncIterator[bytes]:
    events = context.live.events
    subscriber = events.subscribe(principal.scope)
    checked = context.clock.monotonic()
    try:
        yield _first(context, subscriber, last_event_id)
        while True:
            yield await _next(context, subscriber)
            if subscriber.closed:
                return
            if context.clock.monotonic() - checked > _RECHECK_S:
                checked = context.clock.monotonic()
                if not still_valid(context, principal):
                    return
    finally:
        events.unsubscribe(subscriber)


def _first(context: Context, subscriber: Subscriber, last_event_id: str | None) -> bytes:
    """What the reader missed if that is still known, else the whole state."""
    if last_event_id and _NUMBER.fullmatch(last_event_id):
        missed = context.live.events.since(int(last_event_id), subscriber.scope)
        if missed is not None:
            return b": resumed\n\n" + missed
    return context.live.snapshot(subscriber.scope)


async def _next(context: Context, subscriber: Subscriber) -> bytes:
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        await subscriber.wait()
        frames = subscriber.take()
        if frames is None:
            return context.live.snapshot(subscriber.scope)
        if frames:
            return frames
        if subscriber.closed or loop.time() - began >= HEARTBEAT_S:  # others' events wake this reader, too
            return b": still here\n\n"
