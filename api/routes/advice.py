"""The public page and poster of the advice to citizens: a community's sums only, and only where there are enough sites."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse

from api.access import caller_of
from api.advice.page import Sheet, page, poster
from api.advice.texts import chosen_language
from api.context import Ctx
from api.groups import SMALLEST_GROUP, authorize_sum
from api.problems import not_found
from api.rights import Action
from api.routes.forecast import outlook_of

__all__ = ["router"]

router = APIRouter(prefix="/advice", include_in_schema=False)

_STYLE: Final = Path(__file__).parents[1] / "advice" / "advice.css"
Language = Annotated[str | None, Query(alias="lang", max_length=8)]
Accepted = Annotated[str | None, Header(alias="accept-language", max_length=500)]


@router.get("/advice.css")
async def style() -> Response:
    """The style sheet of both."""
    return FileResponse(_STYLE, media_type="text/css", headers={"Cache-Control": "public, max-age=3600"})


@router.get("/{community}")
async def advice_page(
    request: Request, context: Ctx, community: str, language: Language = None, accepted: Accepted = None
) -> Response:
    """For a phone."""
    return await _answer(request, context, community, chosen_language(language, accepted), page)


@router.get("/{community}/poster")
async def advice_poster(
    request: Request, context: Ctx, community: str, language: Language = None, accepted: Accepted = None
) -> Response:
    """For the hall: one sheet of A4."""
    return await _answer(request, context, community, chosen_language(language, accepted), poster)


async def _answer(
    request: Request, context: Ctx, community: str, language: str, draw: Callable[[Sheet], str]
) -> Response:
    """Without a key only where the operator publishes it, and the sum is over enough sites; else as the route forecast."""
    settings = context.settings
    open_to_all = settings.public_advice and "authorization" not in request.headers
    caller = None if open_to_all else await caller_of(request, Action.AGGREGATE)
    place = context.places.community(community, None if caller is None else caller.scope)
    if caller is not None:
        authorize_sum(caller, place)
    elif len(place.sites) < SMALLEST_GROUP:
        raise not_found("community", community)
    outlook = await outlook_of(context, place)
    sheet = Sheet(
        place.id, place.name, place.timezone, context.clock.now_ms(), outlook.ahead.t, outlook.advice, language
    )
    return HTMLResponse(draw(sheet), headers={"Vary": "Accept-Language", "Content-Language": language})
