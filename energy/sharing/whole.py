"""The sharing rule in whole Wh over many quarter-hours at once: exact integer arithmetic in numpy.

A row is a quarter-hour, a column a point. It is quick by what it leaves out: quarter-hours without injection, points
that do not receive and points that do not inject; and by blocks of rows that stay in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Final

import numpy as np
import numpy.typing as npt

from energy.sharing.division import EVERYBODY, Columns, Division, IntArray, Mask, by_largest_remainder
from energy.sharing.key import MILLIONTHS, Basis, Method, ProducerMethod, Producers, Roster, Round, SharingKey

__all__ = ["IntArray", "Mask", "Pairs", "share_whole"]

Pairs = Mapping[int, IntArray]
"""Coefficients in millionths by the column of a producer: of its injection, shaped as the readings."""

_SAFE: Final = 2**62
_BLOCK_CELLS: Final = 1 << 16  # a block stays in the processor's cache


def share_whole(
    key: SharingKey,
    roster: Roster,
    withdrawal: IntArray,
    injection: IntArray,
    has_withdrawal: Mask,
    rows: Mask | None = None,
    coefficients: IntArray | Pairs | None = None,
) -> tuple[IntArray, IntArray]:
    """(received, given) in Wh, shaped (quarter-hours, points) as the readings are.

    `withdrawal` and `injection` are int64 Wh >= 0; `has_withdrawal` says where a receiver counts for `equal`; `rows`
    which quarter-hours are shared, None: all. Of the others nobody receives or gives anything. `coefficients`: weights
    of fixed rounds by quarter-hour, in millionths; or by pair, which take the rounds' place.
    """
    received = np.zeros(withdrawal.shape, dtype=np.int64)
    given = np.zeros(withdrawal.shape, dtype=np.int64)
    rule = _Rule.of(key, roster, injection.max(axis=0, initial=0) > 0)
    other = _Rule.mirrored(key, roster) if key.two_sided else None
    receives, participation_pct = np.array(roster.receives), np.array(roster.participation_pct, dtype=np.int64)
    for block in _blocks(injection, rows):
        present = has_withdrawal[block] & receives
        wanted = withdrawal[block] if present.all() else withdrawal[block] * present
        offered = injection[block]
        if np.any(participation_pct != 100):
            wanted, offered = wanted * participation_pct // 100, offered * participation_pct // 100
        if isinstance(coefficients, Mapping):
            pairs = {own: grid[block] for own, grid in coefficients.items()}
            received[block], given[block] = _by_pairs(pairs, wanted, offered)
            continue
        got = _receive(rule, wanted, offered, present, None if coefficients is None else coefficients[block])
        gave = _give(rule, offered, got)
        if other is not None:
            surplus = offered.sum(axis=1) >= wanted.sum(axis=1)
            got[surplus], gave[surplus] = _from_producers(other, wanted[surplus], offered[surplus])
        received[block], given[block] = got, gave
    return received, given


def _blocks(injection: IntArray, rows: Mask | None) -> Iterator[slice | npt.NDArray[np.intp]]:
    """The rows in which something may be shared, in blocks."""
    step = max(1, _BLOCK_CELLS // max(1, injection.shape[1]))
    for start in range(0, injection.shape[0], step):
        block = slice(start, start + step)
        busy = injection[block].any(axis=1)
        if rows is not None:
            busy &= rows[block]
        if busy.all():
            yield block
        elif busy.any():
            yield start + np.flatnonzero(busy)


@dataclass(frozen=True, slots=True)
class _Rule:
    """A key over the columns: what is the same in every block.

    Receivers and givers stand by tier, so that each tier is a slice of them, the first served first.
    """

    rounds: tuple[Round, ...]
    receivers: Columns
    weights: IntArray
    denominator: int
    tiers: tuple[slice, ...]
    producers: ProducerMethod
    own: tuple[IntArray, IntArray]  # places among the receivers, and columns, of those who inject as well
    givers: Columns
    giver_weights: IntArray
    giver_tiers: tuple[slice, ...]

    @classmethod
    def of(cls, key: SharingKey, roster: Roster, injects: Mask) -> _Rule:
        """With weights as integers; weights and tiers are those of the receivers, or of those who inject anything."""
        by_tier = any(round_.method is Method.PRIORITY for round_ in key.rounds)
        receivers, tiers = _ordered(np.array(roster.receives), roster.tiers, by_tier=by_tier)
        by_tier = key.producers.method is ProducerMethod.PRIORITY
        givers, giver_tiers = _ordered(injects, roster.producer_tiers, by_tier=by_tier)
        weights, denominator = _integers(roster.weights)
        columns = np.arange(injects.size)[receivers]
        own = np.flatnonzero(injects[columns])
        return cls(
            key.rounds,
            receivers,
            weights[receivers],
            denominator,
            tiers,
            key.producers.method,
            (own, columns[own]),
            givers,
            _integers(roster.producer_weights)[0][givers],
            giver_tiers,
        )

    @classmethod
    def mirrored(cls, key: SharingKey, roster: Roster) -> _Rule:
        """Producers in the place of receivers, who then take pro rata."""
        alike = key.model_copy(update={"producers": Producers()})
        return cls.of(alike, roster.mirrored(), np.ones(len(roster.points), dtype=bool))


def _ordered(who: Mask, tiers: Sequence[int], *, by_tier: bool) -> tuple[Columns, tuple[slice, ...]]:
    """The columns of `who`, those of a tier beside each other; and which of them each tier is."""
    columns = np.flatnonzero(who)
    own = np.array(tiers)[columns]
    if not by_tier or (own[1:] == own[:-1]).all():
        return (EVERYBODY if who.all() else columns), (EVERYBODY,)
    order = np.argsort(own, kind="stable")
    ends = [*np.flatnonzero(np.diff(own[order])) + 1, own.size]
    return columns[order], tuple(slice(first, end) for first, end in zip([0, *ends], ends, strict=False))


def _settled(division: Division, who: Columns, width: int) -> IntArray:
    """In whole Wh, the columns in their places among all, nothing in the others."""
    if isinstance(who, slice):
        return division.in_whole_wh(EVERYBODY)
    order = np.argsort(who)
    spread = np.zeros((division.left.shape[0], width), dtype=np.int64)
    spread[:, who[order]] = division.in_whole_wh(order)
    return spread


def _from_producers(mirrored: _Rule, wanted: IntArray, offered: IntArray) -> tuple[IntArray, IntArray]:
    """(received, given) where the rounds are the producers': the same rule with both sides in each other's place."""
    given = _receive(mirrored, offered, wanted, offered > 0)
    return _give(mirrored, wanted, given), given


def _by_pairs(pairs: Pairs, wanted: IntArray, injection: IntArray) -> tuple[IntArray, IntArray]:
    """(received, given) by parts of each producer's injection; who takes less takes less of all in proportion."""
    allotted = {own: grid.astype(object) * injection[:, [own]] for own, grid in pairs.items()}  # millionths of a Wh
    entitled = sum(allotted.values(), np.zeros(wanted.shape, dtype=object))
    taken = np.minimum(wanted.astype(object) * MILLIONTHS, entitled)
    received = by_largest_remainder(taken // MILLIONTHS, taken % MILLIONTHS, np.full_like(taken[:, :1], MILLIONTHS))
    weights = np.zeros(wanted.shape, dtype=object)
    common = np.lcm.reduce(np.where(taken < entitled, entitled, 1), axis=1, keepdims=True)  # of what is divided by
    for own, parts in allotted.items():
        used = np.where(taken < entitled, parts * taken * (common // np.maximum(entitled, 1)), parts * common)
        weights[:, own] = used.sum(axis=1)
    total = received.sum(axis=1, keepdims=True)
    giving = Division(total, np.minimum(injection, total - received), injection)
    giving.open(Fraction(1))
    giving.fill(weights)
    giving.fill(injection)
    return received, giving.in_whole_wh(EVERYBODY)


def _receive(
    rule: _Rule, wanted: IntArray, injection: IntArray, present: Mask, coefficients: IntArray | None = None
) -> IntArray:
    pool, width = injection.sum(axis=1, keepdims=True), injection.shape[1]
    wanted, present = wanted[:, rule.receivers], present[:, rule.receivers]
    places, columns = rule.own
    division = Division(pool, _limited(wanted, places, pool - injection[:, columns]), wanted)
    for round_ in rule.rounds:
        division.open(round_.share or Fraction(0))
        if round_.method is Method.PRORATA:
            _pro_rata(division, round_.basis)
        elif round_.method is Method.PRIORITY:
            for tier in rule.tiers:
                division.fill_demand(tier)
        elif round_.method is Method.EQUAL:
            number = np.maximum(present.sum(axis=1, keepdims=True), 1)
            _by_weights(division, round_, np.ones_like(pool) if present.all() else present.astype(np.int64), number)
        elif coefficients is not None:
            _by_weights(division, round_, coefficients[:, rule.receivers], np.full_like(pool, MILLIONTHS))
        else:
            whole = np.full(pool.shape, rule.denominator, dtype=rule.weights.dtype)
            _by_weights(division, round_, rule.weights[None, :], whole)
    return _settled(division, rule.receivers, width)


def _limited(wanted: IntArray, who: Columns, most: IntArray) -> IntArray:
    """What is wanted, or of the columns `who` the `most` where that is less."""
    if (wanted[:, who] <= most).all():
        return wanted
    limit = wanted.copy()
    limit[:, who] = np.minimum(wanted[:, who], most)
    return limit


def _by_weights(division: Division, round_: Round, weights: IntArray, whole: IntArray) -> None:
    if round_.max_rounds is None:
        division.fill(weights)
        return
    for repeat in range(round_.max_rounds):
        parts, total = weights, whole
        if round_.renormalise and repeat:
            parts = np.where(division.has_room(), weights, 0)
            total = np.maximum(parts.sum(axis=1, keepdims=True), 1)
        if not division.once(parts, total):
            break


def _pro_rata(division: Division, basis: Basis) -> None:
    if basis is Basis.RESIDUAL:
        division.fill_demand()
    elif basis is Basis.WITHDRAWAL:
        division.fill(division.wanted)
    else:
        division.once(division.wanted, np.maximum(division.wanted.sum(axis=1, keepdims=True), 1))


def _give(rule: _Rule, injection: IntArray, received: IntArray) -> IntArray:
    total, width = received.sum(axis=1, keepdims=True), injection.shape[1]
    injection, received = injection[:, rule.givers], received[:, rule.givers]
    division = Division(total, _limited(injection, EVERYBODY, total - received), injection)
    division.open(Fraction(1))
    if rule.producers is ProducerMethod.PRIORITY:
        for tier in rule.giver_tiers:
            division.fill_demand(tier)
    elif rule.producers is ProducerMethod.FIXED:
        division.fill(rule.giver_weights[None, :])
        division.fill(injection)
    else:
        division.fill_demand()
    return _settled(division, rule.givers, width)


def _integers(weights: tuple[Fraction, ...]) -> tuple[IntArray, int]:
    """The weights as integers over one denominator."""
    denominator = lcm(*(weight.denominator for weight in weights))
    numerators = [weight.numerator * (denominator // weight.denominator) for weight in weights]
    dtype = np.int64 if denominator < _SAFE else object
    return np.array(numerators, dtype=dtype), denominator
