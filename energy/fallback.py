"""What a site does while the centre is away: use its own solar power, stay under its fuse and its import limit.

A pure step from what the site's own meters say to at most one setpoint per device. Everything is measured again at
each step, so the rule needs no model of the building and forgets its errors:

    battery  =  battery now + grid now                    the grid meter goes to zero, within limits and state of charge
    charger  =  charger now - what is too much            only while something is too much; given back slowly
    heat pump   blocked                                   when that was not enough; never longer than its label allows

Order when a fuse is overloaded: chargers, heat pumps, then the battery's charging. An import limit is an economic
one, so there the battery discharges first. Unknown is not zero: without a fresh reading of the grid meter, or of a phase
where a fuse is watched, there is no setpoint at all, which is every device's safe state.

It does not chase its own tail: a setpoint is judged only by readings taken after it had time to act, small corrections
are left undone, and what was taken from a charger or heat pump comes back a quarter-hour later at the earliest.
Times are seconds of one monotonic clock; signs are those of energy/quantities.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from energy.quantities import Role

__all__ = [
    "BLOCKED",
    "BLOCKED_MAX_S",
    "GIVE_BACK_S",
    "REST_PER_BLOCKED",
    "SETTLE_S",
    "Control",
    "Limits",
    "LocalDevice",
    "Setpoint",
    "State",
    "step",
]

BLOCKED: Final = "blocked"
"""The SG Ready state in which a heat pump does not run."""
SETTLE_S: Final = 3.0  # inverters and chargers ramp for a second or two
MAX_AGE_S: Final = 60.0  # an older reading says nothing about a fuse, however slowly its meter is polled
GIVE_BACK_S: Final = 900.0  # also above the 10 minutes an SG Ready state has to last
BLOCKED_MAX_S: Final = 7200.0  # BWP SG Ready label: at most 2 h at a time, three times a day ...
REST_PER_BLOCKED: Final = 3.0  # ... so a quarter of the time
_PHASE_V: Final = 230.0
_SOC_HYSTERESIS_PCT: Final = 2.0
_RUNNING_W: Final = 100.0  # a heat pump below only keeps its electronics warm
_DEADBAND_W: Final = 25.0
_DEADBAND_SHARE: Final = 0.01  # of the range the batteries may move in
_CUT_FIRST: Final = (Role.EV, Role.HEAT_PUMP)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the site must keep. `fuse_a` is per phase, in either direction; None: not watched."""

    fuse_a: float | None = None
    import_limit_w: float | None = None
    soc_min_pct: float = 10.0
    soc_max_pct: float = 95.0


@dataclass(frozen=True, slots=True)
class Control:
    """What may be commanded of a device: a power within limits, or being blocked."""

    low_w: float = 0.0
    high_w: float = 0.0
    blocks: bool = False


@dataclass(frozen=True, slots=True)
class LocalDevice:
    """A device of the site as last read. `phases`: those its kind measures; `control` None: not ours to command now."""

    id: str
    role: Role
    values: Mapping[str, float | int | str]
    read_at_s: float | None
    stale_after_s: float
    control: Control | None = None
    phases: tuple[int, ...] = ()

    def number(self, quantity: str) -> float | None:
        """The value of a quantity, None when it gave none."""
        value = self.values.get(quantity)
        return float(value) if isinstance(value, int | float) and math.isfinite(value) else None

    def fresh(self, now_s: float) -> bool:
        """Whether its reading can still be acted upon."""
        return self.read_at_s is not None and now_s - self.read_at_s <= min(self.stale_after_s, MAX_AGE_S)


@dataclass(frozen=True, slots=True)
class Setpoint:
    """What one device is to do, in W or as a state, since when and why. `shed_w`: what it drew when it was blocked."""

    value: float | str
    reason: str
    since_s: float
    shed_w: float = 0.0


@dataclass(frozen=True, slots=True)
class State:
    """The setpoints that stand, by device, and what must be remembered between two steps."""

    setpoints: Mapping[str, Setpoint] = field(default_factory=dict)
    changed_s: float = -math.inf
    rest_until_s: Mapping[str, float] = field(default_factory=dict)

    def without(self, device: str) -> State:
        """The state when a setpoint did not come to stand."""
        return replace(self, setpoints={name: point for name, point in self.setpoints.items() if name != device})

    def released(self, now_s: float) -> State:
        """The state when all is let go; a heat pump's rest is remembered."""
        return _following(self, {}, now_s)


