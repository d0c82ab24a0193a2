"""Cars at one site share what is left: each 6 A at least or nothing, the least patient first, the rest evenly.

no car                    nothing, until one comes: what is left is for those who are here
less than 6 A is left     one phase where the charger can switch, else it waits
a deadline                what its car needs to be ready comes before what others would like
surplus only              not more than the surplus it is given; it starts and stops at most every five minutes

What a charger is given it may draw, so the limits hold even when every car takes all of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from energy.balancing.limits import Room, kilowatts
from energy.balancing.now import Charger, Decision
from energy.balancing.settings import PHASE_V
from energy.reasons import say

__all__ = ["NO_CAR", "decide", "least_w", "wish_w"]

_HOLD_S: Final = 300.0  # contactors and cars bear some hundred switchings a day, not thousands
_BAND_W: Final = 100.0
_BAND_SHARE: Final = 0.03
_STEP_W: Final = 10.0
_FOLLOWS: Final = 0.9
_OFF, _ONE, _ALL = "off", "one phase", "all phases"
NO_CAR: Final = say("no_car")


@dataclass(slots=True)
class _Turn:
    """A charger while its share is found: what it would take at most, and what it has so far."""

    charger: Charger
    wish_w: float
    mode: str = _OFF
    has_w: float = 0.0

    @property
    def wired(self) -> tuple[int, ...]:
        return self.charger.wired[:1] if self.mode == _ONE else self.charger.wired

    @property
    def most_w(self) -> float:
        """What it may have in this mode."""
        if self.mode != _ONE:
            return self.wish_w
        one_w = self.charger.high_w / len(self.charger.wired)
        return min(self.wish_w, one_w, least_w(self.charger) - _STEP_W)


def least_w(charger: Charger, phases: int | None = None) -> float:
    """Below this it does not charge, on as many phases, default all of its own."""
    return charger.least_a * PHASE_V * (phases or len(charger.wired))


def wish_w(charger: Charger, surplus_w: float) -> float:
    """What it would take if no limit stood in the way. `surplus_w`: its share of the surplus."""
    if not charger.surplus_only:
        return charger.high_w
    return min(charger.high_w, max(surplus_w, charger.need_w or 0.0))


def decide(room: Room, surplus_w: Mapping[str, float], now_s: float) -> list[Decision]:
    """The chargers' setpoints; what they may draw is taken from `room`."""
    here = [
        _Turn(charger, wish_w(charger, surplus_w.get(charger.id, 0.0)))
        for charger in sorted(room.site.chargers, key=_patience)
        if charger.car or not room.site.limits.any
    ]
    for turn in here:
        _begin(turn, room, now_s)
    running = [turn for turn in here if turn.mode != _OFF]
    for turn in running:
        _raise(turn, room, turn.charger.need_w or 0.0)
    for place, turn in enumerate(running):
        _raise(turn, room, turn.has_w + _part(turn, room, len(running) - place))
    shares = {turn.charger.id: turn for turn in here}
    return [_decision(charger, shares.get(charger.id), room) for charger in room.site.chargers]


def _patience(charger: Charger) -> tuple[float, str]:
    """The less time a car has for what it needs, the earlier its turn."""
    return -(charger.need_w or 0.0) / charger.high_w, charger.id


def _begin(turn: _Turn, room: Room, now_s: float) -> None:
    """Gives the least at which it charges, on all phases or on one, or nothing."""
    charger, standing = turn.charger, turn.charger.standing
    held = standing is not None and now_s - standing.since_s < _HOLD_S
    before = standing.mode if standing is not None else ""
    three_w, one_w = least_w(charger), least_w(charger, 1)
    if charger.surplus_only and held and before in {_ONE, _ALL}:
        turn.wish_w = max(turn.wish_w, one_w if before == _ONE else three_w)
    if charger.surplus_only and held and before == _OFF and turn.wish_w > (charger.need_w or 0.0):
        turn.wish_w = charger.need_w or 0.0
    stays_one = held and before == _ONE and charger.switches
    if turn.wish_w >= three_w and room.spare_w(charger.wired) >= three_w and not stays_one:
        turn.mode, turn.has_w = _ALL, three_w
    elif charger.switches and turn.wish_w >= one_w and room.spare_w(charger.wired[:1]) >= one_w:
        turn.mode, turn.has_w = _ONE, one_w
    elif (charger.need_w or 0.0) > 0 and room.spare_w(charger.wired) >= three_w:
        turn.mode, turn.has_w, turn.wish_w = (
            _ALL,
            three_w,
            max(turn.wish_w, three_w),
        )  # a need below 6 A is 6 A for less long
    if turn.mode != _OFF:
        first_w, turn.has_w = turn.has_w, 0.0
        _give(turn, room, first_w)


