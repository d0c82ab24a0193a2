"""Accounting of buildings: a site's indicators, a community's portfolio, meters read by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, Query, Response
from starlette.concurrency import run_in_threadpool

from api.access import Action, Principal, authorize, may
from api.answers import documented, json_answer
from api.bodies import BodyRoute
from api.context import Context, Ctx
from api.problems import Problem, not_found
from api.schemas import View
from api.schemas_buildings import IndexEntry, IndexList, IndexView, IndicatorsView, PortfolioView
from energy.buildings.index import ImplausibleError, IndexMeter

if TYPE_CHECKING:
    from api.buildings.sources import Place
    from energy.settlement.terms import Language
    from storage.register.readings_by_hand import Entry

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["buildings"], route_class=BodyRoute)

Reader = Annotated[Principal, Depends(may(Action.READ))]
Year = Annotated[
    int | None, Query(ge=2000, le=2099, description="the year that runs: the twelve months before today, the default")
]

_REPORT: Final = documented(View, 404, 503)
_REPORT[200] = {"content": {kind: {"schema": {"type": "string"}} for kind in ("text/html", "application/pdf")}}
# the page stands alone: its style is inside, and nothing else may be loaded
_ALONE: Final = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:"}


@router.get("/sites/{site}/indicators", responses=documented(IndicatorsView, 404, 503))
async def indicators(context: Ctx, principal: Reader, site: str, year: Year = None) -> Response:
    """A building's year: kWh/m², primary energy, kg CO2, class, normal year, base load, savings found."""
    place = _place(context, principal, site)
    authorize(principal, Action.READ, place.community.id, site)
    return json_answer(await run_in_threadpool(_indicators, context, place, year))


@router.get("/communities/{community}/indicators", responses=documented(PortfolioView, 404, 503))
async def portfolio(
    context: Ctx,
    principal: Annotated[Principal, Depends(may(Action.AGGREGATE))],
    community: str,
    year: Year = None,
    municipality: Annotated[str | None, Query(max_length=100, description="only its buildings")] = None,
) -> Response:
    """The buildings of a community that the caller may see, the worst first, their sums, and how they meet targets."""
    authorize(principal, Action.AGGREGATE, community)
    context.places.community(community)
    return json_answer(await run_in_threadpool(_portfolio, context, principal, community, year, municipality))


@router.get("/communities/{community}/buildings-report", responses=_REPORT)
async def report(
    context: Ctx,
    principal: Annotated[Principal, Depends(may(Action.AGGREGATE))],
    community: str,
    month: Annotated[
        str | None, Query(pattern=r"^\d{4}-(0[1-9]|1[0-2])$", description="as 2026-10; without: the last that is over")
    ] = None,
    municipality: Annotated[str | None, Query(max_length=100, description="only its buildings")] = None,
    language: Annotated[Literal["en", "fr", "nl", "de"], Query()] = "fr",
    accept: Annotated[str, Header()] = "text/html",
) -> Response:
    """The monthly report on a municipality's buildings for its council, as HTML or, by `Accept`, PDF."""
    authorize(principal, Action.AGGREGATE, community)
    name = context.places.community(community).municipality or community
    places = _places(context, principal, community, municipality)
    as_pdf = "application/pdf" in accept
    body = await run_in_threadpool(_report, context, places, municipality or name, month, language, as_pdf)
    return Response(body, media_type="application/pdf" if as_pdf else "text/html", headers=dict(_ALONE))


@router.get("/sites/{site}/index", responses=documented(IndexList, 404, 503))
async def index_readings(context: Ctx, principal: Reader, site: str) -> Response:
    """The meters of a building that are read by hand, with their readings."""
    place = _place(context, principal, site)
    authorize(principal, Action.READ, place.community.id, site)
    found = await run_in_threadpool(_entries, context, site)
    return json_answer(
        {
            "site": site,
            "meters": [
                meter.model_dump(mode="json")
                | {"readings": [_told(entry) for entry in found if entry.meter == meter.id]}
                for meter in place.site.meters
            ],
        }
    )


@router.post("/sites/{site}/index", status_code=201, responses=documented(IndexView, 404, 409, 503, status=201))
async def enter_index(
    context: Ctx, principal: Annotated[Principal, Depends(may(Action.RECORD))], site: str, entry: IndexEntry
) -> Response:
    """Enters what a meter showed; a reading that goes back or jumps is refused with what to do about it."""
    place = _place(context, principal, site)
    authorize(principal, Action.RECORD, place.community.id, site)
    meter = _meter(place, entry.meter)
    try:
        kept = await run_in_threadpool(_enter, context, principal, place, meter, entry)
    except ImplausibleError as error:
        raise Problem(409, error.code, error.message, hint=error.hint, field=f"body.{error.field}") from error
    return json_answer({"site": site, "meter": meter.id, **_told(kept)}, status=201)


