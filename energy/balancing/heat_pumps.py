"""Heat pumps by SG-Ready: blocked when nothing else is left to cut, boosted into the surplus, else let go.

Blocked for a quarter-hour at least and two hours at most, then it rests three times as long (BWP SG Ready label: two
hours, three times a day). A boost lasts ten minutes at least.
"""

from __future__ import annotations

from typing import Final

from energy.balancing.limits import Room, kilowatts
from energy.balancing.now import BLOCKED, BOOST, Decision, HeatPump
from energy.fallback import BLOCKED_MAX_S, GIVE_BACK_S
from energy.reasons import say

__all__ = ["boost_w", "decide", "may_be_blocked"]

_RUNNING_W: Final = 100.0  # below, only its electronics are warm
_BOOST_S: Final = 600.0
_STAYS: Final = 0.6  # of its rating must be left of the surplus for a boost to go on


def may_be_blocked(pump: HeatPump, now_s: float) -> bool:
    """Whether cutting it off is allowed now."""
    standing = pump.standing
    if standing is not None and standing.value == BLOCKED:
        return now_s - standing.since_s < BLOCKED_MAX_S
    return now_s >= pump.rest_until_s and pump.power_w >= _RUNNING_W and not _holds_boost(pump, now_s)


def boost_w(pump: HeatPump) -> float:
    """What it would take of a surplus in addition to what it draws; 0 while it is blocked."""
    standing = pump.standing
    if standing is not None and standing.value == BLOCKED:
        return 0.0
    boosted = standing is not None and standing.value == BOOST
    return _STAYS * pump.rated_w if boosted else max(0.0, pump.rated_w - pump.power_w)


def decide(room: Room, pump: HeatPump, surplus_w: float, now_s: float) -> Decision:
    """The pump's state. `surplus_w`: its share of the surplus, without what its boost draws already."""
    standing = pump.standing
    was = standing.value if standing is not None else None
    held_s = 0.0 if standing is None else now_s - standing.since_s
    if may_be_blocked(pump, now_s):
        needs_w = pump.rated_w if was == BLOCKED else pump.power_w
        if was == BLOCKED and held_s < GIVE_BACK_S:
            return Decision(pump.id, BLOCKED, say("stays_blocked", minutes=f"{GIVE_BACK_S / 60:.0f}"), BLOCKED)
        if room.spare_w(pump.wired, kept=was == BLOCKED) < needs_w:
            why = say("blocked", limit=room.tightest(), power=kilowatts(needs_w))
            return Decision(pump.id, BLOCKED, why, BLOCKED)
        room.take(needs_w, pump.wired, expected_w=needs_w, drawn_w=pump.power_w)
    elif was == BLOCKED:
        return Decision(pump.id, None, say("blocked_enough"))
    if was == BOOST and held_s < _BOOST_S and room.spare_w(pump.wired, kept=False) >= 0:
        return Decision(pump.id, BOOST, say("stays_boosted", minutes=f"{_BOOST_S / 60:.0f}"), BOOST)
    wanted_w = boost_w(pump)
    if was != BLOCKED and surplus_w >= wanted_w > 0 and room.spare_w(pump.wired) >= wanted_w:
        room.take(wanted_w, pump.wired, expected_w=0.0 if was == BOOST else wanted_w, drawn_w=0.0)
        return Decision(pump.id, BOOST, say("boosted", power=kilowatts(surplus_w)), BOOST)
    return Decision(pump.id, None, say("pump_free"))


def _holds_boost(pump: HeatPump, now_s: float) -> bool:
    standing = pump.standing
    return standing is not None and standing.value == BOOST and now_s - standing.since_s < _BOOST_S
