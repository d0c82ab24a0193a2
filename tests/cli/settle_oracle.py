"""What `settle` must give, computed from the words of the contract: one quarter-hour after another, in fractions, plainly.

Nothing of the product is used here, so that a misreading there is not repeated. Slow on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

QUARTER = timedelta(minutes=15)
DAY, WEEK = timedelta(days=1), timedelta(days=7)
NOBODY = {"weight": 0, "tier": None}
SHORT = {
    "fixed": [{"method": "fixed"}],
    "fixed-multi": [{"method": "fixed", "max_rounds": None}],
    "equal": [{"method": "equal"}],
    "prorata": [{"method": "prorata"}],
    "hybrid": [{"method": "fixed"}, {"method": "prorata"}],
    "priority": [{"method": "priority"}],
}


@dataclass
class Row:
    """One row of the result, Wh; None is an empty cell."""

    withdrawal: Fraction | None
    injection: Fraction | None
    received: Fraction
    given: Fraction
    quality: str


@dataclass
class Result:
    """Rows by (start, EAN), and the quarter-hours left out."""

    rows: dict[tuple[datetime, str], Row] = field(default_factory=dict)
    held: set[datetime] = field(default_factory=set)


Readings = dict[tuple[datetime, str], tuple[Fraction | None, Fraction | None]]
"""(withdrawal, injection) in Wh of each row of the file, None where the cell is empty."""


def settled(readings: Readings, key: dict[str, Any]) -> Result:
    """The result of a whole file."""
    eans = sorted({ean for _, ean in readings})
    ever = [{ean for (_, ean), cells in readings.items() if cells[side] is not None} for side in (0, 1)]
    listed = key.get("participants")
    receivers = ever[0] if listed is None else set(listed)
    givers = ever[1] | {ean for ean in eans if ean not in ever[0] | receivers}
    result, moment = Result(), min(start for start, _ in readings)
    while moment <= max(start for start, _ in readings):
        _quarter(result, readings, key, moment, eans, receivers, givers)
        moment += QUARTER
    return result


def _quarter(
    result: Result,
    readings: Readings,
    key: dict[str, Any],
    moment: datetime,
    eans: list[str],
    receivers: set[str],
    givers: set[str],
) -> None:
    values, filled, unknown = {}, set(), False
    for ean in eans:
        cells = list(readings.get((moment, ean), (None, None)))
        for side, needed in enumerate((receivers, givers)):
            if cells[side] is None and ean in needed:
                cells[side] = _filled(readings, key.get("on_missing", "hold"), moment, ean, side)
                filled.add(ean)
                unknown |= cells[side] is None
        values[ean] = cells
    if unknown:
        result.held.add(moment)
        return
    zero = key.get("on_missing") == "zero"
    present = {ean for ean in receivers if not (zero and readings.get((moment, ean), (None,))[0] is None)}
    received, given = shared(values, key, receivers, present)
    for ean in eans:
        if (moment, ean) in readings or ean in receivers or ean in givers:
            quality = ("missing" if zero and ean in filled else "estimated") if filled else "measured"
            withdrawal, injection = values[ean]
            result.rows[moment, ean] = Row(withdrawal, injection, received[ean], given[ean], quality)


def _filled(readings: Readings, how: str, moment: datetime, ean: str, side: int) -> Fraction | None:
    if how == "zero":
        return Fraction(0)
    if how == "estimate":
        for back in (WEEK, DAY) if side == 0 else (DAY, WEEK):
            found = readings.get((moment - back, ean), (None, None))[side]
            if found is not None:
                return found
    return None


def shared(
    values: dict[str, list[Fraction | None]], key: dict[str, Any], receivers: set[str], present: set[str]
) -> tuple[dict[str, Fraction], dict[str, Fraction]]:
    """(received, given) in one quarter-hour."""
    people = key.get("participants") or {}
    wanted = {ean: (cells[0] or Fraction(0)) if ean in receivers else Fraction(0) for ean, cells in values.items()}
    offered = {ean: cells[1] or Fraction(0) for ean, cells in values.items()}
    pool = sum(offered.values(), Fraction(0))
    most = {ean: min(wanted[ean], pool - offered[ean]) for ean in values}  # nobody receives its own injection
    got = dict.fromkeys(values, Fraction(0))
    left = Fraction(0)
    rounds = key["rounds"]
    for place, each in enumerate(SHORT[rounds] if isinstance(rounds, str) else rounds):
        left += pool * _number(each.get("share", 1 if place == 0 else 0))
        left = _round(each, left, got, most, wanted, people, present)
    if key.get("resolution_wh", 1):
        got = _rounded(got, pool)
    return got, _givers(got, offered, key.get("producers", "prorata"), people, key.get("resolution_wh", 1))


def _round(
    each: dict[str, Any],
    left: Fraction,
    got: dict[str, Fraction],
    most: dict[str, Fraction],
    wanted: dict[str, Fraction],
    people: dict[str, Any],
    present: set[str],
) -> Fraction:
    method = each["method"]
    if method == "prorata":
        whole = each.get("basis", "residual") == "withdrawal"
        return _poured(left, got, most, {ean: wanted[ean] - (0 if whole else got[ean]) for ean in got})
    if method == "priority":
        tiers = {ean: (people.get(ean) or NOBODY).get("tier") or 10**6 for ean in got}
        for tier in sorted(set(tiers.values())):
            need = {ean: wanted[ean] - got[ean] for ean in got if tiers[ean] == tier}
            left = _poured(left, got, most, need)
        return left
    if method == "equal":
        parts = {ean: Fraction(1, len(present)) for ean in present}
    else:
        parts = {ean: _number(standing.get("weight", 0)) for ean, standing in people.items()}
    repeats = each.get("max_rounds", 1)
    if repeats is None:
        return _poured(left, got, most, parts)
    for _ in range(repeats):
        entitled = {ean: part * left for ean, part in parts.items()}
        for ean, energy in entitled.items():
            more = min(energy, most[ean] - got[ean])
            got[ean] += more
            left -= more
    return left


def _poured(
    left: Fraction, got: dict[str, Fraction], most: dict[str, Fraction], weights: dict[str, Fraction]
) -> Fraction:
    """Pours what is left by weights; who is full drops out, and the others go on by theirs."""
    thirsty = [ean for ean, weight in weights.items() if weight > 0 and got[ean] < most[ean]]
    while left and thirsty:
        total = sum(weights[ean] for ean in thirsty)
        full_at = min((most[ean] - got[ean]) / weights[ean] for ean in thirsty)
        level = min(full_at, left / total)
        for ean in thirsty:
            got[ean] += level * weights[ean]
        left -= level * total
        thirsty = [ean for ean in thirsty if got[ean] < most[ean]]
    return left


def _givers(
    got: dict[str, Fraction], offered: dict[str, Fraction], how: str, people: dict[str, Any], resolution: int
) -> dict[str, Fraction]:
    total = sum(got.values(), Fraction(0))
    most = {ean: min(offered[ean], total - got[ean]) for ean in got}
    given, left = dict.fromkeys(got, Fraction(0)), total
    if how == "fixed":
        left = _poured(left, given, most, {ean: _number((people.get(ean) or NOBODY).get("weight", 0)) for ean in given})
    if how == "priority":
        tiers = {ean: (people.get(ean) or NOBODY).get("tier") or 10**6 for ean in got}
        for tier in sorted(set(tiers.values())):
            left = _poured(left, given, most, {ean: offered[ean] for ean in got if tiers[ean] == tier})
    else:
        left = _poured(left, given, most, offered)
    assert left == 0, "what was received was given by somebody"
    return _rounded(given, total) if resolution else given


def _rounded(parts: dict[str, Fraction], total: Fraction) -> dict[str, Fraction]:
    """Whole Wh by largest remainder; the rest of the total takes part, and comes last of equals."""
    exact = [*(parts[ean] for ean in sorted(parts)), total - sum(parts.values())]
    whole = [part // 1 for part in exact]
    for place in sorted(range(len(exact)), key=lambda n: (whole[n] - exact[n], n))[: int(total - sum(whole))]:
        whole[place] += 1
    return {ean: Fraction(wh) for ean, wh in zip(sorted(parts), whole, strict=False)}


def _number(written: object) -> Fraction:
    return Fraction(str(written))


def instant(text: str) -> datetime:
    """A start as the file writes it."""
    return datetime.fromisoformat(text).astimezone(UTC)
