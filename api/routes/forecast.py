"""What a community's next 36 hours bring, how good forecasts were so far, and what is advised to citizens."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Response

from api.access import Principal, may
from api.answers import documented, json_answer
from api.context import Context, Ctx
from api.forecasts import Outlook
from api.groups import authorize_sum
from api.rights import Action
from api.schemas_forecast import ForecastView
from energy.community import Community
from energy.forecast.advice import Advice
from energy.forecast.advice_texts import LANGUAGES, sentence
from energy.forecast.messages import Band
from energy.quarters import QUARTER_MS

__all__ = ["outlook_of", "router"]

router = APIRouter(prefix="/api/v1", tags=["forecast"])


@router.get("/communities/{community}/forecast", responses=documented(ForecastView, 404, 503))
async def forecast(
    context: Ctx, principal: Annotated[Principal, Depends(may(Action.AGGREGATE))], community: str
) -> Response:
    """36 h of PV, consumption, surplus and price with their bands, accuracy so far, and advice to citizens."""
    place = context.places.community(community, principal.scope)
    authorize_sum(principal, place)
    return json_answer(_answer(place, await outlook_of(context, place)))


async def outlook_of(context: Context, community: Community) -> Outlook:
    """The community's forecast with the prices its planner goes by. Raises Problem 503, StoreError."""
    made = context.live.plans.get(community.id)
    steps = msgspec.json.decode(made)["plan"]["steps"] if made else []
    return await context.forecasts.of(community, {step["start"]: step["import_eur_kwh"] for step in steps})


def _answer(community: Community, outlook: Outlook) -> dict[str, Any]:
    ahead = outlook.ahead
    return {
        "community": community.id,
        "name": community.name,
        "timezone": community.timezone,
        "t": ahead.t,
        "known_days": ahead.known_days,
        "newest": ahead.newest,
        "steps": [_step(outlook, number) for number in range(len(outlook.price_eur_kwh))],
        "accuracy": ahead.accuracy,
        "advice": [_advice(each) for each in outlook.advice],
    }


def _step(outlook: Outlook, number: int) -> dict[str, Any]:
    ahead = outlook.ahead
    step: dict[str, Any] = {"start": ahead.t + number * QUARTER_MS}
    for name, band in (("pv", ahead.pv), ("consumption", ahead.consumption), ("surplus", ahead.surplus)):
        step |= _values(name, band, number)
    return step | {"price_eur_kwh": outlook.price_eur_kwh[number]}


def _values(name: str, band: Band | None, number: int) -> dict[str, float | None]:
    if band is None:
        return dict.fromkeys((f"{name}_w", f"{name}_low_w", f"{name}_high_w"))
    return {
        f"{name}_w": band.expected_w[number],
        f"{name}_low_w": band.low_w[number],
        f"{name}_high_w": band.high_w[number],
    }


def _advice(advice: Advice) -> dict[str, Any]:
    return {
        "start": advice.start,
        "end": advice.end,
        "light": advice.light,
        "reason": advice.reason,
        "share": None if advice.share is None else round(advice.share, 3),
        "text": {language: sentence(advice, language) for language in LANGUAGES},
    }
