"""One sentence that says what a point received or gave in a quarter-hour, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from energy.sharing.exact import QuarterHour, RoundTrace, Shared, share_exact, share_pairs
from energy.sharing.key import MILLIONTHS, Basis, Method, ProducerMethod, Roster, SharingKey

__all__ = ["explain"]


def explain(
    key: SharingKey,
    roster: Roster,
    quarter: QuarterHour,
    point: str,
    coefficients: Sequence[int] | Mapping[int, Sequence[int]] | None = None,
) -> str:
    """Why `point` received and gave what it did. Raises KeyError when the roster has no such point.

    `coefficients`: those of this quarter-hour, in millionths, where the key has them by quarter-hour or by pair.
    """
    if point not in roster.points:
        raise KeyError(point)
    place = roster.points.index(point)
    nothing = _not_receiving(roster, quarter, place)
    if isinstance(coefficients, Mapping):
        shared = share_pairs(key, roster, quarter, coefficients)
        sentences = [nothing or _of_pairs(roster, quarter, shared, coefficients, place)]
    else:
        roster = roster if coefficients is None else roster.weighing(coefficients)
        shared = share_exact(key, roster, quarter)
        sentences = [nothing or _receiving(roster, quarter, shared, place)]
    if quarter.injections[place]:
        sentences.append(_giving(key, roster, quarter, shared, place))
    return f"{_name(key, point)} {'; it '.join(sentences)}."


def _name(key: SharingKey, point: str) -> str:
    participant = (key.participants or {}).get(point)
    return f"{participant.name} ({point})" if participant and participant.name else point


def _not_receiving(roster: Roster, quarter: QuarterHour, place: int) -> str | None:
    """Why the point receives nothing whatever the key; None when it may."""
    if not roster.receives[place]:
        return "is no participant and received nothing"
    withdrawal = quarter.withdrawals[place]
    if withdrawal is None:
        return "has no withdrawal value and received nothing"
    if not withdrawal:
        return "withdrew nothing and received nothing"
    if not _of_others(quarter, place):
        return f"withdrew {_kwh(withdrawal)} and received nothing because nobody else injected"
    return None


def _of_others(quarter: QuarterHour, place: int) -> Fraction:
    injections = [value or Fraction(0) for value in quarter.injections]
    return sum(injections, Fraction(0)) - injections[place]


def _receiving(roster: Roster, quarter: QuarterHour, shared: Shared, place: int) -> str:
    withdrawal = quarter.withdrawals[place] or Fraction(0)
    received = shared.received[place]
    steps = [] if shared.from_producers else _steps(shared, roster, place)
    text = f"withdrew {_kwh(withdrawal)} and received {_kwh(received)}"
    if steps:
        text += f": {', then '.join(steps)}"
    if shared.from_producers:
        text += f" pro rata of withdrawal, for no less was injected than withdrawn and {_kwh(sum(shared.given, Fraction(0)))} were shared by the producers' side of the key"
    elif received != sum((trace.received[place] for trace in shared.rounds), Fraction(0)):
        text += ", rounded to whole Wh"
    if received == withdrawal:
        return text + ", which is all it withdrew"
    if (percent := roster.participation_pct[place]) < 100:
        text += f"; it takes part with {percent} % of its withdrawal"
    if received == _of_others(quarter, place):
        return text + ", which is all that others injected"
    return text + f"; the other {_kwh(withdrawal - received)} came from its supplier"


def _of_pairs(
    roster: Roster, quarter: QuarterHour, shared: Shared, pairs: Mapping[int, Sequence[int]], place: int
) -> str:
    withdrawal, received = quarter.withdrawals[place] or Fraction(0), shared.received[place]
    parts = {own: Fraction(pairs[own][place], MILLIONTHS) for own in pairs if pairs[own][place]}
    offered = {own: part * (quarter.injections[own] or 0) for own, part in parts.items()}
    entitled = sum(offered.values(), Fraction(0))
    of = [
        f"{_percent(parts[own])} of {_kwh(quarter.injections[own] or Fraction(0))} of {roster.points[own]}"
        for own in parts
    ]
    text = f"withdrew {_kwh(withdrawal)} and received {_kwh(received)}: " + (
        " and ".join(of) or "no part of any injection"
    )
    if received < entitled:
        text += f" are {_kwh(entitled)}, of each of which it took the same part"
    return text + (
        ", which is all it withdrew"
        if received == withdrawal
        else f"; the other {_kwh(withdrawal - received)} came from its supplier"
    )


def _steps(shared: Shared, roster: Roster, place: int) -> list[str]:
    return [
        _step(trace, roster, number, place) for number, trace in enumerate(shared.rounds, 1) if trace.received[place]
    ]


def _step(trace: RoundTrace, roster: Roster, number: int, place: int) -> str:
    gained = f"{_kwh(trace.received[place])} in round {number}"
    had = _kwh(trace.available)
    match trace.round.method:
        case Method.EQUAL:
            return f"{gained} (equal parts of {had}{_repeats(trace)})"
        case Method.FIXED:
            return f"{gained} (fixed {_percent(roster.weights[place])} of {had}{_repeats(trace)})"
        case Method.PRIORITY:
            return f"{gained} (tier {_tier(roster.tiers[place])} of {had}, pro rata inside)"
        case Method.PRORATA:
            basis = "withdrawal not yet covered" if trace.round.basis is Basis.RESIDUAL else "withdrawal"
            demand = f"{_kwh(trace.demand[place])} of {_kwh(sum(trace.demand, Fraction(0)))} not covered before"
            return f"{gained} (pro rata of {basis}, {had} for {demand})"


def _tier(tier: int) -> str:
    return str(tier) if tier <= 1000 else "last"


def _repeats(trace: RoundTrace) -> str:
    if trace.round.max_rounds == 1:
        return ""
    limit = "until nothing moved" if trace.round.max_rounds is None else f"up to {trace.round.max_rounds} times"
    return f", repeated on what was left {limit}"


def _giving(key: SharingKey, roster: Roster, quarter: QuarterHour, shared: Shared, place: int) -> str:
    injection = quarter.injections[place] or Fraction(0)
    total = sum(shared.given, Fraction(0))
    if shared.from_producers:
        how = ", then ".join(_steps(shared, roster.mirrored(), place)) or "nothing by the producers' side of the key"
        return f"gave {_kwh(shared.given[place])} of the {_kwh(injection)} it injected ({how})"
    rule = {
        ProducerMethod.PRORATA: "taken pro rata of injection",
        ProducerMethod.FIXED: "taken by fixed parts",
        ProducerMethod.PRIORITY: "taken in order of tiers",
    }[key.producers.method]
    if key.coefficients == "by_pair":
        rule = "from each producer what its consumers used of their parts"
    return (
        f"gave {_kwh(shared.given[place])} of the {_kwh(injection)} it injected ({_kwh(total)} shared in all, {rule})"
    )


def _kwh(energy_wh: Fraction) -> str:
    """In kWh to the Wh, with more digits only where there is less than a Wh to tell."""
    digits = 3 if energy_wh.denominator == 1 else 6
    return f"{float(energy_wh / 1000):.{digits}f} kWh"


def _percent(part: Fraction) -> str:
    return f"{float(part * 100):.6g} %"
