"""What more PV or a battery at a site would bring to it and to its community."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Response
from starlette.concurrency import run_in_threadpool

from api.access import Action, Principal, may
from api.answers import documented, json_answer
from api.context import Context, Ctx
from api.problems import Problem
from api.schemas_sizing import ServesName, SizingView
from energy.community import Community

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["sizing"])

_MOST_SIZES: Final = 36
_MOST_SITES: Final = 100
_LARGEST: Final = 100_000.0
_SIZES: Final = r"^\d{1,6}(\.\d{1,3})?(,\d{1,6}(\.\d{1,3})?){0,11}$"


@router.get("/communities/{community}/sizing", responses=documented(SizingView, 404, 409, 503))
async def sizing(
    context: Ctx,
    principal: Annotated[Principal, Depends(may(Action.READ))],
    community: str,
    site: Annotated[str, Query(max_length=64, description="where it would stand")],
    pv_kwp: Annotated[str, Query(pattern=_SIZES, description="sizes of PV to try, as 0,50,100")] = "0",
    battery_kwh: Annotated[str, Query(pattern=_SIZES, description="sizes of batteries to try, as 0,100")] = "0",
    profile: Annotated[str | None, Query(max_length=64, description="the site whose PV is scaled")] = None,
    yield_kwh: Annotated[float | None, Query(gt=0, le=3000, description="kWh a year of a kWp")] = None,
    serves: Annotated[ServesName, Query(description="whose surplus the battery takes")] = "site",
) -> Response:
    """The last year with other sizes: shared by the community's key, billed by the configured terms of investment."""
    place = context.places.community(community, principal.scope)
    if not principal.sees(community):
        detail = f"sizing tells what every site of {community} gains, and you may see some of them only"
        raise Problem(403, "whole_community_needed", detail, hint="ask with a key of the whole community")
    for field, name in (("site", site), ("profile", profile)):
        if name is not None and place.site(name) is None:
            hint = f"one of {', '.join(each.id for each in place.sites) or 'none'}"
            raise Problem(
                422, "unknown_site", f"{community} has no site {name!r}", field=f"query.{field}", hint=hint[:500]
            )
    sizes = _sizes("pv_kwp", pv_kwp), _sizes("battery_kwh", battery_kwh)
    if len(sizes[0]) * len(sizes[1]) > _MOST_SIZES:
        detail = f"these are more than {_MOST_SIZES} pairs of sizes"
        raise Problem(422, "too_many", detail, field="query.pv_kwp", hint="ask for fewer at once")
    if len(place.sites) > _MOST_SITES:
        detail = f"{community} has more than {_MOST_SITES} sites"
        raise Problem(422, "too_many", detail, hint="use `commonwatt sizing` with the readings as a file")
    return await run_in_threadpool(_answer, context, place, site, sizes, (profile, yield_kwh, serves))


def _sizes(field: str, text: str) -> tuple[float, ...]:
    sizes = tuple(sorted({float(part) for part in text.split(",")}))
    if sizes[-1] > _LARGEST:
        raise Problem(
            422, "invalid", f"sizes go up to {_LARGEST:,.0f}", field=f"query.{field}", hint="ask for smaller ones"
        )
    return sizes


def _answer(
    context: Context,
    place: Community,
    site: str,
    sizes: tuple[tuple[float, ...], tuple[float, ...]],
    how: tuple[str | None, float | None, ServesName],
) -> Response:
    from api.timeline.sizing import Asked, size_site  # noqa: PLC0415 - numpy waits for the first who asks
    from energy.sizing.change import Serves  # noqa: PLC0415

    if context.investment is None:
        hint = "let `investment_file` under `api:` name a file such as deploy/examples/sizing/investment.yaml"
        raise Problem(409, "no_terms", "nobody has told this service what PV and batteries cost", hint=hint)
    profile, yield_kwh, serves = how
    asked = Asked(site, *sizes, profile, yield_kwh, Serves(serves))
    return json_answer(size_site(place, asked, context.investment, context.history, context.clock.now_ms()))
