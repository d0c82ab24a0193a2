"""What the batteries of a community do: first what limits force, then the pool's surplus or deficit, then prices.

    a limit is exceeded without it       it gives, or takes, what that needs
    the community has more than it uses  it stores: of its own roof first, then of the others', in the same quarter-hour
    the community uses more              it gives: to its own building first, then to the others
    stored energy is worth more than
    the grid's, or less than feed-in     it buys as far as the plan's grid target goes, or sells

Each step only when the value of stored energy says it pays; without a plan the first three always do. Everything stays
within the site's limits, what the battery can do, and its state of charge.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from energy.balancing.limits import SOC_HYSTERESIS_PCT, Room, able_to_give_w, bounds_of, kilowatts
from energy.balancing.now import Battery, Decision, Rates
from energy.reasons import joined, say

__all__ = ["Pool", "decide", "split"]

_EPSILON: Final = (
    1e-5  # EUR/kWh: values nearer than this are equal; then it stores or serves, and neither buys nor sells
)
_BAND_W: Final = 25.0
_BAND_SHARE: Final = 0.01


@dataclass(slots=True)
class _Bank:
    """A battery while its power is found: what it may do, what it is to do, and why."""

    battery: Battery
    room: Room
    low_w: float
    high_w: float
    power_w: float = 0.0
    why: list[str] = field(default_factory=list)

    def change(self, power_w: float, code: str, **values: str) -> float:
        """Moves it by `power_w` (discharge positive) as far as it may; gives what it moved. `code`: of the reason."""
        moved_w = min(max(self.power_w + power_w, self.low_w), self.high_w) - self.power_w
        if abs(moved_w) >= 1.0:
            self.power_w += moved_w
            self.why.append(say(code, power=kilowatts(abs(moved_w)), **values))
            return moved_w
        return 0.0


@dataclass(frozen=True, slots=True)
class Pool:
    """The community without its batteries, W needed (negative: left over).

    `drawn_w`: now; `needed_w`: with what the quarter-hour still has unshared; None: a site is unknown, so that each
    site looks after itself.
    """

    needed_w: float | None
    drawn_w: float | None
    rates: Rates
    grid_target_w: float | None = None


def decide(rooms: Sequence[Room], pool: Pool) -> list[Decision]:
    """All batteries' setpoints; what they take is taken from the rooms."""
    banks = [bank for room in rooms for bank in _banks(room)]
    for room in rooms:
        _keep_feed_in(room, [bank for bank in banks if bank.room is room])
    if pool.needed_w is None:
        for bank_room in rooms:
            own = [bank for bank in banks if bank.room is bank_room]
            _share(own, bank_room.expected_w, pool.rates)
    else:
        _share(banks, pool.needed_w, pool.rates)
        _trade(banks, pool)
    for bank in banks:
        _enter(bank)
    return [_decision(bank, pool) for bank in banks]


def split(total_w: float, own_w: Sequence[float], able_w: Sequence[float]) -> list[float]:
    """Divides a power: to each first what it has itself, then the rest by what each can still do. All >= 0."""
    first = [min(own, able) for own, able in zip(own_w, able_w, strict=True)]
    scale = min(1.0, total_w / sum(first)) if sum(first) > 0 else 0.0
    parts = [part * scale for part in first]
    rest_w = total_w - sum(parts)
    still = [able - part for able, part in zip(able_w, parts, strict=True)]
    share = min(1.0, rest_w / sum(still)) if sum(still) > 0 and rest_w > 0 else 0.0
    return [part + share * more for part, more in zip(parts, still, strict=True)]


def _banks(room: Room) -> list[_Bank]:
    """The site's batteries with what its limits and their charge let them do, and what the limits make them give."""
    batteries = room.site.batteries
    bounds = [bounds_of(battery) for battery in batteries]
    reliable = [able_to_give_w(battery) * room.relieves(battery) for battery in batteries]
    must = split(room.relief_w, reliable, reliable)
    more = [high - part for (_, high), part in zip(bounds, must, strict=True)]
    down = min(1.0, max(0.0, room.may_give_w() - sum(must)) / sum(more)) if sum(more) > 0 else 0.0
    take_w = -sum(low for low, _ in bounds)
    up = min([1.0, *(max(0.0, room.spare_w(battery.wired)) / take_w for battery in batteries)]) if take_w > 0 else 0.0
    banks = []
    for battery, (low, _), part, rest in zip(batteries, bounds, must, more, strict=True):
        bank = _Bank(battery, room, low * up, part + rest * down)
        if part > 0:
            bank.change(part, "gives_limit", limit=room.tightest())
            bank.low_w = bank.power_w
        banks.append(bank)
    return banks


def _keep_feed_in(room: Room, banks: Sequence[_Bank]) -> None:
    """What the site's feed-in limit makes them store, which then may not be undone."""
    limits = room.site.limits
    excess_w = 0.0 if limits.export_w is None else -room.drawn_w - limits.export_w
    if excess_w > 0:
        able = [-bank.low_w for bank in banks]
        kept = say("keeps_feed_in", power=kilowatts(limits.export_w or 0.0))
        for bank, part in zip(banks, split(excess_w, able, able), strict=True):
            moved_w = bank.change(-part, "takes_limit", limit=kept)
            bank.high_w = min(bank.high_w, moved_w)


