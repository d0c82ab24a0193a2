"""Where messages about alerts go, and the button that tries them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from starlette.concurrency import run_in_threadpool

from api.access import Action, Principal, may
from api.answers import documented, json_answer
from api.context import Context, Ctx
from api.problems import Problem, not_found
from api.schemas_alerts import ChannelList, ChannelTestView
from energy.errors import ConfigError
from messaging.notices import Channel, Mailbox, Sent, trial

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["alerts"])
Operator = Annotated[Principal, Depends(may(Action.COMMAND))]


@router.get("/channels", responses=documented(ChannelList))
async def channels(context: Ctx, principal: Operator) -> Response:
    """The channels of the caller's communities; never their addresses."""
    return json_answer({"channels": [_view(channel) for channel in _visible(context, principal)]})


@router.post("/channels/{channel}/test", responses=documented(ChannelTestView, 404, 503))
async def test(context: Ctx, principal: Operator, channel: str) -> Response:
    """Sends a test message to every address of a channel and tells how many took it."""
    wanted = next((each for each in _visible(context, principal) if each.id == channel), None)
    if wanted is None:
        raise not_found("channel", channel)
    try:
        sent = await run_in_threadpool(_send, context, wanted)
    except ConfigError as error:
        raise Problem(503, "channel", f"channel {channel!r} is not usable", hint=error.hint) from error
    return json_answer(sent)


def _visible(context: Context, principal: Principal) -> list[Channel]:
    """A channel of several communities is for whoever sees all of them."""
    return [
        channel
        for channel in context.notifications.channels
        if all(
            principal.sees(name) for name in channel.communities or [community.id for community in context.communities]
        )
    ]


def _send(context: Context, channel: Channel) -> Sent:
    return Mailbox(channel, context.notifications).send(*trial(channel))


def _view(channel: Channel) -> dict[str, str | None]:
    quiet = channel.quiet
    hours = None if quiet is None else f"{quiet.begin:%H:%M}-{quiet.end:%H:%M} {quiet.timezone}"
    return {
        "id": channel.id,
        "language": channel.language,
        "min_severity": channel.min_severity,
        "quiet": hours,
    }
