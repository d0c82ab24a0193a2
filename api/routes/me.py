"""One's own: who one is here, quarter-hours of one's metering points, statements; and sums over all members."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from api.access import Action, Principal, authorize, may
from api.answers import documented, json_answer
from api.context import Context, Ctx
from api.problems import Problem, not_found
from api.routes.history import From, To
from api.schemas_me import ConsentsView, MembersHistoryView, MeView, OwnEnergyView, OwnStatementsView
from api.time_limit import read_within
from api.timeline.steps import period
from energy.quarters import QUARTER_MS, quarter_start, quarter_starts
from storage.register import audit, consents
from storage.register.consents import Purpose
from storage.register.participants import METERING_POINTS, PARTICIPANTS, MeteringPoint, Participant
from storage.register.people import PEOPLE

if TYPE_CHECKING:
    from energy.community import Community
    from energy.settlement.curves import Curve

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["members"])
Owner = Annotated[Principal, Depends(may(Action.OWN))]

_DAY: Final = 96
_MOST_DAYS: Final = 31
_MOST_QUARTERS: Final = _MOST_DAYS * _DAY + 4  # a local October: 31 days, one of them of 25 hours
_MOST_SHARES: Final = 300_000
_PUBLIC: Final = frozenset({"municipality", "public_body"})  # no natural person's habits show in their curves


@router.get("/me", responses=documented(MeView, 503))
async def me(context: Ctx, principal: Owner) -> Response:
    """Who asks, what it may, and its memberships."""
    return await run_in_threadpool(_me, context, principal)


@router.get("/me/energy", responses=documented(OwnEnergyView, 503))
async def own_energy(
    context: Ctx, principal: Owner, start: From = None, end: Annotated[To, Query(alias="to")] = None
) -> Response:
    """One's own quarter-hours by metering point: of settled months, and estimated for points at sites that are measured."""
    starts = _quarters(start, end, context.clock.now_ms())
    return await read_within(context, _own_energy, principal, starts)


@router.get("/me/statements", responses=documented(OwnStatementsView, 503))
async def own_statements(
    context: Ctx, principal: Owner, months: Annotated[int, Query(ge=1, le=120, description="the newest so many")] = 12
) -> Response:
    """One's own statements of settled months; `GET /api/v1/statements/{id}` has the lines."""
    return await run_in_threadpool(_own_statements, context, principal, months)


@router.get("/me/consents", responses=documented(ConsentsView, 409, 503))
async def own_consents(context: Ctx, principal: Owner) -> Response:
    """What one agreed to, and what one may agree to."""
    return await run_in_threadpool(_consents, context, _person(principal))


@router.put("/me/consents/{purpose}", responses=documented(ConsentsView, 409, 503))
async def consent(context: Ctx, principal: Owner, purpose: Purpose) -> Response:
    """Agrees to a use of one's data. Done twice it changes nothing."""
    return await run_in_threadpool(_decide, context, principal, purpose, agrees=True)


@router.delete("/me/consents/{purpose}", responses=documented(ConsentsView, 409, 503))
async def withdraw_consent(context: Ctx, principal: Owner, purpose: Purpose) -> Response:
    """Withdraws a consent: from now on that use is refused. Done twice it changes nothing."""
    return await run_in_threadpool(_decide, context, principal, purpose, agrees=False)


@router.get("/participants/{participant}/energy", responses=documented(OwnEnergyView, 404, 503))
async def energy_of_member(
    context: Ctx,
    principal: Annotated[Principal, Depends(may(Action.SETTLE))],
    participant: str,
    start: From = None,
    end: Annotated[To, Query(alias="to")] = None,
) -> Response:
    """A member's settled quarter-hours, for managers: of public bodies, and of others who consent to `curve`."""
    starts = _quarters(start, end, context.clock.now_ms())
    return await run_in_threadpool(_energy_of_member, context, principal, participant, starts)


@router.get("/communities/{community}/members/history", responses=documented(MembersHistoryView, 404, 503))
async def history_of_members(
    context: Ctx,
    principal: Annotated[Principal, Depends(may(Action.AGGREGATE))],
    community: str,
    start: From = None,
    end: Annotated[To, Query(alias="to")] = None,
) -> Response:
    """Quarter-hours summed over all members, of settled months. Never over fewer than five besides oneself."""
    context.places.community(community, principal.scope)
    authorize(principal, Action.AGGREGATE, community)
    starts = _quarters(start, end, context.clock.now_ms())
    return await run_in_threadpool(_members, context, principal, community, starts)