@dataclass(frozen=True, slots=True)
class _Room:
    """How far the grid connection is from its limits: A per phase in each direction, W of the import limit."""

    import_a: float = math.inf
    export_a: float = math.inf
    import_w: float = math.inf

    @property
    def overload_w(self) -> float:
        """What a three-phase load must give up for the fuse; a single-phase one gives up enough in any case."""
        return 3 * _PHASE_V * max(0.0, -self.import_a)

    @property
    def spare_w(self) -> float:
        """What any load may take in addition, even if it takes all of it from the fullest phase."""
        return max(0.0, min(_PHASE_V * self.import_a, self.import_w))


@dataclass(frozen=True, slots=True)
class _Now:
    """What a step looks at."""

    grid_w: float
    room: _Room
    limits: Limits
    state: State
    now_s: float


@dataclass(frozen=True, slots=True)
class _Demand:
    """What loads are to give up in all, what of it is still open, and what they may take in addition, W."""

    excess_w: float
    open_w: float
    spare_w: float


@dataclass(frozen=True, slots=True)
class _Window:
    """What all batteries together may do, and each of them, W."""

    low_w: float
    high_w: float
    each: tuple[tuple[float, float], ...]

    def clamp(self, power_w: float) -> float:
        return max(self.low_w, min(self.high_w, power_w))


@dataclass(frozen=True, slots=True)
class _Steerable:
    """A device of which everything is known that steering it takes."""

    device: LocalDevice
    control: Control
    power_w: float
    soc_pct: float = math.nan


def step(devices: Sequence[LocalDevice], limits: Limits, state: State, now_s: float) -> State:
    """The setpoints from now on. A device that has none in the answer goes to, or stays in, its safe state."""
    grid = _only_grid(devices, now_s)
    grid_w = None if grid is None else grid.number("power_w")
    if grid is None or grid_w is None or (room := _room(grid, grid_w, limits)) is None:
        return _following(state, {}, now_s)
    now = _Now(grid_w, room, limits, state, now_s)
    batteries = _known_batteries(devices, now_s)
    loads = _known_loads(devices, now_s)
    known = {item.device.id for item in (*batteries, *loads)}
    standing = {name: point for name, point in state.setpoints.items() if name in known}
    if not _settled([grid, *(battery.device for battery in batteries)], state):
        return _following(state, standing, now_s)
    excess_w = max(room.overload_w, _peak_excess_w(batteries, now))
    cuts, relief_w = _steer_loads([load for load in loads if _settled([load.device], state)], excess_w, now)
    wanted = {**standing, **cuts, **_steer_batteries(batteries, relief_w, now)}
    return _following(state, {name: point for name, point in wanted.items() if point is not None}, now_s)


def _following(state: State, setpoints: Mapping[str, Setpoint], now_s: float) -> State:
    """The state with these setpoints; a heat pump that is let go rests."""
    rests = {name: until for name, until in state.rest_until_s.items() if until > now_s}
    for name, point in state.setpoints.items():
        if point.value == BLOCKED and name not in setpoints:
            rests[name] = now_s + max(GIVE_BACK_S, REST_PER_BLOCKED * (now_s - point.since_s))
    before = {name: point.value for name, point in state.setpoints.items()}
    changed = before != {name: point.value for name, point in setpoints.items()}
    return State(dict(setpoints), now_s if changed else state.changed_s, rests)


def _only_grid(devices: Iterable[LocalDevice], now_s: float) -> LocalDevice | None:
    meters = [device for device in devices if device.role is Role.GRID]
    return meters[0] if len(meters) == 1 and meters[0].fresh(now_s) else None


def _known_batteries(devices: Iterable[LocalDevice], now_s: float) -> list[_Steerable]:
    """All of them or none: one that does what nobody here knows would be chased by the others."""
    known = []
    for device in devices:
        if device.role is not Role.BATTERY:
            continue
        power_w, soc_pct, control = device.number("power_w"), device.number("soc_pct"), device.control
        if power_w is None or soc_pct is None or control is None or not device.fresh(now_s):
            return []
        if not control.low_w <= 0 <= control.high_w:
            return []  # it may not rest, so it is not ours to balance with
        known.append(_Steerable(device, control, power_w, soc_pct))
    return known


def _known_loads(devices: Iterable[LocalDevice], now_s: float) -> list[_Steerable]:
    """Those that can be cut, in the order in which they are."""
    known = []
    for device in devices:
        power_w = device.number("power_w")
        if device.role in _CUT_FIRST and device.control and power_w is not None and device.fresh(now_s):
            known.append(_Steerable(device, device.control, power_w))
    return sorted(known, key=lambda load: (_CUT_FIRST.index(load.device.role), load.device.id))


