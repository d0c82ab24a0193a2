"""What the car at a charger wants: said by a person, followed by plan and balancer until its time is over."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Response
from starlette.concurrency import run_in_threadpool

from api.access import Action, Principal, may
from api.answers import documented, json_answer
from api.bodies import BodyRoute
from api.context import Context, Ctx
from api.problems import Problem, not_found
from api.schemas_wishes import WishRequest, WishView
from api.steered import find_device
from energy.names import device_id
from energy.quantities import Role
from storage.register.wishes import CarWish, forget_wish, keep_wish, wishes

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/sites/{site}/chargers/{charger}", tags=["plan"], route_class=BodyRoute)
Commander = Annotated[Principal, Depends(may(Action.COMMAND))]
_FARTHEST_MS: Final = 7 * 86_400_000


@router.get("/wish", responses=documented(WishView, 404, 503))
async def wish(
    context: Ctx, principal: Annotated[Principal, Depends(may(Action.READ))], site: str, charger: str
) -> Response:
    """The wish that counts now; 404: there is none, and the configuration's counts."""
    device = _charger(context, principal, site, charger, Action.READ)
    now_ms = context.clock.now_ms()

    def look() -> list[CarWish]:
        with context.register.database.read() as connection:
            return wishes(connection, now_ms, [device])

    found = await run_in_threadpool(look)
    if not found:
        raise not_found("wish", device)
    return json_answer(found[0])


@router.put("/wish", responses=documented(WishView, 404, 503))
async def say(context: Ctx, principal: Commander, site: str, charger: str, request: WishRequest) -> Response:
    """Says what the car wants, in place of what was said before and of the configuration."""
    device = _charger(context, principal, site, charger, Action.COMMAND)
    now_ms = context.clock.now_ms()
    if not now_ms < request.ready_at <= now_ms + _FARTHEST_MS:
        raise Problem(
            422,
            "out_of_range",
            "a car is ready in the future, within seven days",
            field="body.ready_at",
            hint=f"milliseconds since 1970, UTC; now it is {now_ms}",
        )
    said = CarWish(device, request.ready_at, request.energy_wh, principal.name, now_ms)

    def keep() -> None:
        with context.register.database.write() as connection:
            keep_wish(connection, said)

    await run_in_threadpool(keep)
    return json_answer(said)


@router.delete("/wish", status_code=204, responses=documented(WishView, 404, 503))
async def take_back(context: Ctx, principal: Commander, site: str, charger: str) -> Response:
    """Takes it back: the configuration's counts again."""
    device = _charger(context, principal, site, charger, Action.COMMAND)

    def forget() -> bool:
        with context.register.database.write() as connection:
            return forget_wish(connection, device, by=principal.name, now_ms=context.clock.now_ms())

    if not await run_in_threadpool(forget):
        raise not_found("wish", device)
    return Response(status_code=204)


def _charger(context: Context, principal: Principal, site: str, charger: str, action: Action) -> str:
    """The charger's full name. Raises Problem: 404 where the caller sees none, 422 where wishes are not heeded."""
    found = find_device(context, principal, site, charger, Role.EV, action, "charger")
    device = device_id(site, charger)
    if found.wants != "car":
        raise Problem(
            422,
            "not_steered",
            f"{device} charges without regard to deadlines",
            field="path.charger",
            hint="set `steer: {charge: by_price, ready_by: ...}` in the centre's configuration",
        )
    return device