def _quarters(start: str | None, end: str | None, now_ms: int) -> range:
    from_, to = period(start, end, now_ms)
    starts = quarter_starts(from_, to)
    if len(starts) > _MOST_QUARTERS:
        raise Problem(
            422,
            "too_long",
            f"these are {len(starts):,} quarter-hours, at most {_MOST_QUARTERS:,} are told at once",
            field="query.from",
            hint=f"ask for at most {_MOST_DAYS} days",
        )
    return range(starts.start, starts.start + len(starts) * QUARTER_MS, QUARTER_MS)


def _me(context: Context, principal: Principal) -> Response:
    with context.register.database.read() as connection:
        own = _memberships(connection, principal)
        points = METERING_POINTS.all(connection)
        people = {person.id: person for person in PEOPLE.all(connection)}
    names = {community.id: community.name for community in context.communities}
    person = people.get(principal.person or "")
    return json_answer(
        {
            "name": principal.name,
            "role": principal.role,
            "rights": sorted(principal.rights),
            "language": person.language if person is not None else "fr",
            "participants": [
                {
                    "id": member.id,
                    "community": member.community,
                    "community_name": names.get(member.community, member.community),
                    "member_class": member.member_class,
                    "metering_points": sorted({point.id for point in points if point.participant == member.id}),
                }
                for member in own
            ],
        }
    )


def _memberships(connection: Connection, principal: Principal) -> list[Participant]:
    """The latest state of each."""
    found = {each.id: each for each in PARTICIPANTS.all(connection) if each.id in principal.participants}
    return list(found.values())


def _own_energy(context: Context, principal: Principal, starts: range) -> Response:
    from api.timeline.members import own_points  # noqa: PLC0415 - numpy waits for the first who asks
    from storage.register.curves import of_participants  # noqa: PLC0415

    own = sorted(principal.participants)
    with context.register.database.read() as connection:
        curves = of_participants(connection, own, starts.start, starts.stop)
        members = {member.id: member for member in _memberships(connection, principal)}
        points = METERING_POINTS.all(connection)
    found = own_points(starts, curves, dict(_estimates(context, members, points, starts, curves)))
    running = list(_running(context, members, points, starts))
    return json_answer({"t": list(starts), "step": "15m", "points": found, "running": running})


def _running(
    context: Context, members: dict[str, Participant], points: list[MeteringPoint], starts: range
) -> Iterator[dict[str, Any]]:
    """What one's own points got so far in the quarter-hour that runs, where `starts` reach into it."""
    from api.timeline.members import holds  # noqa: PLC0415
    from api.timeline.running import own_share, share_running  # noqa: PLC0415
    from api.timeline.sharing import key_in_force  # noqa: PLC0415

    now_ms = context.clock.now_ms()
    for point in points if starts.start <= now_ms < starts.stop else ():
        place = _own_place(context, members, points, point)
        if place is None or not holds(point, now_ms, place.timezone):
            continue
        told = context.live.board.quarters(place.id, now_ms)
        sites, key = [site.id for site in place.sites], key_in_force(place, None)
        shared = share_running(sites, key, told, now_ms, speed=context.clock.speed)
        yield {"ean": point.id, "participant": point.participant} | own_share(shared, point.site or "")


def _own_place(
    context: Context, members: dict[str, Participant], points: list[MeteringPoint], point: MeteringPoint
) -> Community | None:
    """The community of a point of these members that is a site's only one: the site's meters are its then."""
    place = None if point.site is None else context.places.registered(point.site)
    alone = len({other.id for other in points if other.site == point.site}) == 1
    if point.participant not in members or place is None or not alone:
        return None
    return context.places.community(place.community)


def _estimates(
    context: Context,
    members: dict[str, Participant],
    points: list[MeteringPoint],
    starts: range,
    curves: list[Curve],
) -> Iterator[tuple[tuple[str, str], Any]]:
    """Of points that are a site's only one: what the site's meters tell is theirs then, and nobody else's."""
    from api.timeline.members import estimate  # noqa: PLC0415

    over = quarter_start(context.clock.now_ms())
    settled = max((curve.start + curve.values.shape[1] * QUARTER_MS for curve in curves), default=starts.start)
    open_ = range(max(starts.start, settled), min(starts.stop, over), QUARTER_MS)
    for point in points:
        community = _own_place(context, members, points, point)
        if community is None or not open_:
            continue
        if len(open_) * len(community.sites) <= _MOST_SHARES:
            values = estimate(community, point, open_, context.history)
            yield (point.id, point.participant), _shifted(values, starts, open_)


def _shifted(values: Any, starts: range, within: range) -> Any:
    """The values of some quarter-hours among those of all."""
    import numpy as np  # noqa: PLC0415

    before = (within.start - starts.start) // QUARTER_MS
    after = len(starts) - before - len(within)
    return np.pad(values, ((0, 0), (before, after)), constant_values=-1)


