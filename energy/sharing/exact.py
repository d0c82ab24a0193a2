"""The sharing rule in exact rationals for one quarter-hour: the reference that the fast engine is tested against.

Theory. With G the total injection, c_i the withdrawal and g_i the injection of point i, a receiver can be given
x_i <= min(c_i, G - g_i), for it never receives its own injection. These limits are also enough: whatever x with
S = sum x <= G keeps them, injections can be chosen with s_j <= min(g_j, S - x_j) that add up to S, and then every kWh
can be carried from a producer to a different receiver (the only tight cut of "everyone but yourself" is one point:
x_i <= S - s_i). So the rounds work against the limits min(c_i, G - g_i) and the producers' side against
min(g_j, S - x_j); docs/sharing.md has the proof.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from energy.sharing.key import MILLIONTHS, Basis, Method, ProducerMethod, Producers, Roster, Round, SharingKey

__all__ = ["QuarterHour", "RoundTrace", "Shared", "share_exact", "share_pairs"]

_ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class QuarterHour:
    """Wh of every point, in the roster's order; None: the point has no value in this quarter-hour."""

    withdrawals: tuple[Fraction | None, ...]
    injections: tuple[Fraction | None, ...]


@dataclass(frozen=True, slots=True)
class RoundTrace:
    """What one round had, gave to whom and left, Wh; `demand`: withdrawal not covered before it."""

    round: Round
    available: Fraction
    demand: tuple[Fraction, ...]
    received: tuple[Fraction, ...]
    left: Fraction


@dataclass(frozen=True, slots=True)
class Shared:
    """What every point received and gave, Wh: whole numbers at resolution 1. `rounds` are before rounding.

    `from_producers`: the rounds are those of the producers (a two-sided key).
    """

    received: tuple[Fraction, ...]
    given: tuple[Fraction, ...]
    rounds: tuple[RoundTrace, ...]
    from_producers: bool = False


def share_exact(key: SharingKey, roster: Roster, quarter: QuarterHour) -> Shared:
    """Shares one quarter-hour. At resolution 1 the readings must be whole Wh."""
    quarter = _offered(key, roster, quarter)
    if key.two_sided:
        wanted = tuple(
            value if receives else None for value, receives in zip(quarter.withdrawals, roster.receives, strict=True)
        )
        if sum(value or _ZERO for value in quarter.injections) >= sum(value or _ZERO for value in wanted):
            alike = key.model_copy(update={"producers": Producers()})
            other = _one_side(alike, roster.mirrored(), QuarterHour(quarter.injections, wanted))
            return Shared(other.given, other.received, other.rounds, from_producers=True)
    return _one_side(key, roster, quarter)


def share_pairs(key: SharingKey, roster: Roster, quarter: QuarterHour, pairs: Mapping[int, Sequence[int]]) -> Shared:
    """Shares by coefficients of each producer and consumer: `pairs`, millionths of that producer's injection by its place.

    A consumer takes no more than it withdraws, and then less of every producer in the same proportion.
    """
    quarter = _offered(key, roster, quarter)
    injections = [value or _ZERO for value in quarter.injections]
    receiving = _Receiving(roster, quarter, sum(injections, _ZERO))
    allotted = {own: [Fraction(part, MILLIONTHS) * injections[own] for part in parts] for own, parts in pairs.items()}
    entitled = [sum((parts[place] for parts in allotted.values()), _ZERO) for place in range(len(injections))]
    received = [min(withdrawn, part) for withdrawn, part in zip(receiving.withdrawals, entitled, strict=True)]
    used = [took / part if part else _ZERO for took, part in zip(received, entitled, strict=True)]
    weights = [_ZERO] * len(injections)
    for own, parts in allotted.items():
        weights[own] = sum((part * factor for part, factor in zip(parts, used, strict=True)), _ZERO)
    if not key.resolution_wh:
        return Shared(tuple(received), tuple(weights), ())
    *received, _ = _whole([*received, sum(injections, _ZERO) - sum(received, _ZERO)])
    return Shared(tuple(received), tuple(_whole(_filled(injections, received, [weights, injections]))), ())


