"""Settlement runs and statements as they were kept: for those who manage a community; a member has its own."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Header, Query, Response
from starlette.concurrency import run_in_threadpool

from api.access import Action, Principal, authorize, may
from api.answers import documented, json_answer
from api.bodies import BodyRoute
from api.context import Context, Ctx
from api.papers import Dialect, DialectQuery, csv_answer, documented_paper, form_of, paper_answer
from api.problems import Problem, not_found
from api.schemas_statements import (
    CorrectionAsked,
    FarSiteView,
    IssuedView,
    ReopenedMonthsView,
    StatementsView,
    StatementView,
)
from energy.errors import ConfigError, RefusedError
from energy.settlement.terms import GridType

if TYPE_CHECKING:
    from energy.settlement.lines import Statement
    from energy.settlement.month import MonthRun
    from energy.settlement.terms import Terms
    from storage.register.reopened import Reopened

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["statements"], route_class=BodyRoute)

Month = Annotated[str, Query(pattern=r"^\d{4}-(0[1-9]|1[0-2])$", description="as 2026-06")]
Version = Annotated[int | None, Query(ge=1, le=10**6, description="which version; without: the last")]


@router.get("/communities/{community}/statements", responses=documented(StatementsView, 404, 503))
async def statements(
    context: Ctx,
    principal: Annotated[Principal, Depends(may(Action.SETTLE))],
    community: str,
    month: Month,
    version: Version = None,
) -> Response:
    """A version of a community's month: who pays and is paid what, which documents were sent."""
    authorize(principal, Action.SETTLE, community)
    context.places.community(community)
    found = await run_in_threadpool(_kept, context, community, month)
    number, run = _version(found, community, month, version)
    late = await run_in_threadpool(_reopened, context, community, month)
    return json_answer(_month(run, number, len(found)) | {"reopened": late[0] if late else None})


@router.get("/communities/{community}/statements/reopened", responses=documented(ReopenedMonthsView, 404, 503))
async def reopened_months(
    context: Ctx, principal: Annotated[Principal, Depends(may(Action.SETTLE))], community: str
) -> Response:
    """Settled months that late readings contradict: who would be charged or paid otherwise."""
    authorize(principal, Action.SETTLE, community)
    context.places.community(community)
    return json_answer({"community": community, "months": await run_in_threadpool(_reopened, context, community, None)})


@router.post(
    "/communities/{community}/statements/correction",
    status_code=201,
    responses=documented(StatementsView, 404, 409, 503, status=201),
)
async def correction(
    context: Ctx,
    principal: Annotated[Principal, Depends(may(Action.SETTLE))],
    community: str,
    asked: CorrectionAsked,
) -> Response:
    """Corrects a reopened month with the readings that reopened it: credit notes, and the documents anew."""
    authorize(principal, Action.SETTLE, community)
    zone = ZoneInfo(context.places.community(community).timezone)
    try:
        number, run = await run_in_threadpool(_correct, context, principal, community, asked, zone)
    except RefusedError as error:
        raise Problem(409, error.code, error.message, hint=error.hint) from error
    return json_answer(_month(run, number, number) | {"reopened": None}, status=201)


def _correct(
    context: Context, principal: Principal, community: str, asked: CorrectionAsked, zone: ZoneInfo
) -> tuple[int, MonthRun]:
    from storage.register.month_runs import keep, settled_late  # noqa: PLC0415 - numpy waits for the first who asks

    now_ms = context.clock.now_ms()
    issued = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(zone).date()
    database = context.register.database
    with database.read() as connection:
        settled, digest, late = settled_late(connection, community, asked.month)
    with database.write() as connection:
        return keep(
            connection,
            settled,
            digest,
            "correction",
            issued=issued,
            by=principal.name,
            why=asked.why,
            now_ms=now_ms,
            readings=late,
        )


def _reopened(context: Context, community: str, month: str | None) -> list[dict[str, Any]]:
    from storage.register.reopened import reopened  # noqa: PLC0415

    with context.register.database.read() as connection:
        return [_late(each) for each in reopened(connection, community, month)]