def _own_statements(context: Context, principal: Principal, months: int) -> Response:
    from storage.register.month_runs import settled_months  # noqa: PLC0415

    found: list[dict[str, Any]] = []
    with context.register.database.read() as connection:
        for community in sorted({member.community for member in _memberships(connection, principal)}):
            for version, run in settled_months(connection, community, months):
                found += [
                    {
                        "id": f"{community}.{run.inputs.month}.{version}.{each.member}.{each.side}",
                        "community": community,
                        "month": run.inputs.month,
                        "version": version,
                        "status": run.status,
                        "member": each.member,
                        "side": each.side,
                        "energy_wh": each.energy.received_wh if each.side == "consumer" else each.energy.given_wh,
                        "net": each.totals.net,
                        "vat": each.totals.vat,
                        "gross": each.totals.gross,
                    }
                    for each in run.statements
                    if each.member in principal.participants
                ]
    return json_answer({"statements": sorted(found, key=lambda each: (each["month"], each["id"]), reverse=True)})


def _person(principal: Principal) -> str:
    if principal.person is None:
        raise Problem(
            409,
            "no_person",
            f"{principal.name!r} is nobody's own key: it stands for no single person of the register",
            hint="use the key of a user, or of participants of one person",
        )
    return principal.person


def _consents(context: Context, person: str) -> Response:
    with context.register.database.read() as connection:
        found = consents.consents(connection, person)
    given = {one.purpose for one in found if one.withdrawn_at is None}
    history = [{"purpose": one.purpose, "given_at": one.given_at, "withdrawn_at": one.withdrawn_at} for one in found]
    purposes = [{"purpose": purpose, "given": purpose in given} for purpose in Purpose]
    return json_answer({"purposes": purposes, "history": history})


def _decide(context: Context, principal: Principal, purpose: Purpose, *, agrees: bool) -> Response:
    person, now_ms = _person(principal), context.clock.now_ms()
    with context.register.database.write() as connection:
        if consents.stands(connection, person, purpose) != agrees:
            if agrees:
                consents.give(connection, person, purpose, f"given over the API by {principal.name}", now_ms)
            else:
                consents.withdraw(connection, person, purpose, now_ms)
            act, after = "consent" if agrees else "withdraw", {"purpose": purpose.value}
            audit.record(connection, now_ms, principal.name, act, "consent", person, after=after)
    return _consents(context, person)


def _energy_of_member(context: Context, principal: Principal, participant: str, starts: range) -> Response:
    from api.timeline.members import own_points  # noqa: PLC0415
    from storage.register.curves import of_participants  # noqa: PLC0415

    with context.register.database.read() as connection:
        member = next((each for each in reversed(PARTICIPANTS.all(connection)) if each.id == participant), None)
        if member is None or not principal.sees(member.community):
            raise not_found("participant", participant)
        public = member.member_class in _PUBLIC
        if not public and not consents.stands(connection, member.person, Purpose.CURVE):
            raise Problem(
                403,
                "consent_needed",
                f"{participant} does not consent that managers look at its quarter-hours",
                hint="statements and sums need no consent; the member gives it at /api/v1/me/consents/curve",
            )
        curves = of_participants(connection, [participant], starts.start, starts.stop)
    return json_answer({"t": list(starts), "step": "15m", "points": own_points(starts, curves, {})})


def _members(context: Context, principal: Principal, community: str, starts: range) -> Response:
    from api.timeline.members import Group, members_history  # noqa: PLC0415
    from storage.register.curves import of_community  # noqa: PLC0415

    with context.register.database.read() as connection:
        curves = of_community(connection, community, starts.start, starts.stop)
        points = METERING_POINTS.all(connection)
    places: defaultdict[str, set[str | None]] = defaultdict(set)
    for point in points:
        places[point.participant].add(point.site)
    settles = principal.may(Action.SETTLE, community)
    others = set() if settles else {curve.member for curve in curves} - principal.participants
    hidden = {member for member in others if not _reads_all(principal, community, places[member])}
    at_sites = {member for member in hidden if places[member] - {None}}
    found = members_history(starts, curves, Group(at_sites, hidden - at_sites))
    return json_answer({"community": community, "t": list(starts), "step": "15m"} | msgspec.to_builtins(found))


def _reads_all(principal: Principal, community: str, places: Collection[str | None]) -> bool:
    """Whether the caller reads the site of each of a member's metering points, so that it can take the member off a sum."""
    return bool(places) and all(site is not None and principal.may(Action.READ, community, site) for site in places)
