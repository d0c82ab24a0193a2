"""The life of a lease as a table, and the checks before it begins. Pure: no clock is read, nothing is written.

A command asks for a lease on one device. Its life:

    asked   --refuse-->        refused    a check failed, nothing was written
    asked   --write_failed-->  failed     the device did not take it; the safe state is written
    asked   --confirm-->       applied    written and read back
    applied --lapse-->         expired    its time is over: safe state
    applied --end-->           reverted   released, replaced, stopped or stalled: safe state (or the newer lease)
    applied --write_failed-->  failed     it could not be renewed: safe state

A wall clock that steps changes no running lease: its end is an instant of the monotonic clock.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from energy.errors import RefusedError
from messaging.codec import Command, ResultState, Value

__all__ = ["RESULTS", "TRANSITIONS", "Event", "Lease", "Permit", "SeenIds", "State", "check", "step"]

MAX_TTL_S: Final = 300.0
LATE_S: Final = 30.0  # a command may be this much older than its time to live: clocks differ, messages wait
EARLY_S: Final = 60.0


class State(StrEnum):
    """Where a lease is in its life."""

    ASKED = "asked"
    REFUSED = "refused"
    APPLIED = "applied"
    EXPIRED = "expired"
    REVERTED = "reverted"
    FAILED = "failed"


class Event(StrEnum):
    """What can happen to a lease."""

    REFUSE = "refuse"
    CONFIRM = "confirm"
    LAPSE = "lapse"
    END = "end"
    WRITE_FAILED = "write_failed"


TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    (State.ASKED, Event.REFUSE): State.REFUSED,
    (State.ASKED, Event.CONFIRM): State.APPLIED,
    (State.ASKED, Event.WRITE_FAILED): State.FAILED,
    (State.APPLIED, Event.LAPSE): State.EXPIRED,
    (State.APPLIED, Event.END): State.REVERTED,
    (State.APPLIED, Event.WRITE_FAILED): State.FAILED,
}

RESULTS: Final[dict[State, ResultState]] = {
    State.REFUSED: "refused",
    State.APPLIED: "applied",
    State.EXPIRED: "expired",
    State.REVERTED: "reverted",
    State.FAILED: "failed",
}
"""What is told to the centre when a state is reached."""


@dataclass(frozen=True, slots=True)
class Lease:
    """One command being executed. `ends_at` and `renew_at` are seconds of the monotonic clock."""

    id: str
    device: str
    set: dict[str, Value]
    ttl_s: float
    ends_at: float
    renew_at: float = 0.0
    state: State = State.ASKED

    def remaining_s(self, now: float) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.ends_at - now)


def step(lease: Lease, event: Event) -> Lease:
    """The lease after `event`. Raises ValueError for an event its state does not know: a defect of the caller."""
    following = TRANSITIONS.get((lease.state, event))
    if following is None:
        raise ValueError(f"a lease that is {lease.state} cannot {event}")
    return replace(lease, state=following)


@dataclass(frozen=True, slots=True)
class Permit:
    """What this gateway's own configuration allows of one quantity of one device."""

    unit: str
    low: float | None = None
    high: float | None = None
    allowed: tuple[str, ...] = ()

    def problem(self, value: Value) -> str | None:
        """Why `value` is not allowed, or None."""
        if self.allowed:
            return None if value in self.allowed else f"{value!r} is none of {', '.join(self.allowed)}"
        if isinstance(value, str) or self.low is None or self.high is None:
            return f"{value!r} is no number"
        if not self.low <= value <= self.high:
            return f"{value:g} {self.unit} is outside this gateway's limits {self.low:g} to {self.high:g} {self.unit}"
        return None


class SeenIds:
    """Ids of commands that came already, the oldest forgotten: by then their messages are stale anyway."""

    def __init__(self, capacity: int = 10_000) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._capacity = capacity

    def add(self, command_id: str) -> bool:
        """Notes an id; False when it came before."""
        if command_id in self._ids:
            return False
        self._ids[command_id] = None
        if len(self._ids) > self._capacity:
            self._ids.popitem(last=False)
        return True


def check(command: Command, permits: dict[str, dict[str, Permit]], *, now_ms: int, started_ms: int) -> None:
    """Raises RefusedError, in plain words, unless `command` may be executed.

    `permits`: by device and quantity. `started_ms`: when this gateway started; what was asked before is never done.
    """
    _check_time(command, now_ms, started_ms)
    device = permits.get(command.device)
    if device is None:
        raise RefusedError(f"{command.device} cannot be commanded here: this gateway has no such device with limits")
    if command.ttl_s == 0:
        return
    if not 0 < command.ttl_s <= MAX_TTL_S:
        raise RefusedError(f"a lease lasts at most {MAX_TTL_S:g} s, not {command.ttl_s:g} s")
    if not command.set:
        raise RefusedError("it sets nothing")
    for quantity, value in command.set.items():
        permit = device.get(quantity)
        if permit is None:
            raise RefusedError(f"{quantity} of {command.device} cannot be commanded, only {', '.join(device)}")
        problem = permit.problem(value)
        if problem:
            raise RefusedError(f"{quantity}: {problem}")


def _check_time(command: Command, now_ms: int, started_ms: int) -> None:
    age_s = (now_ms - command.t) / 1000
    if age_s > command.ttl_s + LATE_S:
        raise RefusedError(f"stale: issued {age_s:.0f} s ago for {command.ttl_s:g} s; compare the clocks of both ends")
    if age_s < -EARLY_S:
        raise RefusedError(f"issued {-age_s:.0f} s in the future; compare the clocks of both ends")
    if command.t < started_ms:
        raise RefusedError("issued before this gateway started; ask again")
