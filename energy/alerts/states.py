"""When an alert stands, as a table: a watch steps from (state, signal) to the next state and tells what happened.

    state         signal                              next          event
    cleared       raise: beyond the raise value       pending       crossed
    pending       held: for `for_s`                   firing        raised
    pending       held, muted from before             muted         raised
    pending       between, calm or unknown            cleared       -            a blip: nobody is told
    firing        acknowledge                         acknowledged  acknowledged
    firing        mute                                muted         muted
    acknowledged  mute                                muted         muted
    acknowledged  over: the end that was given        firing        reopened
    muted         mute                                muted         muted        with another end
    muted         acknowledge                         acknowledged  acknowledged
    muted         unmute, or over                     firing        reopened
    any standing  settled: calm for `clear_for_s`     cleared       cleared
    any standing  lost: unknown for `unknown_clear_s` cleared       cleared_unknown

What is not in the table changes nothing. Between clear and raise value nothing changes, so nothing flaps. An unknown
value never raises; it ends a duration that runs, in both directions, and a standing alert stays but its actions are
withheld. A mute outlives the alert until its end: what is raised again meanwhile is muted from the start.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

__all__ = ["TABLE", "AlertEvent", "AlertState", "Limits", "Signal", "Watch", "acknowledge", "mute", "step", "unmute"]


class AlertState(StrEnum):
    """Where a watch stands; cleared is also where it begins."""

    CLEARED = "cleared"
    PENDING = "pending"
    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    MUTED = "muted"


class AlertEvent(StrEnum):
    """What a step made happen."""

    CROSSED = "crossed"
    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    MUTED = "muted"
    REOPENED = "reopened"
    CLEARED = "cleared"
    CLEARED_UNKNOWN = "cleared_unknown"


class Signal(StrEnum):
    """What can move a watch: the value, how long it has been so, people, and the end they gave."""

    RAISE = "raise"
    BETWEEN = "between"
    CALM = "calm"
    UNKNOWN = "unknown"
    HELD = "held"
    HELD_MUTED = "held_muted"
    SETTLED = "settled"
    LOST = "lost"
    ACKNOWLEDGE = "acknowledge"
    MUTE = "mute"
    UNMUTE = "unmute"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Limits:
    """When a rule raises and clears: two values with a direction, and three durations in seconds.

    Rising: raised above `raise_at`, calm below `clear_at`; else the other way round.
    """

    raise_at: float
    clear_at: float
    rising: bool = True
    for_s: float = 0.0
    clear_for_s: float = 0.0
    unknown_clear_s: float = 3600.0

    def signal(self, value: float | None) -> Signal:
        """Where `value` lies."""
        if value is None:
            return Signal.UNKNOWN
        sign = 1.0 if self.rising else -1.0
        if sign * value > sign * self.raise_at:
            return Signal.RAISE
        return Signal.CALM if sign * value < sign * self.clear_at else Signal.BETWEEN


@dataclass(frozen=True, slots=True)
class Watch:
    """State of one rule on one subject; all instants are seconds of one monotonic clock.

    `since_s`: when it entered the state; `until_s`: end of an acknowledgement or mute; `calm_since_s`,
    `unknown_since_s`: since when its value is beyond the clear value, or unknown.
    """

    state: AlertState = AlertState.CLEARED
    since_s: float = 0.0
    until_s: float | None = None
    calm_since_s: float | None = None
    unknown_since_s: float | None = None

    @property
    def raised(self) -> bool:
        """Whether the alert stands: the actions are wanted, and people are told unless it is muted."""
        return self.state in _STANDING

    @property
    def may_act(self) -> bool:
        """Whether the actions may be commanded now: raised, and the value known."""
        return self.raised and self.unknown_since_s is None


_Step = tuple[AlertState, AlertEvent | None]
_STANDING: Final = frozenset({AlertState.FIRING, AlertState.ACKNOWLEDGED, AlertState.MUTED})
_KEEPS_END: Final = frozenset({AlertState.CLEARED, AlertState.PENDING, AlertState.MUTED})

TABLE: Final[dict[tuple[AlertState, Signal], _Step]] = {
    (AlertState.CLEARED, Signal.RAISE): (AlertState.PENDING, AlertEvent.CROSSED),
    (AlertState.PENDING, Signal.HELD): (AlertState.FIRING, AlertEvent.RAISED),
    (AlertState.PENDING, Signal.HELD_MUTED): (AlertState.MUTED, AlertEvent.RAISED),
    (AlertState.PENDING, Signal.BETWEEN): (AlertState.CLEARED, None),
    (AlertState.PENDING, Signal.CALM): (AlertState.CLEARED, None),
    (AlertState.PENDING, Signal.UNKNOWN): (AlertState.CLEARED, None),
    (AlertState.FIRING, Signal.ACKNOWLEDGE): (AlertState.ACKNOWLEDGED, AlertEvent.ACKNOWLEDGED),
    (AlertState.FIRING, Signal.MUTE): (AlertState.MUTED, AlertEvent.MUTED),
    (AlertState.FIRING, Signal.SETTLED): (AlertState.CLEARED, AlertEvent.CLEARED),
    (AlertState.FIRING, Signal.LOST): (AlertState.CLEARED, AlertEvent.CLEARED_UNKNOWN),
    (AlertState.ACKNOWLEDGED, Signal.MUTE): (AlertState.MUTED, AlertEvent.MUTED),
    (AlertState.ACKNOWLEDGED, Signal.OVER): (AlertState.FIRING, AlertEvent.REOPENED),
    (AlertState.ACKNOWLEDGED, Signal.SETTLED): (AlertState.CLEARED, AlertEvent.CLEARED),
    (AlertState.ACKNOWLEDGED, Signal.LOST): (AlertState.CLEARED, AlertEvent.CLEARED_UNKNOWN),
    (AlertState.MUTED, Signal.MUTE): (AlertState.MUTED, AlertEvent.MUTED),
    (AlertState.MUTED, Signal.ACKNOWLEDGE): (AlertState.ACKNOWLEDGED, AlertEvent.ACKNOWLEDGED),
    (AlertState.MUTED, Signal.UNMUTE): (AlertState.FIRING, AlertEvent.REOPENED),
    (AlertState.MUTED, Signal.OVER): (AlertState.FIRING, AlertEvent.REOPENED),
    (AlertState.MUTED, Signal.SETTLED): (AlertState.CLEARED, AlertEvent.CLEARED),
    (AlertState.MUTED, Signal.LOST): (AlertState.CLEARED, AlertEvent.CLEARED_UNKNOWN),
}


def step(limits: Limits, watch: Watch, value: float | None, now_s: float) -> tuple[Watch, tuple[AlertEvent, ...]]:
    """One step with the measured `value` (None: unknown) at `now_s`."""
    events: list[AlertEvent] = []
    if watch.until_s is not None and now_s >= watch.until_s:
        watch = _move(replace(watch, until_s=None), Signal.OVER, now_s, events)
    where = limits.signal(value)
    watch = _timed(watch, where, now_s)
    watch = _move(watch, _ripe(limits, watch, where, now_s), now_s, events)
    if watch.state is AlertState.PENDING:  # a rule without duration is raised in the same step
        watch = _move(watch, _ripe(limits, watch, where, now_s), now_s, events)
    return watch, tuple(events)


def acknowledge(watch: Watch, now_s: float, *, until_s: float | None = None) -> tuple[Watch, tuple[AlertEvent, ...]]:
    """Somebody has seen it, and wants to be told again at `until_s` if it still stands then; None: never."""
    return _by_people(watch, Signal.ACKNOWLEDGE, now_s, until_s)


def mute(watch: Watch, now_s: float, *, until_s: float) -> tuple[Watch, tuple[AlertEvent, ...]]:
    """Nobody is told before `until_s`; a mute always ends."""
    return _by_people(watch, Signal.MUTE, now_s, until_s)


def unmute(watch: Watch, now_s: float) -> tuple[Watch, tuple[AlertEvent, ...]]:
    """Ends a mute before its time, also one that outlived its alert."""
    if not watch.raised:
        return replace(watch, until_s=None), ()
    return _by_people(watch, Signal.UNMUTE, now_s, None)


def _by_people(
    watch: Watch, signal: Signal, now_s: float, until_s: float | None
) -> tuple[Watch, tuple[AlertEvent, ...]]:
    events: list[AlertEvent] = []
    moved = _move(watch, signal, now_s, events)
    return (replace(moved, until_s=until_s) if events else watch), tuple(events)


def _timed(watch: Watch, where: Signal, now_s: float) -> Watch:
    """Starts and ends what is measured in time; only a standing alert has anything of it."""
    if not watch.raised:
        return watch
    calm = now_s if watch.calm_since_s is None else watch.calm_since_s
    unknown = now_s if watch.unknown_since_s is None else watch.unknown_since_s
    return replace(
        watch,
        calm_since_s=calm if where is Signal.CALM else None,
        unknown_since_s=unknown if where is Signal.UNKNOWN else None,
    )


def _ripe(limits: Limits, watch: Watch, where: Signal, now_s: float) -> Signal:
    """The signal when what it says has lasted long enough to count."""
    if watch.state is AlertState.PENDING and where is Signal.RAISE and now_s - watch.since_s >= limits.for_s:
        return Signal.HELD if watch.until_s is None else Signal.HELD_MUTED
    if watch.calm_since_s is not None and now_s - watch.calm_since_s >= limits.clear_for_s:
        return Signal.SETTLED
    if watch.unknown_since_s is not None and now_s - watch.unknown_since_s >= limits.unknown_clear_s:
        return Signal.LOST
    return where


def _move(watch: Watch, signal: Signal, now_s: float, events: list[AlertEvent]) -> Watch:
    state, event = TABLE.get((watch.state, signal), (watch.state, None))
    if event is not None:
        events.append(event)
    if state is watch.state:
        return watch
    until_s = watch.until_s if {watch.state, state} <= _KEEPS_END else None
    standing = state in _STANDING
    return Watch(
        state,
        now_s,
        until_s,
        watch.calm_since_s if standing else None,
        watch.unknown_since_s if standing else None,
    )