def _place(context: Context, principal: Principal, site: str) -> Place:
    place = context.accounts().places.get(site)
    if place is None or not principal.sees(place.community.id, site):
        raise not_found("site", site)
    return place


def _meter(place: Place, name: str) -> IndexMeter:
    meter = next((one for one in place.site.meters if one.id == name), None)
    if meter is None:
        there = ", ".join(one.id for one in place.site.meters) or "none"
        raise Problem(
            422,
            "unknown_meter",
            f"{place.site.id} has no meter {name!r}",
            field="body.meter",
            hint=f"there are: {there}",
        )
    return meter


def _indicators(context: Context, place: Place, year: int | None) -> dict[str, Any]:
    from api.buildings.views import account_view  # noqa: PLC0415 - numpy waits for the first who asks

    accounts = context.accounts()
    wanted = _known_year(context, place, year)
    days = accounts.year(place.community, wanted)
    return account_view(accounts.account(place.site.id, days), accounts.book, accounts.station, wanted)


def _known_year(context: Context, place: Place, year: int | None) -> int:
    running = context.accounts().today(place.community).year
    if year is not None and year > running:
        raise Problem(422, "future", f"{year} has not begun", field="query.year", hint=f"ask for {running} or before")
    return running if year is None else year


def _portfolio(
    context: Context, principal: Principal, community: str, year: int | None, municipality: str | None
) -> dict[str, Any]:
    from api.buildings.views import portfolio_view, row_view  # noqa: PLC0415
    from energy.buildings.portfolio import portfolio as summed  # noqa: PLC0415
    from energy.buildings.portfolio import worst_first  # noqa: PLC0415

    accounts = context.accounts()
    places = _places(context, principal, community, municipality)
    wanted = _known_year(context, places[0], year)
    days = accounts.year(places[0].community, wanted)
    years = worst_first([accounts.building_year(place, days) for place in places])
    rows = [row_view(one, accounts.looked(accounts.places[one.building.id], days.end)) for one in years]
    names = sorted({one.municipality for one in places})
    targets = [state for name in names for state in accounts.targets(name, years, days.end)]
    found = portfolio_view(summed(years), rows, targets, days, wanted)
    return {"community": community, "municipality": municipality, **found}


def _places(context: Context, principal: Principal, community: str, municipality: str | None) -> list[Place]:
    """The buildings that the caller may see, of one municipality if one is named. Raises Problem 404."""
    visible = [one for one in context.accounts().of_community(community) if principal.sees(community, one.site.id)]
    places = [one for one in visible if municipality is None or one.municipality == municipality]
    if not places:
        there = ", ".join(sorted({one.municipality for one in visible})) or "none"
        raise Problem(
            404, "not_found", "there is no building", field="query.municipality", hint=f"municipalities here: {there}"
        )
    return places


def _report(
    context: Context, places: list[Place], municipality: str, month: str | None, language: Language, as_pdf: bool
) -> bytes:
    from api.buildings.report.content import content  # noqa: PLC0415
    from api.buildings.report.month import month_of, report_material  # noqa: PLC0415
    from api.buildings.report.page import html  # noqa: PLC0415
    from api.buildings.report.pdf import pdf  # noqa: PLC0415 - the typesetter waits for the first who asks

    accounts = context.accounts()
    of = report_material(accounts, places, municipality, month_of(month, accounts, places[0]))
    told = content(of, language)
    return pdf(told, of.made) if as_pdf else html(told).encode()


def _entries(context: Context, site: str) -> list[Entry]:
    from storage.register.readings_by_hand import entries  # noqa: PLC0415

    with context.register.database.read() as connection:
        return entries(connection, [site])


def _enter(context: Context, principal: Principal, place: Place, meter: IndexMeter, entry: IndexEntry) -> Entry:
    from storage.register.readings_by_hand import enter  # noqa: PLC0415

    with context.register.database.write() as connection:
        kept = enter(
            connection,
            place.site.id,
            meter,
            entry.reading(),
            today=context.accounts().today(place.community),
            by=principal.name,
            note=entry.note,
            now_ms=context.clock.now_ms(),
            corrects=entry.corrects,
        )
    context.accounts().forget()
    return kept


def _told(entry: Entry) -> dict[str, Any]:
    reading = entry.reading
    return {
        "day": reading.day,
        "index": str(reading.index),
        "exchanged_to": None if reading.exchanged_to is None else str(reading.exchanged_to),
        "rolled": reading.rolled,
        "confirmed": reading.confirmed,
        "by": entry.by,
        "note": entry.note,
        "t": entry.recorded_at,
    }