def _late(found: Reopened) -> dict[str, Any]:
    return {
        "month": found.month,
        "version": found.version,
        "at": found.at,
        "by": found.by,
        "changes": [asdict(change) for change in found.changes],
        "quarters": found.quarters,
        "points": [asdict(point) for point in found.points],
    }


def _version(found: list[MonthRun], community: str, month: str, version: int | None) -> tuple[int, MonthRun]:
    """The one asked for, or the last. Raises Problem 404."""
    number = len(found) if version is None else version
    if not 0 < number <= len(found):
        hint = "`commonwatt statements run` settles a month" if not found else f"ask for version 1 to {len(found)}"
        raise Problem(404, "not_found", f"{month} of {community} has {len(found)} versions", hint=hint)
    return number, found[number - 1]


@router.get("/communities/{community}/statements/far-site", responses=documented(FarSiteView, 404, 422, 503))
async def far_site(
    context: Ctx,
    principal: Annotated[Principal, Depends(may(Action.SETTLE))],
    community: str,
    month: Month,
    joining: Annotated[GridType, Query(alias="type", description="grid type of the site that would join")],
    version: Version = None,
) -> Response:
    """What one farther site would cost everybody: it makes the whole operation of its grid type. Amounts are with VAT."""
    authorize(principal, Action.SETTLE, community)
    context.places.community(community)
    _, run = _version(await run_in_threadpool(_kept, context, community, month), community, month, version)
    return json_answer(await run_in_threadpool(_far_site, run, joining))


def _far_site(run: MonthRun, joining: GridType) -> dict[str, Any]:
    from energy.settlement.far_site import far_site as charged  # noqa: PLC0415 - numpy waits for the first who asks

    try:
        found = charged(run.inputs, run.volumes, joining)
    except ConfigError as error:
        raise Problem(422, "no_grid_type", error.message, hint=error.hint or "") from None
    members = [asdict(each) | {"more": each.more} for each in found.members]
    return {
        "community": run.inputs.community,
        "month": run.inputs.month,
        "before": found.before,
        "after": found.after,
        "members": members,
        "more": found.more,
    }


@router.get("/statements/{statement}", responses=documented_paper(StatementView))
async def statement(
    context: Ctx,
    principal: Annotated[Principal, Depends(may(Action.OWN))],
    statement: str,
    accept: Annotated[str, Header()] = "application/json",
    dialect: DialectQuery = "iso",
) -> Response:
    """One statement with its lines, as JSON; as PDF or Peppol XML its document where one was issued, as CSV its lines."""
    community, month, version, member, side = _parts(statement)
    if member not in principal.participants:
        authorize(principal, Action.SETTLE)
        if not principal.sees(community):
            raise not_found("statement", statement)
    found = await run_in_threadpool(_kept, context, community, month)
    for number, run in enumerate(found, 1):
        for each in run.statements:
            if (str(number), each.member, each.side) == (version, member, side):
                form = form_of(accept)
                if form is None:
                    return json_answer(_statement(run, number, each))
                if form == "text/csv":
                    return csv_answer(each.lines, dialect)
                return await run_in_threadpool(_paper, context, number, each, form, dialect)
    raise not_found("statement", statement)


@router.get("/communities/{community}/documents/{number}", responses=documented_paper(IssuedView))
async def document(
    context: Ctx,
    principal: Annotated[Principal, Depends(may(Action.SETTLE))],
    community: str,
    number: str,
    accept: Annotated[str, Header()] = "application/json",
    dialect: DialectQuery = "iso",
) -> Response:
    """An invoice, remuneration or credit note by its number, as it was sent: JSON, PDF, Peppol XML, or its lines as CSV."""
    authorize(principal, Action.SETTLE, community)
    context.places.community(community)
    return await run_in_threadpool(_document, context, community, number, form_of(accept), dialect)


def _document(context: Context, community: str, number: str, form: str | None, dialect: Dialect) -> Response:
    from storage.register.papers import document_paper  # noqa: PLC0415

    with context.register.database.read() as connection:
        found = document_paper(connection, community, number)
    if found is None or found.document is None:
        raise not_found("document", number)
    return json_answer(found.document) if form is None else paper_answer(lambda: found, form, dialect)


