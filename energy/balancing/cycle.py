"""The step: everything a community's steered devices do now, in the declared order. Pure and without memory.

unknown       a site of which something needed is not known: every device there goes to its safe state
not settled   what stands goes on until readings tell what it did
else          limits first; machines that are due to begin; then heat pumps, chargers and batteries in the order of `priority`; then inverters, lamps

What is remembered between two steps are facts: the leases that stand, since when, and the readings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from energy.balancing import batteries, chargers, heat_pumps, machines
from energy.balancing.limits import Room, kilowatts
from energy.balancing.now import (
    BOOST,
    Answer,
    Battery,
    Charger,
    CommunityNow,
    Decision,
    HeatPump,
    Inverter,
    Lamps,
    SiteNow,
    Standing,
)
from energy.reasons import say

__all__ = ["decide"]

_HOUR_S: Final = 3600.0
_MAKE_GOOD_S: Final = 120.0  # what a quarter-hour still owes is not made good all in its last seconds
_CURTAIL_BAND: Final = 0.02  # of the rating


def decide(now: CommunityNow) -> Answer:
    """One decision for each device of each site."""
    known = [site for site in now.sites if site.unknown is None]
    settled = [site for site in known if site.settled]
    rooms = {site.id: _room(site, now) for site in known}
    working = [rooms[site.id] for site in settled]
    for site in known:
        if not site.settled:
            rooms[site.id].as_it_is()
    found: list[Decision] = [machines.decide(room, machine) for room in working for machine in room.site.machines]
    for use in now.priority:
        found += _USES[use](working, rooms, now)
    for room in working:
        found += _inverters(room)
    for site in now.sites:
        if site.unknown is not None:
            found += [Decision(device.id, None, site.unknown) for device in _devices(site)]
        elif not site.settled:
            found += [_go_on(device.id, device.standing) for device in _devices(site)]
        if site.unknown is not None or not site.settled:
            found += [machines.hold(machine) for machine in site.machines]
        found += [_lamps(lamps) for lamps in site.lamps]
    return Answer(tuple(found), {name: room.sentences() for name, room in rooms.items()})


def _room(site: SiteNow, now: CommunityNow) -> Room:
    return Room(
        site, now.left_s, [pump for pump in site.heat_pumps if heat_pumps.may_be_blocked(pump, now.now_s)], now.margin
    )


def _devices(site: SiteNow) -> Iterator[HeatPump | Charger | Battery | Inverter]:
    yield from site.batteries
    yield from site.chargers
    yield from site.heat_pumps
    yield from site.inverters


def _go_on(device: str, standing: Standing | None) -> Decision:
    if standing is None:
        return Decision(device, None, say("waits_readings"))
    return Decision(device, standing.value, say("goes_on"), standing.mode)


def _surplus(rooms: Mapping[str, Room], wanted: Mapping[str, float]) -> dict[str, float]:
    """What each site's users of surplus get of it, their own roof's first. `wanted` by site, W."""
    own = {name: max(0.0, -room.expected_w) for name, room in rooms.items()}
    total_w = max(0.0, -sum(room.expected_w for room in rooms.values()))
    names = list(wanted)
    parts = batteries.split(total_w, [own[name] for name in names], [wanted[name] for name in names])
    return dict(zip(names, parts, strict=True))


def _heat_pumps(working: Sequence[Room], rooms: Mapping[str, Room], now: CommunityNow) -> list[Decision]:
    wanted = {room.site.id: sum(heat_pumps.boost_w(pump) for pump in room.site.heat_pumps) for room in working}
    shares = _surplus(rooms, wanted)
    found = []
    for room in working:
        left_w = shares[room.site.id]
        for pump in room.site.heat_pumps:
            decision = heat_pumps.decide(room, pump, left_w, now.now_s)
            left_w -= heat_pumps.boost_w(pump) if decision.value == BOOST else 0.0
            found.append(decision)
    return found


def _chargers(working: Sequence[Room], rooms: Mapping[str, Room], now: CommunityNow) -> list[Decision]:
    eager = {
        room.site.id: [charger for charger in room.site.chargers if charger.surplus_only and charger.car]
        for room in working
    }
    shares = _surplus(rooms, {name: sum(each.high_w for each in those) for name, those in eager.items()})
    found = []
    for room in working:
        those = eager[room.site.id]
        each_w = shares[room.site.id] / len(those) if those else 0.0
        found += chargers.decide(room, {charger.id: each_w for charger in those}, now.now_s)
    return found


def _batteries(working: Sequence[Room], rooms: Mapping[str, Room], now: CommunityNow) -> list[Decision]:
    """The pool is all sites; those that are not settled take part with what they do, their batteries go on."""
    needed_w = drawn_w = None
    if len(rooms) == len(now.sites):
        needed_w = sum(room.expected_w for room in rooms.values())
        going_on = [room.site for room in rooms.values() if room not in working]
        needed_w -= sum(_standing_w(site) for site in going_on)
        drawn_w = needed_w
        if now.unshared_wh is not None:
            needed_w -= now.unshared_wh * _HOUR_S / max(_MAKE_GOOD_S, now.left_s)
    return batteries.decide(working, batteries.Pool(needed_w, drawn_w, now.rates, now.grid_target_w))


def _standing_w(site: SiteNow) -> float:
    told = [battery.standing.value for battery in site.batteries if battery.standing is not None]
    return sum(value for value in told if isinstance(value, float))


_USES: Final = {"heat_pump": _heat_pumps, "ev": _chargers, "battery": _batteries}


def _inverters(room: Room) -> list[Decision]:
    """Production is limited to what the site's feed-in limit and fuse leave; only when nothing else takes it."""
    inverters, limits = room.site.inverters, room.site.limits
    if not inverters:
        return []
    makes_w, most_w = sum(each.power_w for each in inverters), sum(each.high_w for each in inverters)
    may_w = makes_w + max(-makes_w, room.may_give_w())
    found = []
    for inverter in inverters:
        value = max(0.0, may_w * inverter.high_w / most_w)
        if value >= inverter.high_w:
            found.append(Decision(inverter.id, None, say("sun_free")))
            continue
        told = inverter.standing.value if inverter.standing is not None else None
        if not (isinstance(told, float) and value - _CURTAIL_BAND * inverter.high_w <= told <= value):
            told = float(int(value))
        power = kilowatts(told)
        if limits.export_w is None:
            found.append(Decision(inverter.id, told, say("sun_fuse", power=power)))
        else:
            found.append(Decision(inverter.id, told, say("sun_feed_in", power=power, limit=kilowatts(limits.export_w))))
    return found


def _lamps(lamps: Lamps) -> Decision:
    if lamps.switch:
        return Decision(lamps.id, "off" if lamps.level == 0 else "on" if lamps.level == 1 else "dimmed", lamps.reason)
    return Decision(lamps.id, float(int(lamps.level * lamps.high_w)), lamps.reason)
