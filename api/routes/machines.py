"""What a machine is to do once: said by a person, begun when the plan finds it best, and then not cut."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Response
from starlette.concurrency import run_in_threadpool

from api.access import Action, Principal, may
from api.answers import documented, json_answer
from api.bodies import BodyRoute
from api.context import Context, Ctx
from api.problems import Problem, not_found
from api.schemas_machines import RunRequest, RunView
from api.steered import find_device
from energy.names import device_id
from energy.quantities import Role
from energy.run_profile import Parts, duration_ms
from storage.register.machines import Run, forget_run, keep_run, runs

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/sites/{site}/machines/{machine}", tags=["plan"], route_class=BodyRoute)
Commander = Annotated[Principal, Depends(may(Action.COMMAND))]
_FARTHEST_MS: Final = 7 * 86_400_000


@router.get("/run", responses=documented(RunView, 404, 503))
async def run(
    context: Ctx, principal: Annotated[Principal, Depends(may(Action.READ))], site: str, machine: str
) -> Response:
    """The run that is wanted; 404: nobody wants one."""
    device, _ = _machine(context, principal, site, machine, Action.READ)
    found = await run_in_threadpool(_wanted, context, device)
    if found is None:
        raise not_found("run", device)
    return json_answer(found)


@router.put("/run", responses=documented(RunView, 404, 409, 503))
async def want(context: Ctx, principal: Commander, site: str, machine: str, request: RunRequest) -> Response:
    """Wants one run of it, in place of one that has not begun."""
    device, parts = _machine(context, principal, site, machine, Action.COMMAND)
    now_ms = context.clock.now_ms()
    wanted = Run(device, max(now_ms, request.earliest or 0), request.finish_by, principal.name, now_ms)
    _check_times(wanted, parts, now_ms)

    def keep() -> None:
        with context.register.database.write() as connection:
            _check_runs_not(runs(connection, now_ms, [device]), parts, now_ms)
            keep_run(connection, wanted)

    await run_in_threadpool(keep)
    return json_answer(wanted)


@router.delete("/run", status_code=204, responses=documented(RunView, 404, 409, 503))
async def take_back(context: Ctx, principal: Commander, site: str, machine: str) -> Response:
    """Takes it back, when it has not begun."""
    device, parts = _machine(context, principal, site, machine, Action.COMMAND)
    now_ms = context.clock.now_ms()

    def forget() -> bool:
        with context.register.database.write() as connection:
            _check_runs_not(runs(connection, now_ms, [device]), parts, now_ms)
            return forget_run(connection, device, by=principal.name, now_ms=now_ms)

    if not await run_in_threadpool(forget):
        raise not_found("run", device)
    return Response(status_code=204)


def _wanted(context: Context, device: str) -> Run | None:
    with context.register.database.read() as connection:
        return next(iter(runs(connection, context.clock.now_ms(), [device])), None)


def _check_times(wanted: Run, parts: Parts, now_ms: int) -> None:
    """Raises Problem where no run fits between the two times."""
    if (
        not now_ms < wanted.finish_by <= now_ms + _FARTHEST_MS
        or wanted.earliest + duration_ms(parts) > wanted.finish_by
    ):
        minutes = duration_ms(parts) / 60_000
        raise Problem(
            422,
            "out_of_range",
            f"a run of {minutes:g} minutes must fit between `earliest` and `finish_by`, which lies within seven days",
            field="body.finish_by",
            hint=f"milliseconds since 1970, UTC; now it is {now_ms}",
        )


def _check_runs_not(found: list[Run], parts: Parts, now_ms: int) -> None:
    """Raises Problem while it runs: half a run is worth nothing."""
    for each in found:
        if each.started_at is not None and now_ms < each.started_at + duration_ms(parts):
            raise Problem(
                409,
                "running",
                f"{each.device} runs since {each.started_at}",
                hint="wait for its end; a person may take it with a command of their own",
            )


def _machine(context: Context, principal: Principal, site: str, machine: str, action: Action) -> tuple[str, Parts]:
    """The machine's full name and its run. Raises Problem: 404 where the caller sees none, 422 where it is not steered."""
    found = find_device(context, principal, site, machine, Role.LOAD, action, "machine")
    device = device_id(site, machine)
    if found.steer is None:
        raise Problem(
            422,
            "not_steered",
            f"{device} is only measured",
            field="path.machine",
            hint='set `steer: {run: "120@2500"}` in the centre\'s configuration',
        )
    return device, found.steer.parts
