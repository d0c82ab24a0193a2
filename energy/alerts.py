"""Alert rules as a table: a watch steps from (state, input) to the next state and tells what happened.

    state         input        next          event
    idle          above        pending       crossed     the value passed `raise_above`
    pending       above, held  firing        raised      it stayed there for `for_s`
    pending       not above    idle          -           a blip: nobody is told
    firing        below        idle          cleared     it fell under `clear_below`
    acknowledged  below        idle          cleared
    firing        acknowledge  acknowledged  acknowledged
    any           unknown      see below

Between `clear_below` and `raise_above` nothing changes, so nothing flaps. Unknown values never raise: a pending watch
falls back to idle, a raised one stays but its actions are withheld, and after `UNKNOWN_S` it clears as unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from energy.community import Rule

__all__ = ["AlertEvent", "AlertState", "Watch", "acknowledge", "step"]

UNKNOWN_S: Final = 120.0


class AlertState(StrEnum):
    """Where a watch stands."""

    IDLE = "idle"
    PENDING = "pending"
    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"


class AlertEvent(StrEnum):
    """What a step made happen."""

    CROSSED = "crossed"
    RAISED = "raised"
    CLEARED = "cleared"
    CLEARED_UNKNOWN = "cleared_unknown"
    ACKNOWLEDGED = "acknowledged"


class _Input(StrEnum):
    ABOVE = "above"
    BETWEEN = "between"
    BELOW = "below"


@dataclass(frozen=True, slots=True)
class Watch:
    """State of one rule. `since_s`: when it entered the state; `unknown_since_s`: since when its value is unknown."""

    state: AlertState = AlertState.IDLE
    since_s: float = 0.0
    unknown_since_s: float | None = None

    @property
    def raised(self) -> bool:
        """Whether people were told and the actions are wanted."""
        return self.state in {AlertState.FIRING, AlertState.ACKNOWLEDGED}

    @property
    def may_act(self) -> bool:
        """Whether the actions may be commanded now: raised, and the value known."""
        return self.raised and self.unknown_since_s is None


_TABLE: Final[dict[tuple[AlertState, _Input], tuple[AlertState, AlertEvent | None]]] = {
    (AlertState.IDLE, _Input.ABOVE): (AlertState.PENDING, AlertEvent.CROSSED),
    (AlertState.PENDING, _Input.BETWEEN): (AlertState.IDLE, None),
    (AlertState.PENDING, _Input.BELOW): (AlertState.IDLE, None),
    (AlertState.FIRING, _Input.BELOW): (AlertState.IDLE, AlertEvent.CLEARED),
    (AlertState.ACKNOWLEDGED, _Input.BELOW): (AlertState.IDLE, AlertEvent.CLEARED),
}


def step(rule: Rule, watch: Watch, value: float | None, now_s: float) -> tuple[Watch, tuple[AlertEvent, ...]]:
    """One step with the rule's metric `value` (None: unknown) at `now_s`, a monotonic clock in seconds."""
    if value is None:
        return _unknown(watch, now_s)
    watch = replace(watch, unknown_since_s=None)
    events: list[AlertEvent] = []
    state, event = _TABLE.get((watch.state, _input(rule, value)), (watch.state, None))
    if state is not watch.state:
        watch = Watch(state, now_s)
    if event is not None:
        events.append(event)
    if watch.state is AlertState.PENDING and now_s - watch.since_s >= rule.for_s:
        watch = Watch(AlertState.FIRING, now_s)
        events.append(AlertEvent.RAISED)
    return watch, tuple(events)


def acknowledge(watch: Watch, now_s: float) -> tuple[Watch, tuple[AlertEvent, ...]]:
    """Somebody has seen it; only a firing alert can be acknowledged."""
    if watch.state is not AlertState.FIRING:
        return watch, ()
    return Watch(AlertState.ACKNOWLEDGED, now_s, watch.unknown_since_s), (AlertEvent.ACKNOWLEDGED,)


def _input(rule: Rule, value: float) -> _Input:
    if value > rule.raise_above:
        return _Input.ABOVE
    return _Input.BELOW if value < rule.clear_below else _Input.BETWEEN


def _unknown(watch: Watch, now_s: float) -> tuple[Watch, tuple[AlertEvent, ...]]:
    if not watch.raised:
        return Watch(AlertState.IDLE, now_s if watch.state is not AlertState.IDLE else watch.since_s), ()
    since = watch.unknown_since_s if watch.unknown_since_s is not None else now_s
    if now_s - since >= UNKNOWN_S:
        return Watch(AlertState.IDLE, now_s), (AlertEvent.CLEARED_UNKNOWN,)
    return replace(watch, unknown_since_s=since), ()
