"""Machines that run once when somebody wants it: started when the plan says, or just in time; once started, never cut.

no wish            nothing: the contact is open, which is its safe state
before `earliest`  waits
the plan's start   starts as soon as the site's limits leave room for it; without a plan at the last moment
started            goes on to its end, whatever else is known or exceeded: half a run is worth nothing
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from energy.balancing.limits import Room, kilowatts
from energy.balancing.now import Decision, Machine
from energy.reasons import say
from energy.run_profile import Parts, duration_ms

__all__ = ["ON", "MachineWish", "decide", "hold", "machine_of"]

ON: Final = "on"
_IN_HAND_MS: Final = 120_000  # between asking and running


@dataclass(frozen=True, slots=True)
class MachineWish:
    """One run from `earliest_ms` on, ended by `finish_ms`, as was said at `t`; `started_ms`: it runs since, or has run. UTC."""

    earliest_ms: int
    finish_ms: int
    t: int
    started_ms: int | None = None


def machine_of(
    name: str,
    parts: Parts,
    wish: MachineWish | None,
    now_ms: int,
    timezone: str,
    *,
    planned_ms: int | None,
    wired: tuple[int, ...],
    standing: str | None,
) -> Machine:
    """What is due now, and why. `planned_ms`: the start that the plan found; `standing`: what it is under."""
    if wish is None:
        why, stage = say("unwanted"), ""
    elif wish.started_ms is not None:
        why, stage = _begun(wish.started_ms + duration_ms(parts), now_ms, timezone)
    elif standing == ON:
        why, stage = say("starts"), "runs"
    else:
        why, stage = _waiting(wish, duration_ms(parts), now_ms, timezone, planned_ms)
    most_w = max(watts for _, watts in parts)
    return Machine(name, most_w, why, runs=stage == "runs", due=stage == "due", wired=wired)


def _begun(until_ms: int, now_ms: int, timezone: str) -> tuple[str, str]:
    if now_ms < until_ms:
        return say("runs", at=_at(until_ms, timezone)), "runs"
    return say("has_run"), ""


def _waiting(wish: MachineWish, lasts_ms: int, now_ms: int, timezone: str, planned_ms: int | None) -> tuple[str, str]:
    """Why it waits or begins, and `due` when it does."""
    last_ms = max(wish.earliest_ms, wish.finish_ms - lasts_ms - _IN_HAND_MS)
    if now_ms < wish.earliest_ms:
        return say("not_before", at=_at(wish.earliest_ms, timezone)), ""
    if now_ms >= last_ms:
        return say("starts_by", at=_at(wish.finish_ms, timezone)), "due"
    if planned_ms is None:
        return say("last_moment", at=_at(last_ms, timezone)), ""
    if now_ms >= planned_ms:
        return say("starts_best"), "due"
    return say("best_time", at=_at(min(planned_ms, last_ms), timezone)), ""


def _at(moment_ms: int, timezone: str) -> str:
    return f"{datetime.fromtimestamp(moment_ms / 1000, ZoneInfo(timezone)):%H:%M}"


def decide(room: Room, machine: Machine) -> Decision:
    """Its contact; what it will draw is taken from `room`."""
    if not machine.due:
        return hold(machine)
    if room.spare_w(machine.wired) < machine.power_w:
        spare_w = max(0.0, room.spare_w(machine.wired))
        spare, power = kilowatts(spare_w), kilowatts(machine.power_w)
        return Decision(machine.id, None, say("machine_waits", limit=room.tightest(), spare=spare, power=power))
    room.take(machine.power_w, machine.wired, expected_w=machine.power_w, drawn_w=0.0)
    return Decision(machine.id, ON, machine.reason, ON)


def hold(machine: Machine) -> Decision:
    """While too little is known to start anything: what runs goes on."""
    if machine.runs:
        return Decision(machine.id, ON, machine.reason, ON)
    why = say("too_little_known") if machine.due else machine.reason
    return Decision(machine.id, None, why)