def _one_side(key: SharingKey, roster: Roster, quarter: QuarterHour) -> Shared:
    injections = [value or _ZERO for value in quarter.injections]
    pool = sum(injections, _ZERO)
    receiving = _Receiving(roster, quarter, pool)
    left = _ZERO
    traces = []
    for round_ in key.rounds:
        available = (round_.share or _ZERO) * pool + left
        trace = receiving.serve(round_, available)
        traces.append(trace)
        left = trace.left
    received = receiving.received
    if key.resolution_wh:
        *received, _ = _whole([*received, pool - sum(received, _ZERO)])
    given = _given(key, roster, injections, received)
    if key.resolution_wh:
        given = _whole(given)
    return Shared(tuple(received), tuple(given), tuple(traces))


def _offered(key: SharingKey, roster: Roster, quarter: QuarterHour) -> QuarterHour:
    """The parts that the points offer to this community: at resolution 1 whole Wh, rounded down."""

    def parts(values: tuple[Fraction | None, ...]) -> tuple[Fraction | None, ...]:
        offered = (
            None if value is None else value * percent / 100
            for value, percent in zip(values, roster.participation_pct, strict=True)
        )
        return tuple(part if part is None or not key.resolution_wh else Fraction(part // 1) for part in offered)

    if set(roster.participation_pct) <= {100}:
        return quarter
    return QuarterHour(parts(quarter.withdrawals), parts(quarter.injections))


class _Receiving:
    """The receivers' side of one quarter-hour, round after round."""

    def __init__(self, roster: Roster, quarter: QuarterHour, pool: Fraction) -> None:
        self.roster = roster
        self.present = [
            receives and value is not None for receives, value in zip(roster.receives, quarter.withdrawals, strict=True)
        ]
        self.withdrawals = [
            (value or _ZERO) if here else _ZERO for value, here in zip(quarter.withdrawals, self.present, strict=True)
        ]
        self.limits = [
            min(withdrawal, pool - (injection or _ZERO))
            for withdrawal, injection in zip(self.withdrawals, quarter.injections, strict=True)
        ]
        self.received = [_ZERO] * len(self.withdrawals)

    def serve(self, round_: Round, available: Fraction) -> RoundTrace:
        before = list(self.received)
        demand = tuple(_subtract(self.withdrawals, before))
        match round_.method:
            case Method.FIXED | Method.EQUAL:
                left = self._by_weights(round_, available)
            case Method.PRORATA:
                left = self._pro_rata(round_, available, demand)
            case Method.PRIORITY:
                left = self._by_tiers(available, demand)
        return RoundTrace(round_, available, demand, tuple(_subtract(self.received, before)), left)

    def _by_weights(self, round_: Round, available: Fraction) -> Fraction:
        weights = list(self.roster.weights)
        if round_.method is Method.EQUAL:
            number = sum(self.present)
            weights = [Fraction(int(here), max(number, 1)) for here in self.present]
        if round_.max_rounds is None:
            return available - self._take(_fill(available, self._room(), weights))
        for repeat in range(round_.max_rounds):
            parts = weights
            if round_.renormalise and repeat:
                parts = _normalised(weights, self._room())
            taken = self._take([min(room, part * available) for room, part in zip(self._room(), parts, strict=True)])
            available -= taken
            if not taken:
                break
        return available

    def _pro_rata(self, round_: Round, available: Fraction, demand: Sequence[Fraction]) -> Fraction:
        if round_.basis is Basis.WITHDRAWAL_OF_ALL:
            parts = _normalised(self.withdrawals, self.withdrawals)
            return available - self._take(
                [min(room, part * available) for room, part in zip(self._room(), parts, strict=True)]
            )
        weights = demand if round_.basis is Basis.RESIDUAL else self.withdrawals
        return available - self._take(_fill(available, self._room(), weights))

    def _by_tiers(self, available: Fraction, demand: Sequence[Fraction]) -> Fraction:
        for tier in sorted(set(self.roster.tiers)):
            weights = [wanted if own == tier else _ZERO for wanted, own in zip(demand, self.roster.tiers, strict=True)]
            available -= self._take(_fill(available, self._room(), weights))
        return available

    def _room(self) -> list[Fraction]:
        return _subtract(self.limits, self.received)

    def _take(self, parts: Sequence[Fraction]) -> Fraction:
        self.received = [old + new for old, new in zip(self.received, parts, strict=True)]
        return sum(parts, _ZERO)


def _given(
    key: SharingKey, roster: Roster, injections: Sequence[Fraction], received: Sequence[Fraction]
) -> list[Fraction]:
    """Whose injection makes up what was received."""
    return _filled(injections, received, _producer_weights(key, roster, injections))


def _filled(
    injections: Sequence[Fraction], received: Sequence[Fraction], passes: Sequence[Sequence[Fraction]]
) -> list[Fraction]:
    """Whose injection makes up what was received, by the weights of one pass after the other."""
    total = sum(received, _ZERO)
    limits = [min(injection, total - own) for injection, own in zip(injections, received, strict=True)]
    given = [_ZERO] * len(limits)
    for weights in passes:
        rest = total - sum(given, _ZERO)
        more = _fill(rest, _subtract(limits, given), weights)
        given = [old + new for old, new in zip(given, more, strict=True)]
    return given


def _producer_weights(key: SharingKey, roster: Roster, injections: Sequence[Fraction]) -> list[Sequence[Fraction]]:
    """Weights of the passes over the producers, the last of which takes all that is still to be given."""
    match key.producers.method:
        case ProducerMethod.PRORATA:
            return [injections]
        case ProducerMethod.FIXED:
            return [roster.producer_weights, injections]
        case ProducerMethod.PRIORITY:
            return [
                [g if own == tier else _ZERO for g, own in zip(injections, roster.producer_tiers, strict=True)]
                for tier in sorted(set(roster.producer_tiers))
            ]


def _fill(available: Fraction, room: Sequence[Fraction], weights: Sequence[Fraction]) -> list[Fraction]:
    """min(room_i, level * weight_i), the level such that it adds up to `available` or every weighted room is full."""
    parts = [_ZERO] * len(room)
    open_points = [n for n, weight in enumerate(weights) if weight > 0]
    open_points.sort(key=lambda n: room[n] / weights[n])
    total = sum((weights[n] for n in open_points), _ZERO)
    for n in open_points:
        parts[n] = min(room[n], available * weights[n] / total)
        available -= parts[n]
        total -= weights[n]
    return parts


def _normalised(weights: Sequence[Fraction], room: Sequence[Fraction]) -> list[Fraction]:
    """Weights of those with room left, divided by their sum."""
    with_room = [weight if space > 0 else _ZERO for weight, space in zip(weights, room, strict=True)]
    total = sum(with_room, _ZERO)
    return [weight / total for weight in with_room] if total else with_room


def _whole(parts: Sequence[Fraction]) -> list[Fraction]:
    """Whole numbers with the same (whole) sum, by largest remainder; ties go to the first."""
    floors = [part // 1 for part in parts]
    units = int(sum(parts, _ZERO)) - sum(floors)
    by_remainder = sorted(range(len(parts)), key=lambda n: floors[n] - parts[n])
    for n in by_remainder[:units]:
        floors[n] += 1
    return [Fraction(floor) for floor in floors]


def _subtract(left: Sequence[Fraction], right: Sequence[Fraction]) -> list[Fraction]:
    return [a - b for a, b in zip(left, right, strict=True)]