def _part(turn: _Turn, room: Room, among: int) -> float:
    """An even part of what is left."""
    spare_w = room.spare_w(turn.wired)
    return turn.most_w if math.isinf(spare_w) else spare_w / among


def _raise(turn: _Turn, room: Room, to_w: float) -> None:
    """More of it, as far as it wishes and there is room."""
    more_w = min(to_w, turn.most_w) - turn.has_w
    more_w = min(more_w, room.spare_w(turn.wired))
    if more_w > 0:
        _give(turn, room, more_w)


def _give(turn: _Turn, room: Room, more_w: float) -> None:
    before_w, turn.has_w = turn.has_w, turn.has_w + more_w
    room.take(
        more_w,
        turn.wired,
        expected_w=_expected_w(turn.charger, turn.has_w) - _expected_w(turn.charger, before_w),
        drawn_w=min(turn.has_w, turn.charger.power_w) - min(before_w, turn.charger.power_w),
    )


def _expected_w(charger: Charger, allowed_w: float) -> float:
    """What it will draw: a car that took less than it was allowed goes on so."""
    told = charger.standing.value if charger.standing is not None else None
    if isinstance(told, float) and charger.power_w < _FOLLOWS * told:
        return min(allowed_w, charger.power_w)
    return allowed_w if charger.car else 0.0


def _decision(charger: Charger, turn: _Turn | None, room: Room) -> Decision:
    if turn is None:
        return Decision(charger.id, 0.0, NO_CAR, _OFF)
    if turn.mode == _OFF:
        return Decision(charger.id, 0.0, _why_not(charger, turn, room), _OFF)
    _give(turn, room, _kept(charger, turn) - turn.has_w)
    return Decision(charger.id, turn.has_w, _why(charger, turn, room), turn.mode)


def _kept(charger: Charger, turn: _Turn) -> float:
    """What it is under when that is as good and still allowed, else the new power in whole steps."""
    standing, band_w = charger.standing, max(_BAND_W, _BAND_SHARE * charger.high_w)
    told = standing.value if standing is not None and standing.mode == turn.mode else None
    if isinstance(told, float) and turn.has_w - band_w <= told <= turn.has_w:
        return told
    least = least_w(charger, len(turn.wired))
    return max(least, math.floor(turn.has_w / _STEP_W) * _STEP_W)


def _why_not(charger: Charger, turn: _Turn, room: Room) -> str:
    least = least_w(charger, 1 if charger.switches else None)
    if turn.wish_w < least and charger.planned:
        return say("cheaper_hour")
    if turn.wish_w < least:
        return say("little_surplus", amps=f"{charger.least_a:g}")
    spare_w = max(0.0, room.spare_w(charger.wired))
    return say("car_waits", limit=room.tightest(), spare=kilowatts(spare_w), least=kilowatts(least))


def _why(charger: Charger, turn: _Turn, room: Room) -> str:
    has = kilowatts(turn.has_w)
    power = say("may_one_phase", power=has) if turn.mode == _ONE else has
    if turn.has_w >= charger.high_w - _STEP_W:
        return say("may_all", power=power)
    if charger.surplus_only and turn.has_w >= turn.wish_w - _STEP_W:
        if charger.need_w is not None and charger.need_w >= turn.has_w - _STEP_W:
            return say("may_planned" if charger.planned else "may_deadline", power=power)
        return say("may_surplus", power=power)
    others = sum(other.car for other in room.site.chargers) - 1
    if others > 0:
        return say("may_beside", power=power, others=others, limit=room.tightest())
    return say("may_limit", power=power, limit=room.tightest())