def _settled(devices: Iterable[LocalDevice], state: State) -> bool:
    """Whether they were all read after the last change had time to act."""
    return all((device.read_at_s or 0.0) >= state.changed_s + SETTLE_S for device in devices)


def _room(grid: LocalDevice, grid_w: float, limits: Limits) -> _Room | None:
    """None when a fuse is watched and a phase is unknown."""
    import_w = math.inf if limits.import_limit_w is None else limits.import_limit_w - grid_w
    if limits.fuse_a is None:
        return _Room(import_w=import_w)
    currents = [_signed_current(grid, phase, grid_w) for phase in grid.phases]
    known = [current for current in currents if current is not None]
    if not known or len(known) < len(currents):
        return None
    return _Room(limits.fuse_a - max(known), limits.fuse_a + min(known), import_w)


def _signed_current(grid: LocalDevice, phase: int, grid_w: float) -> float | None:
    """Import positive. Meters give currents without a sign; the phase's power has it, else the sum's."""
    current = grid.number(f"current_l{phase}_a")
    power = grid.number(f"power_l{phase}_w")
    return None if current is None else math.copysign(current, grid_w if power is None else power)


def _peak_excess_w(batteries: Sequence[_Steerable], now: _Now) -> float:
    """What is above the import limit after what the batteries are about to do. Ones that did not do it before are not
    believed a second time.
    """
    if now.room.import_w >= 0 or not batteries:
        return max(0.0, -now.room.import_w)
    window = _window(batteries, now, relief_w=0.0)
    power_w = sum(battery.power_w for battery in batteries)
    target_w = window.clamp(power_w + now.grid_w)
    before = [now.state.setpoints.get(battery.device.id) for battery in batteries]
    asked_w = sum(float(point.value) for point in before if point is not None)
    is_new = any(point is None for point in before) or target_w > asked_w + _deadband_w(batteries)
    return max(0.0, -now.room.import_w - (max(0.0, target_w - power_w) if is_new else 0.0))


def _steer_loads(loads: Sequence[_Steerable], excess_w: float, now: _Now) -> tuple[dict[str, Setpoint | None], float]:
    """The loads' setpoints, None: let go; and by how much they will draw less, W."""
    setpoints: dict[str, Setpoint | None] = {}
    relief_w, spare_w = 0.0, now.room.spare_w
    for load in loads:
        before = now.state.setpoints.get(load.device.id)
        demand = _Demand(excess_w, max(0.0, excess_w - relief_w), max(0.0, spare_w))
        after = (_block if load.control.blocks else _cap)(load, before, demand, now)
        relief_w += _relief_w(load, before, after)
        spare_w -= _given_back_w(load, before, after)
        setpoints[load.device.id] = after
    return setpoints, relief_w


def _relief_w(load: _Steerable, before: Setpoint | None, after: Setpoint | None) -> float:
    if after is None:
        return 0.0
    if after.value == BLOCKED:
        return 0.0 if before else load.power_w
    return max(0.0, load.power_w - float(after.value))


def _given_back_w(load: _Steerable, before: Setpoint | None, after: Setpoint | None) -> float:
    """What of the spare power this load may now take, so that no other is given it too."""
    if before is None or (after is not None and after.value == BLOCKED):
        return 0.0
    if before.value == BLOCKED:
        return before.shed_w
    return max(0.0, (load.control.high_w if after is None else float(after.value)) - load.power_w)


def _cap(load: _Steerable, before: Setpoint | None, demand: _Demand, now: _Now) -> Setpoint | None:
    """A charger's upper limit: down at once, up a quarter-hour later, gone when its full power would fit."""
    control = load.control
    if demand.open_w > 0:
        value = float(max(control.low_w, min(control.high_w, math.floor(load.power_w - demand.open_w))))
        if before is not None and value >= float(before.value):
            return before
        return Setpoint(value, f"the connection carries {demand.excess_w:.0f} W too much", now.now_s)
    if before is None or demand.excess_w > 0 or now.now_s - before.since_s < GIVE_BACK_S:
        return before
    fits_w = load.power_w + demand.spare_w
    if fits_w >= control.high_w:
        return None
    value = float(max(control.low_w, math.floor(fits_w)))
    if value <= float(before.value) + _DEADBAND_W:
        return before
    return Setpoint(value, f"the connection has room for {demand.spare_w:.0f} W again", now.now_s)