def _paper(context: Context, version: int, of: Statement, form: str, dialect: Dialect) -> Response:
    from storage.register.papers import statement_paper  # noqa: PLC0415

    with context.register.database.read() as connection:
        return paper_answer(lambda: statement_paper(connection, of, version), form, dialect)


def _parts(statement: str) -> tuple[str, str, str, str, str]:
    parts = statement.split(".")
    if len(parts) != 5:
        raise not_found("statement", statement)
    community, month, version, member, side = parts
    return community, month, version, member, side


def _kept(context: Context, community: str, month: str) -> list[MonthRun]:
    from storage.register.month_runs import kept  # noqa: PLC0415 - numpy waits for the first who asks

    with context.register.database.read() as connection:
        return kept(connection, community, month)


def _id(run: MonthRun, number: int, of: Statement) -> str:
    return f"{run.inputs.community}.{run.inputs.month}.{number}.{of.member}.{of.side}"


def _month(run: MonthRun, number: int, versions: int) -> dict[str, Any]:
    return {
        "community": run.inputs.community,
        "month": run.inputs.month,
        "versions": versions,
        "version": number,
        "status": run.status,
        "quarters": run.quarters,
        "held": run.held,
        "gaps": run.gaps,
        "gaps_left": run.gaps_left,
        "statements": [
            {
                "id": _id(run, number, each),
                "member": each.member,
                "side": each.side,
                "totals": _totals(each),
                "warnings": each.warnings,
            }
            for each in run.statements
        ],
        "documents": [
            {
                "number": each.number,
                "kind": each.draft.kind,
                "member": each.draft.member,
                "communication": each.communication,
                "issued": each.issued,
                "due": each.due,
                "gross": each.draft.totals.gross,
                "credits": each.draft.credits,
            }
            for each in run.documents
        ],
        "differences": run.differences,
        "corrections": [
            {
                "member": statement.member,
                "side": statement.side,
                "lines": [
                    {"name": delta.name, "ean": delta.ean, "energy_wh": delta.energy_wh, "net": delta.net}
                    for delta in each.deltas
                ],
            }
            for each in run.corrections
            if (statement := each.after or each.before) is not None
        ],
    }


def _statement(run: MonthRun, number: int, of: Statement) -> dict[str, Any]:
    from energy.settlement.terms import Terms  # noqa: PLC0415

    terms = Terms.model_validate(run.inputs.terms)
    energy = asdict(of.energy) | {"complementary_wh": of.energy.complementary_wh}
    return {
        "id": _id(run, number, of),
        "community": of.community,
        "month": of.month,
        "version": number,
        "status": run.status,
        "member": of.member,
        "member_class": of.member_class,
        "side": of.side,
        "grid_type": of.grid_type,
        "energy": energy,
        "lines": of.lines,
        "totals": _totals(of),
        "warnings": of.warnings,
        "labels": {charge.name: charge.label for charge in terms.charges},
        "without_sharing": _without_sharing(terms, of),
    }


def _without_sharing(terms: Terms, of: Statement) -> dict[str, Any] | None:
    """What the received energy would have cost from a supplier, with VAT, where the terms tell it."""
    from energy.settlement.money import energy_price  # noqa: PLC0415
    from energy.settlement.paper import spared_eur  # noqa: PLC0415
    from energy.settlement.terms import Month as SettledMonth  # noqa: PLC0415

    price = terms.compared(SettledMonth.parse(of.month), of.member_class)
    if price is None or of.side == "producer":
        return None
    return {
        "eur_kwh": price.eur_kwh,
        "source": price.source,
        "cost": energy_price(of.energy.received_wh, price.eur_kwh),
        "spared": spared_eur(of, price.eur_kwh),
    }


def _totals(of: Statement) -> dict[str, Any]:
    return {"net": of.totals.net, "vat": of.totals.vat, "gross": of.totals.gross}
