"""Series over time of a site, and quarter-hours of a community."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Response

from api.access import Action, Principal, authorize, may
from api.answers import documented, json_answer
from api.context import Context, Ctx
from api.groups import authorize_sum
from api.places import PlacedDevice, PlacedSite
from api.problems import Problem
from api.schemas import CommunityHistoryView, HistoryView
from api.time_limit import read_within
from api.timeline.community import CommunityHistory, community_history
from api.timeline.export import MEDIA_TYPES, Format, file_of, wanted_format
from api.timeline.query import Limits, Question, answer, check_points
from api.timeline.steps import Step, period

__all__ = ["From", "To", "router"]

router = APIRouter(prefix="/api/v1", tags=["history"])

_COLUMNS = 6  # values in a quarter-hour of a community
From = Annotated[
    str | None,
    Query(
        alias="from",
        max_length=50,
        description="ISO 8601 with offset or Z, or ms UTC; default: 24 h before `to`",
        examples=["2026-06-15T00:00:00+02:00"],
    ),
]
To = Annotated[str | None, Query(max_length=50, description="as `from`; default: now", examples=["1750000000000"])]


def _documented() -> dict[int | str, Any]:
    responses = documented(HistoryView, 404, 503)
    responses[200]["content"] = {
        "text/csv": {"schema": {"type": "string"}},
        "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
    }
    return responses


@router.get("/sites/{site}/history", responses=_documented())
async def site_history(
    context: Ctx,
    principal: Annotated[Principal, Depends(may(Action.READ))],
    site: str,
    start: From = None,
    end: Annotated[To, Query(alias="to")] = None,
    step: Annotated[Step, Query(description="1d and 1M are days and months of the community's time zone")] = Step.M5,
    quantity: Annotated[
        str,
        Query(
            max_length=64,
            description="of the wire (one series per device), or of the site: pv_w, grid_w, battery_w, consumption_w; "
            "from step 15m also pv_wh, import_wh, export_wh, charge_wh, discharge_wh, consumption_wh",
        ),
    ] = "consumption_w",
    device: Annotated[str | None, Query(max_length=128, description="only this one, as site/device")] = None,
    form: Annotated[
        Format | None, Query(alias="format", description="overrides Accept; csv-excel: `;`, decimal comma, local time")
    ] = None,
    accept: Annotated[str, Header()] = "",
) -> Response:
    """Series of one quantity with gaps as null; JSON, CSV or Parquet."""
    place = await context.places.site(site, principal.scope)
    authorize(principal, Action.READ, place.community, place.id)
    from_, to = period(start, end, context.clock.now_ms())
    question = Question(place, quantity, _device(place, device), step, from_, to)
    return await read_within(context, _answer, question, wanted_format(form, accept))


@router.get("/communities/{community}/history", responses=documented(CommunityHistoryView, 404, 503))
async def history_of_community(
    context: Ctx,
    principal: Annotated[Principal, Depends(may(Action.AGGREGATE))],
    community: str,
    start: From = None,
    end: Annotated[To, Query(alias="to")] = None,
) -> Response:
    """Mean power of each quarter-hour, summed over the sites; null where one site's is unknown. Never over few."""
    place = context.places.community(community, principal.scope)
    authorize_sum(principal, place)
    sites = [site.id for site in place.sites]
    from_, to = period(start, end, context.clock.now_ms())
    check_points(from_, to, Step.M15, max(_COLUMNS, len(sites)), context.settings.max_points)
    found = await read_within(context, _sums, sites, from_, to)
    head = {"community": community, "from": from_, "to": to, "step": "15m"}
    return json_answer(head | msgspec.to_builtins(found))


def _sums(context: Context, sites: Sequence[str], start: int, end: int) -> CommunityHistory:
    return community_history(sites, start, end, context.history)


def _device(site: PlacedSite, name: str | None) -> PlacedDevice | None:
    if name is None:
        return None
    device = site.device(name) or site.device(f"{site.id}/{name}")
    if device is None:
        hint = f"one of {', '.join(device.id for device in site.devices) or 'none'}"
        raise Problem(
            404, "not_found", f"{site.id} has no device {name[:100]!r}", field="query.device", hint=hint[:500]
        )
    return device


def _answer(context: Context, question: Question, form: Format) -> Response:
    limits = Limits(context.settings.max_points, context.settings.max_scanned)
    found = answer(question, context.history, limits, context.clock.now_ms())
    site = question.site
    if form is not Format.JSON:
        suffix = "parquet" if form is Format.PARQUET else "csv"
        name = f"{site.id}-{found.quantity}-{question.step}.{suffix}"
        safe = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "_" for letter in name)
        return Response(
            file_of(found, site.id, form, site.timezone),
            media_type=MEDIA_TYPES[form],
            headers={"Content-Disposition": f'attachment; filename="{safe}"', "Vary": "Accept"},
        )
    content = {
        "site": site.id,
        "quantity": found.quantity,
        "unit": found.unit,
        "from": found.start,
        "to": found.end,
        "step": question.step,
        "series": found.series,
    }
    return json_answer(content, headers={"Vary": "Accept"})