def _block(load: _Steerable, before: Setpoint | None, demand: _Demand, now: _Now) -> Setpoint | None:
    """A heat pump blocked, or not: for a quarter-hour at least and two hours at most, then it rests from it."""
    if before is None:
        rests = now.now_s < now.state.rest_until_s.get(load.device.id, -math.inf)
        if rests or demand.open_w <= 0 or load.power_w < _RUNNING_W:
            return None
        reason = f"the connection carries {demand.excess_w:.0f} W too much"
        return Setpoint(BLOCKED, reason, now.now_s, load.power_w)
    blocked_s = now.now_s - before.since_s
    fits = demand.excess_w <= 0 and blocked_s >= GIVE_BACK_S and demand.spare_w > 1.1 * before.shed_w
    return None if fits or blocked_s >= BLOCKED_MAX_S else before


def _steer_batteries(batteries: Sequence[_Steerable], relief_w: float, now: _Now) -> dict[str, Setpoint]:
    """All or none of them; together they take the grid meter to zero, as far as they may."""
    if not batteries:
        return {}
    window = _window(batteries, now, relief_w)
    wanted_w = sum(battery.power_w for battery in batteries) + now.grid_w - relief_w
    shares = _shares(window.clamp(wanted_w), window)
    before = {battery.device.id: now.state.setpoints.get(battery.device.id) for battery in batteries}
    standing = [point for point in before.values() if point is not None]
    if len(standing) == len(batteries) and _still_good(standing, shares, window, _deadband_w(batteries)):
        return dict(zip(before, standing, strict=True))
    reason = _reason(sum(shares), wanted_w, window)
    return {
        name: point if point is not None and point.value == share else Setpoint(share, reason, now.now_s)
        for (name, point), share in zip(before.items(), shares, strict=True)
    }


def _window(batteries: Sequence[_Steerable], now: _Now, relief_w: float) -> _Window:
    """What the batteries may do: their limits, their charge, and the fuse in the direction in which they load it."""
    power_w = sum(battery.power_w for battery in batteries)
    overload_w = max(0.0, now.room.overload_w - relief_w)
    up_to_fuse_w = overload_w if overload_w > 0 else -_PHASE_V * max(0.0, now.room.import_a)
    export_a = now.room.export_a
    down_to_fuse_w = _PHASE_V * export_a if export_a >= 0 else 3 * _PHASE_V * export_a
    bounds = tuple(_bounds(battery, now) for battery in batteries)
    return _Window(
        max(min(0.0, power_w + up_to_fuse_w), sum(low for low, _ in bounds)),
        min(max(0.0, power_w + down_to_fuse_w), sum(high for _, high in bounds)),
        bounds,
    )


def _bounds(battery: _Steerable, now: _Now) -> tuple[float, float]:
    """Its limits without the direction that its state of charge forbids; with hysteresis, for a charge rests unsteadily."""
    before = now.state.setpoints.get(battery.device.id)
    value = 0.0 if before is None else float(before.value)
    lowest_pct = now.limits.soc_min_pct + (0.0 if value > 0 else _SOC_HYSTERESIS_PCT)
    highest_pct = now.limits.soc_max_pct - (0.0 if value < 0 else _SOC_HYSTERESIS_PCT)
    return (
        0.0 if battery.soc_pct >= highest_pct else battery.control.low_w,
        0.0 if battery.soc_pct <= lowest_pct else battery.control.high_w,
    )


def _shares(target_w: float, window: _Window) -> list[float]:
    """`target_w` split by what each can do in that direction, whole watts towards zero."""
    able = [-low if target_w < 0 else high for low, high in window.each]
    total = sum(able)
    return [float(math.trunc(target_w * part / total)) if total else 0.0 for part in able]


def _still_good(standing: Sequence[Setpoint], shares: Sequence[float], window: _Window, deadband_w: float) -> bool:
    """Whether what stands is allowed and as good as the new shares."""
    values = [float(point.value) for point in standing]
    off_w = sum(abs(value - share) for value, share in zip(values, shares, strict=True))
    allowed = all(low <= value <= high for value, (low, high) in zip(values, window.each, strict=True))
    return off_w <= deadband_w and allowed and window.low_w <= sum(values) <= window.high_w


def _deadband_w(batteries: Sequence[_Steerable]) -> float:
    span_w = sum(battery.control.high_w - battery.control.low_w for battery in batteries)
    return max(_DEADBAND_W, _DEADBAND_SHARE * span_w)


def _reason(target_w: float, wanted_w: float, window: _Window) -> str:
    if target_w < 0:
        return "charges from the surplus"
    if target_w > 0:
        return "discharges on the deficit"
    if wanted_w < 0 and not any(low < 0 for low, _ in window.each):
        return "there is a surplus, but its charge is at the upper bound"
    if wanted_w > 0 and not any(high > 0 for _, high in window.each):
        return "there is a deficit, but its charge is at the lower bound"
    return "neither surplus nor deficit that it may take"
