"""The sharing rule in whole Wh over many quarter-hours at once: exact integer arithmetic in numpy, no floats.

Theory. A row is a quarter-hour, a column a point. What was given out so far is kept as integers in units of
1/scale Wh, each row with its own scale: dividing by weights multiplies the scale instead of rounding, so ties are
exact. Only at the end does largest remainder make whole Wh. Numbers are int64 as long as every product provably
fits. Where one might not, its quotient and remainder are found apart, which is exact too and all that a last round
needs; a block of rows that must go on from there, or that is larger still, continues with Python's unbounded integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from energy.sharing.key import MILLIONTHS, Basis, Method, ProducerMethod, Producers, Roster, Round, SharingKey

__all__ = ["IntArray", "Mask", "Pairs", "share_whole"]

IntArray = npt.NDArray[Any]  # int64, or Python integers where these might not fit
Pairs = Mapping[int, IntArray]
"""Coefficients in millionths by the column of a producer: of its injection, shaped as the readings."""
Mask = npt.NDArray[np.bool_]

_SAFE: Final = 2**62
_NEAR: Final = 2**50  # below it a quotient by floats is one off at most
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
    receives = np.array(roster.receives, dtype=bool)
    rule = _Rule.of(key, roster)
    other = _Rule.of(key.model_copy(update={"producers": Producers()}), roster.mirrored()) if key.two_sided else None
    step = max(1, _BLOCK_CELLS // max(1, withdrawal.shape[1]))
    for start in range(0, withdrawal.shape[0], step):
        block: slice | IntArray = slice(start, start + step)
        if rows is not None and not rows[block].all():
            block = start + np.flatnonzero(rows[block])
        present = has_withdrawal[block] & receives
        wanted, offered = np.where(present, withdrawal[block], 0), injection[block]
        if set(roster.participation_pct) != {100}:
            parts = np.array(roster.participation_pct, dtype=np.int64)
            wanted, offered = wanted * parts // 100, offered * parts // 100
        if isinstance(coefficients, Mapping):
            pairs = {own: grid[block] for own, grid in coefficients.items()}
            received[block], given[block] = _by_pairs(pairs, wanted, offered)
            continue
        weights = None if coefficients is None else coefficients[block]
        got = _receive(rule, wanted, offered, present, weights)
        gave = _give(rule, offered, got)
        if other is not None:
            surplus = offered.sum(axis=1) >= wanted.sum(axis=1)
            got[surplus], gave[surplus] = _from_producers(other, wanted[surplus], offered[surplus])
        received[block], given[block] = got, gave
    return received, given


@dataclass(frozen=True, slots=True)
class _Rule:
    """A key over the columns: what is the same in every block."""

    rounds: tuple[Round, ...]
    weights: tuple[IntArray, int]
    tiers: IntArray
    producers: ProducerMethod
    producer_weights: IntArray
    producer_tiers: IntArray

    @classmethod
    def of(cls, key: SharingKey, roster: Roster) -> _Rule:
        """With weights as integers."""
        return cls(
            key.rounds,
            _integers(roster.weights),
            np.array(roster.tiers),
            key.producers.method,
            _integers(roster.producer_weights)[0],
            np.array(roster.producer_tiers),
        )


def _from_producers(mirrored: _Rule, wanted: IntArray, offered: IntArray) -> tuple[IntArray, IntArray]:
    """(received, given) where the rounds are the producers': the same rule with both sides in each other's place."""
    given = _receive(mirrored, offered, wanted, offered > 0)
    return _give(mirrored, wanted, given), given


def _by_pairs(pairs: Pairs, wanted: IntArray, injection: IntArray) -> tuple[IntArray, IntArray]:
    """(received, given) by parts of each producer's injection; who takes less takes less of all in proportion."""
    allotted = {own: grid.astype(object) * injection[:, [own]] for own, grid in pairs.items()}  # millionths of a Wh
    entitled = sum(allotted.values(), np.zeros(wanted.shape, dtype=object))
    taken = np.minimum(wanted.astype(object) * MILLIONTHS, entitled)
    pool = injection.sum(axis=1, keepdims=True)
    division = _Division(pool.astype(object), wanted, wanted)
    division.scale, division.parts = np.full_like(division.amount, MILLIONTHS), taken
    received = division.whole()
    weights = np.zeros(wanted.shape, dtype=object)
    common = np.lcm.reduce(np.where(taken < entitled, entitled, 1), axis=1, keepdims=True)  # of what is divided by
    for own, parts in allotted.items():
        used = np.where(taken < entitled, parts * taken * (common // np.maximum(entitled, 1)), parts * common)
        weights[:, own] = used.sum(axis=1)
    total = received.sum(axis=1, keepdims=True)
    giving = _Division(total, np.minimum(injection, total - received), injection)
    giving.open(Fraction(1))
    giving.fill(weights)
    giving.fill(injection)
    return received, giving.whole()


def _receive(
    rule: _Rule, wanted: IntArray, injection: IntArray, present: Mask, coefficients: IntArray | None = None
) -> IntArray:
    pool = injection.sum(axis=1, keepdims=True)
    division = _Division(pool, np.minimum(wanted, pool - injection), wanted)
    for round_ in rule.rounds:
        division.open(round_.share or Fraction(0))
        if round_.method is Method.PRORATA:
            _pro_rata(division, round_.basis)
        elif round_.method is Method.PRIORITY:
            for tier in np.unique(rule.tiers):
                division.fill_demand(rule.tiers == tier)
        else:
            _by_weights(division, round_, rule.weights, present, coefficients)
    return division.whole()


def _by_weights(
    division: _Division, round_: Round, fixed: tuple[IntArray, int], present: Mask, coefficients: IntArray | None
) -> None:
    if round_.method is Method.EQUAL:
        weights: IntArray = present.astype(np.int64)
        whole: IntArray = np.maximum(weights.sum(axis=1, keepdims=True), 1)
    elif coefficients is not None:
        weights, whole = coefficients, np.full((present.shape[0], 1), MILLIONTHS, dtype=np.int64)
    else:
        numerators, denominator = fixed
        weights = np.broadcast_to(numerators, present.shape)
        whole = np.full((present.shape[0], 1), denominator, dtype=np.int64)
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


def _pro_rata(division: _Division, basis: Basis) -> None:
    if basis is Basis.RESIDUAL:
        division.fill_demand(np.ones(division.limit.shape[1], dtype=bool))
    elif basis is Basis.WITHDRAWAL:
        division.fill(division.wanted)
    else:
        division.once(division.wanted, np.maximum(division.wanted.sum(axis=1, keepdims=True), 1))


def _give(rule: _Rule, injection: IntArray, received: IntArray) -> IntArray:
    total = received.sum(axis=1, keepdims=True)
    division = _Division(total, np.minimum(injection, total - received), injection)
    division.open(Fraction(1))
    if rule.producers is ProducerMethod.PRIORITY:
        for tier in np.unique(rule.producer_tiers):
            division.fill(np.where(rule.producer_tiers == tier, injection, 0))
        return division.whole()
    if rule.producers is ProducerMethod.FIXED:
        division.fill(np.broadcast_to(rule.producer_weights, injection.shape))
    division.fill(injection)
    return division.whole()


def _integers(weights: tuple[Fraction, ...]) -> tuple[IntArray, int]:
    """The weights as integers over one denominator."""
    denominator = lcm(*(weight.denominator for weight in weights))
    numerators = [int(weight * denominator) for weight in weights]
    dtype = np.int64 if denominator < _SAFE else object
    return np.array(numerators, dtype=dtype), denominator


def _largest(values: IntArray, numbers: IntArray) -> Mask:
    """Where each row's `numbers` largest values are, the first of equals before the others."""
    count = values.shape[1]
    if values.dtype != object and int(values.max(initial=0)) < _SAFE // count:
        ranks = values * count + np.arange(count - 1, -1, -1)  # no two are equal, and sorting values is vectorised
        threshold = np.take_along_axis(np.sort(ranks, axis=1), np.minimum(count - numbers, count - 1), axis=1)
        return np.asarray((ranks >= threshold) & (numbers > 0))
    order = np.argsort(-values, axis=1, kind="stable")
    largest = np.zeros(values.shape, dtype=bool)
    np.put_along_axis(largest, order, np.arange(count) < numbers, axis=1)
    return largest


def _quotient(left: IntArray, right: IntArray, divisor: IntArray) -> tuple[IntArray, IntArray]:
    """(left * right // divisor, left * right % divisor), although the product does not fit into 64 bits.

    Exact for int64 with 0 <= right <= divisor and left <= _NEAR: the quotient by floats is one off at most, and the
    remainder by wrapping products is right wherever the true one fits.
    """
    quotient = np.floor(left.astype(np.float64) * right / divisor).astype(np.int64)
    remainder = left * right - quotient * divisor
    for wrong, step in ((remainder < 0, -1), (remainder >= divisor, 1)):
        quotient += step * wrong
        remainder -= step * wrong * divisor
    return quotient, remainder


class _Division:
    """An amount per row being divided among columns. `parts` and `left` are in units of 1/scale Wh.

    `beside`: (numerator, denominator) of what the parts have more, in the same units, after a fill that did not fit.
    """

    def __init__(self, amount: IntArray, limit: IntArray, wanted: IntArray) -> None:
        self.amount = amount
        self.limit = limit
        self.wanted = wanted
        self.scale: IntArray = np.ones_like(amount)
        self.parts: IntArray = np.zeros_like(limit)
        self.left: IntArray = np.zeros_like(amount)
        self.beside: tuple[IntArray, IntArray] | None = None
        self._largest = max(1, int(amount.max(initial=0)), int(wanted.sum(axis=1).max(initial=0)))

    def open(self, share: Fraction) -> None:
        """Adds this part of the amount to what is left."""
        if share:
            self._take_in()
            self._rescale(np.full_like(self.scale, share.denominator))
            self.left = self.left + self.amount * (self.scale // share.denominator) * share.numerator

    def has_room(self) -> Mask:
        """Who may still receive."""
        self._take_in()
        return np.asarray(self._room() > 0, dtype=bool)

    def once(self, weight: IntArray, total: IntArray) -> bool:
        """Everybody takes min(room, left * weight / total); whether anything moved."""
        self._take_in()
        self._reserve(total)
        parts = np.minimum(self._room() * total, self.left * weight)
        self._take(parts, total)
        return bool(np.any(parts > 0) and np.any(self.left > 0))

    def fill_demand(self, who: Mask) -> None:
        """Fills by what is still wanted, among `who`."""
        if np.any(self.left > 0):
            self._take_in()
            self.fill(np.where(who, self.wanted * self.scale - self.parts, 0))

    def fill(self, weight: IntArray) -> None:
        """Everybody takes min(room, level * weight), the level such that nothing is left or every room is full."""
        if not np.any(self.left > 0):
            return
        self._take_in()
        weight = np.where(self.left > 0, weight, 0)
        total = weight.sum(axis=1, keepdims=True)
        apart = not self._fits(total) and self._fits_apart(total)
        if not apart:
            self._reserve(total)
        room, rest = self._room(), self.left
        rising = np.asarray((weight > 0) & (room > 0), dtype=bool)
        total = np.where(rising, weight, 0).sum(axis=1, keepdims=True)
        full = np.zeros_like(rising)
        while True:
            if apart:
                filled = rising & (room <= _quotient(rest, np.where(rising, weight, 0), np.maximum(total, 1))[0])
            else:
                filled = rising & np.asarray(room * total <= rest * weight, dtype=bool)
            if not filled.any():
                break
            rest = rest - np.where(filled, room, 0).sum(axis=1, keepdims=True)
            total = total - np.where(filled, weight, 0).sum(axis=1, keepdims=True)
            rising &= ~filled
            full |= filled
        factor = np.where((total > 0) & (rest > 0), total, 1)  # a scale grows only where something is divided
        if apart:
            share, beside = _quotient(rest, np.where(rising & (rest > 0), weight, 0), factor)
            self.parts = self.parts + np.where(full, room, share)
            self.left = np.where(rising.any(axis=1, keepdims=True), 0, rest)
            self.beside = (beside, factor)
        else:
            self._take(np.where(full, room * factor, np.where(rising, rest * weight, 0)), factor)

    def whole(self) -> IntArray:
        """The parts in whole Wh by largest remainder, ties to the first column; what is not given out takes part."""
        more, unit = self.beside or (np.zeros_like(self.parts), np.ones_like(self.scale))
        undivided = self.amount * self.scale - self.parts.sum(axis=1, keepdims=True)
        undivided = undivided - more.sum(axis=1, keepdims=True) // unit  # all of what is beside adds up to whole units
        parts = np.concatenate([self.parts, undivided], axis=1)
        floors = parts // self.scale
        remainders = (parts - floors * self.scale) * unit
        remainders[:, :-1] += more
        units = (self.amount - floors.sum(axis=1, keepdims=True)).astype(np.int64)
        return (floors.astype(np.int64) + _largest(remainders, units))[:, :-1]

    def _room(self) -> IntArray:
        room: IntArray = self.limit * self.scale - self.parts
        return room

    def _take(self, parts: IntArray, factor: IntArray) -> None:
        """Hands out `parts`, given in units of 1/(scale * factor) Wh."""
        self._rescale(factor)
        self.parts = self.parts + parts
        self.left = self.left - parts.sum(axis=1, keepdims=True)

    def _rescale(self, factor: IntArray) -> None:
        self._reserve(factor)
        self.scale = self.scale * factor
        self.parts = self.parts * factor
        self.left = self.left * factor

    def _reserve(self, factor: IntArray) -> None:
        """Goes over to unbounded integers where multiplying a row by its `factor` might not fit into 64 bits."""
        if not self._fits(factor):
            for name in ("amount", "limit", "wanted", "scale", "parts", "left"):
                setattr(self, name, getattr(self, name).astype(object))

    def _fits(self, factor: IntArray) -> bool:
        return self.scale.dtype == object or self._largest * self._grown(factor) < _SAFE

    def _fits_apart(self, factor: IntArray) -> bool:
        """Whether quotient and remainder of a product fit, although the product does not."""
        return factor.dtype != object and self._largest * self._grown(1) < _NEAR and self._grown(factor) < _SAFE

    def _grown(self, factor: IntArray | int) -> float:
        """The largest scale after multiplying by `factor`."""
        grown = self.scale.astype(np.float64) * np.maximum(factor, 1).astype(np.float64)
        return float(grown.max(initial=1))

    def _take_in(self) -> None:
        """Makes one number of the parts and what is beside them, unbounded."""
        if self.beside is None:
            return
        more, unit = (values.astype(object) for values in self.beside)
        self.beside = None
        for name in ("amount", "limit", "wanted", "scale", "parts", "left"):
            setattr(self, name, getattr(self, name).astype(object))
        self.scale, self.left = self.scale * unit, self.left * unit
        self.parts = self.parts * unit + more