def _share(banks: Sequence[_Bank], needed_w: float, rates: Rates) -> None:
    """Stores what is left over, gives what is needed: own building first, then the others."""
    left_w = sum(bank.power_w for bank in banks) - needed_w  # what limits made the batteries do counts already
    if left_w > 0:
        own = _own(banks, lambda flow_w: -flow_w)
        able = [
            _willing(bank.power_w - bank.low_w, mine, _stores(bank, rates.sell), _stores(bank, rates.sell + rates.fee))
            for bank, mine in zip(banks, own, strict=True)
        ]
        for bank, part, mine in zip(banks, split(left_w, own, able), own, strict=True):
            bank.change(-min(part, mine), "stores_own")
            bank.change(-max(0.0, part - mine), "stores_others")
    elif left_w < 0:
        own = _own(banks, lambda flow_w: flow_w)
        able = [
            _willing(bank.high_w - bank.power_w, mine, _serves(bank, rates.buy), _serves(bank, rates.buy - rates.fee))
            for bank, mine in zip(banks, own, strict=True)
        ]
        for bank, part, mine in zip(banks, split(-left_w, own, able), own, strict=True):
            bank.change(min(part, mine), "gives_own")
            bank.change(max(0.0, part - mine), "gives_others")


def _own(banks: Sequence[_Bank], direction: Callable[[float], float]) -> list[float]:
    """Each battery's part of what its own site has left, or needs: even parts of it."""
    among = {id(bank.room): sum(other.room is bank.room for other in banks) for bank in banks}
    flows = {
        id(bank.room): bank.room.expected_w - sum(other.power_w for other in banks if other.room is bank.room)
        for bank in banks
    }
    return [max(0.0, direction(flows[id(bank.room)])) / among[id(bank.room)] for bank in banks]


def _trade(banks: Sequence[_Bank], pool: Pool) -> None:
    """Buys for store as far as the plan's grid target goes, or sells, where the value of stored energy says so."""
    rates = pool.rates
    bought_w = (pool.needed_w or 0.0) - sum(bank.power_w for bank in banks)
    room_w = math.inf if pool.grid_target_w is None else max(0.0, pool.grid_target_w - max(0.0, bought_w))
    buyers = [bank for bank in banks if _value_in(bank) > rates.buy + _EPSILON and bank.power_w <= 0]
    able = [bank.power_w - bank.low_w for bank in buyers]
    for bank, part in zip(buyers, split(min(room_w, sum(able)), able, able), strict=True):
        bank.change(-part, "buys", price=f"{rates.buy:.3f}", value=f"{_value_in(bank):.3f}")
    for bank in banks:
        if bank.power_w >= 0 and bank not in buyers and _value_out(bank) < rates.sell - _EPSILON:
            price, value = f"{rates.sell:.3f}", f"{_value_out(bank):.3f}"
            bank.change(bank.high_w - bank.power_w, "sells", price=price, value=value)


def _value_in(bank: _Bank) -> float:
    """What a kWh taken from the bus is worth once it is stored; never worth buying without a plan."""
    value = bank.battery.value
    return -math.inf if value is None else value * bank.battery.efficiency


def _value_out(bank: _Bank) -> float:
    """What a kWh given to the bus costs in store; never worth selling without a plan."""
    value = bank.battery.value
    return math.inf if value is None else (value + bank.battery.wear) / bank.battery.efficiency


def _willing(able_w: float, own_w: float, for_own: bool, for_others: bool) -> float:
    """What it would move: for its own building, for others too, or not at all."""
    return able_w if for_others else min(able_w, own_w) if for_own else 0.0


def _stores(bank: _Bank, costs: float) -> bool:
    """Whether a surplus that would earn `costs` otherwise is stored."""
    return bank.battery.value is None or _value_in(bank) >= costs - _EPSILON


def _serves(bank: _Bank, saves: float) -> bool:
    """Whether a need whose energy would cost `saves` otherwise is served from store."""
    return bank.battery.value is None or _value_out(bank) <= saves + _EPSILON


def _enter(bank: _Bank) -> None:
    """Settles on whole watts, or on what it is under when that is as good, and enters it into its site's room."""
    battery, wanted_w = bank.battery, float(math.trunc(bank.power_w))
    told = battery.standing.value if battery.standing is not None else None
    band_w = max(_BAND_W, _BAND_SHARE * (battery.high_w - battery.low_w))
    allowed = isinstance(told, float) and bank.low_w <= told <= bank.high_w
    bank.power_w = told if isinstance(told, float) and allowed and abs(told - wanted_w) <= band_w else wanted_w
    bank.room.give(bank.power_w, battery.wired)


def _decision(bank: _Bank, pool: Pool) -> Decision:
    return Decision(bank.battery.id, bank.power_w, joined(bank.why or [_idle(bank, pool)]))


def _idle(bank: _Bank, pool: Pool) -> str:
    if pool.needed_w is not None and pool.drawn_w is not None and pool.needed_w <= 0 < pool.drawn_w:
        return say("rests_shared")
    battery, flow_w = bank.battery, bank.room.expected_w
    if flow_w < 0 and bank.low_w == 0 and battery.soc_pct >= battery.soc_max_pct - SOC_HYSTERESIS_PCT:
        return say("rests_full", pct=f"{battery.soc_pct:.0f}")
    if flow_w > 0 and bank.high_w == 0 and battery.soc_pct <= battery.soc_min_pct + SOC_HYSTERESIS_PCT:
        return say("rests_empty", pct=f"{battery.soc_pct:.0f}")
    if battery.value is not None:
        return say("rests_value", value=f"{battery.value:.3f}")
    return say("rests")
