"""An amount in each row of a matrix, divided exactly among its columns: by weights, by level, and at last in whole Wh.

Theory. What was given out so far is kept as whole Wh and a fraction of one more, in units of 1/scale Wh, each row with
its own scale: dividing by weights multiplies the scale instead of rounding, so ties are exact. Only at the end does
largest remainder make whole Wh. Floats guess a quotient, or who is full; integers prove it. Numbers are int64 as long
as every one provably fits; rows where one might not go on with Python's unbounded integers.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = ["EVERYBODY", "Columns", "Division", "IntArray", "Mask", "by_largest_remainder"]

IntArray = npt.NDArray[Any]  # int64, or Python integers where these might not fit
Mask = npt.NDArray[np.bool_]
Columns = slice | npt.NDArray[np.intp]

EVERYBODY: Final = slice(None)
_SAFE: Final = 2**62
_NEAR: Final = 2**50  # below it floats hold whole numbers and their sums exactly, and err by less than one in quotients
_EXACT: Final = 2**53  # below it the floor of a quotient by floats is exact
_LOWERED: Final = 1 - 2.0**-49  # more than the quotient and the product of a level err together


class Division:
    """`amount` of each row, not more than `limit` for anybody; `wanted` is what a fill by demand weighs by. Wh.

    Everybody has `whole` Wh and `part`/scale of one more, 0 <= part < scale. `left`, too, is in units of 1/scale Wh.
    """

    def __init__(self, amount: IntArray, limit: IntArray, wanted: IntArray) -> None:
        self.amount = amount
        self.limit = limit
        self.wanted = wanted
        self.scale: IntArray = np.ones_like(amount)
        self.left: IntArray = np.zeros_like(amount)
        self.whole: IntArray = np.broadcast_to(self.left, limit.shape)
        self.part: IntArray = self.whole
        self._untouched = True  # nobody has anything yet
        self._largest = max(1, int(amount.max(initial=0)), int(wanted.sum(axis=1).max(initial=0)))

    def open(self, share: Fraction) -> None:
        """Adds this part of the amount to what is left."""
        if not share:
            return
        self._reserve(share.denominator)
        if share.denominator > 1:
            self._rescale(share.denominator)
        self.left = self.left + self.amount * (self.scale // share.denominator) * share.numerator

    def has_room(self) -> Mask:
        """Who may still receive."""
        self._reserve()
        return np.asarray(self._less_taken(self.limit) > 0, dtype=bool)

    def once(self, weight: IntArray, total: IntArray) -> bool:
        """Everybody takes min(room, left * weight / total), no weight being above the total; whether anything moved.

        One column of weights: everybody's are the same.
        """
        self._reserve(total, self.left)
        room = self._less_taken(self.limit)
        share, beside = _quotient(self.left, weight, total)
        left, factor = self.left, np.where(self.left > 0, total, 1)
        self._take(np.minimum(room, share), beside * (room > share), factor)
        return bool(np.any(self.left > 0) and np.any(self.left < left * factor))

    def fill(self, weight: IntArray) -> None:
        """Everybody takes min(room, level * weight), the level such that nothing is left or every room is full."""
        if np.any(self.left > 0):
            weight = np.broadcast_to(weight, self.limit.shape)
            self._reserve(weight.sum(axis=1, keepdims=True))
            self._fill(self._less_taken(self.limit) * (weight > 0), weight)

    def fill_demand(self, who: Columns = EVERYBODY) -> None:
        """Fills by what is still wanted, among the columns `who`."""
        if np.any(self.left > 0):
            self._reserve()
            weight = self._less_taken(self.wanted, who)
            self._reserve(weight.sum(axis=1, keepdims=True))
            self._fill(weight if self.limit is self.wanted else self._less_taken(self.limit, who), weight, who)

    def _fill(self, room: IntArray, weight: IntArray, who: Columns = EVERYBODY) -> None:
        """Fills the columns `who`, where a weight of 0 goes with no room."""
        factor = np.ones_like(self.scale)
        scarce = _rows((self.left > 0) & (self.left < room.sum(axis=1, keepdims=True)))
        if scarce is EVERYBODY:
            share, beside, factor = _at_level(self.left, room, weight)
        else:
            share, beside = room.copy(), np.zeros_like(room)
            share[self.left[:, 0] == 0] = 0
            if scarce is not None:
                pull = weight[scarce]
                found = _at_level(self.left[scarce], pull if room is weight else room[scarce], pull)
                share[scarce], beside[scarce], factor[scarce] = found
        self._take(share, beside, factor, who)

    def in_whole_wh(self, order: Columns) -> IntArray:
        """What everybody has, the columns in the order that decides ties, by largest remainder."""
        return by_largest_remainder(self.whole[:, order], self.part[:, order], self.scale)

    def _less_taken(self, most: IntArray, who: Columns = EVERYBODY) -> IntArray:
        """`most` Wh less what is taken, in units of 1/scale Wh."""
        if self._untouched:
            return most[:, who] if (self.scale == 1).all() else most[:, who] * self.scale
        rest: IntArray = (most[:, who] - self.whole[:, who]) * self.scale - self.part[:, who]
        return rest

    def _take(self, share: IntArray, beside: IntArray, factor: IntArray, who: Columns = EVERYBODY) -> None:
        """Hands out share + beside/factor, in units of 1/scale Wh, to the columns `who`."""
        fine = _rows((self.scale > 1) & (self.left > 0))  # rows where more comes to fractions
        first = self._untouched and fine is None and who is EVERYBODY
        if self._untouched and not first:
            self.whole, self.part = np.zeros_like(self.limit), np.zeros_like(self.limit)
        self.left = (self.left - share.sum(axis=1, keepdims=True)) * factor - beside.sum(axis=1, keepdims=True)
        if fine is not None:
            scale, own = self.scale[fine], share[fine]
            carried = _over(self.part[fine][:, who] + own, scale)
            beside[fine] += (own - carried * scale) * factor[fine]
            share[fine] = carried
            self.part[fine] *= factor[fine]
        self.scale = self.scale * factor
        if first:
            self.whole, self.part = share, beside
        else:
            self.whole[:, who] += share
            self.part[:, who] += beside
        self._untouched = False

    def _rescale(self, factor: int) -> None:
        self.scale, self.left = self.scale * factor, self.left * factor
        if not self._untouched:
            self.part = self.part * factor

    def _reserve(self, factor: IntArray | int = 1, amount: IntArray | int = 1) -> None:
        """Goes over to unbounded integers where dividing by `factor`, or `amount` times it, might not fit."""
        if self.scale.dtype != object and not self._fits(factor, amount):
            for name in ("amount", "limit", "wanted", "scale", "left", "whole", "part"):
                setattr(self, name, getattr(self, name).astype(object))

    def _fits(self, *factors: IntArray | int) -> bool:
        scale = self.scale.astype(np.float64)
        factor, amount = (np.maximum(np.asarray(each, dtype=np.float64), 1) for each in factors)
        near = max(scale.max(initial=1) * self._largest, factor.max(initial=1))
        return bool(near < _NEAR and max((scale * factor).max(initial=1), (amount * factor).max(initial=1)) < _SAFE)


def by_largest_remainder(whole: IntArray, part: IntArray, scale: IntArray) -> IntArray:
    """Whole Wh of `whole` + `part`/`scale` each, ties to the first column.

    What a row lacks to whole Wh, for its columns need not add up to any, is nobody's; it takes part, last in a tie.
    """
    if part.dtype == object:
        units = -(-part.sum(axis=1, keepdims=True) // scale)
        lacking = units * scale - part.sum(axis=1, keepdims=True)
        whole, units = whole.astype(np.int64), units.astype(np.int64)
    else:
        small = int(scale.max(initial=1)) < 2**32
        total = part.sum(axis=1, keepdims=True, dtype=np.int64 if small else np.float64)
        units = np.rint(total / scale).astype(np.int64)
        lacking = units * scale - part.sum(axis=1, keepdims=True)  # right also where both sides wrapped
        units += lacking < 0
        lacking += (lacking < 0) * scale
        if small:  # sorts twice as fast
            part, lacking = part.astype(np.uint32), lacking.astype(np.uint32)
    return whole + _largest(part, units, lacking) if units.any() else whole.copy()


def _largest(values: IntArray, numbers: IntArray, beside: IntArray) -> Mask:
    """Where each row's `numbers` largest values are, the first of equals before the others, `beside` after them all."""
    numbers, threshold = _smallest_of_largest(values, numbers, beside)
    largest = np.asarray(values >= threshold, dtype=bool)
    more = np.count_nonzero(largest, axis=1, keepdims=True) - numbers
    crowded = np.flatnonzero(more)
    if crowded.size:
        equal = np.asarray(values[crowded] == threshold[crowded], dtype=bool)
        kept = np.count_nonzero(equal, axis=1, keepdims=True) - more[crowded]
        largest[crowded] &= ~equal | (equal.cumsum(axis=1, dtype=np.int32) <= kept)
    return largest


def _smallest_of_largest(values: IntArray, numbers: IntArray, beside: IntArray) -> tuple[IntArray, IntArray]:
    """(numbers, value): how many of the largest are not `beside`, and the least of them."""
    highest, count = values.max(axis=1, keepdims=True), values.shape[1]
    if np.count_nonzero(values[0] == highest[0]) >= numbers[0]:  # with equal weights so in every row
        equals = np.count_nonzero(values == highest, axis=1, keepdims=True)
        if (equals >= numbers).all():
            return numbers - (beside > highest), highest
    ordered = np.sort(values, axis=1)
    places = np.minimum(count - numbers, count - 1)
    numbers = numbers - (beside > np.take_along_axis(ordered, places, axis=1))
    places = np.minimum(count - numbers, count - 1)
    return numbers, np.take_along_axis(ordered, places, axis=1)


def _at_level(amount: IntArray, room: IntArray, weight: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """(share, beside, total): min(room, level * weight) as share + beside/total, with the sum of `amount` in each row.

    All rooms of a row are together more than its amount; where a weight is 0, so is the room.
    """
    if room is weight:  # who is short gets less than it wants, all alike
        total = weight.sum(axis=1, keepdims=True)
        return *_quotient(amount, weight, total), total
    counts = weight > 0
    full = np.zeros(room.shape, dtype=bool)
    rest, total, rising = amount, weight.sum(axis=1, keepdims=True), weight
    while True:
        share, beside = _quotient(rest, rising, total)
        found = (room <= share) & counts & ~full
        if not found.any():
            share += room * full
            return share, beside, total
        full |= found if room.dtype == object else found | _surely_full(amount, room, weight)
        rising = weight * ~full
        rest, total = (amount - (room * full).sum(axis=1, keepdims=True)), rising.sum(axis=1, keepdims=True)


def _surely_full(amount: IntArray, room: IntArray, weight: IntArray) -> Mask:
    """Who is full at the level, by floats and on the safe side: perhaps too few, never one too many."""
    space, pull = room.astype(np.float64), weight.astype(np.float64)
    rest, total = amount[:, 0].astype(np.float64), pull.sum(axis=1)
    all_rest, all_total, number = rest, total, -1
    while True:
        full: Mask = space <= (rest / total * _LOWERED)[:, None] * pull
        before, number = number, int(np.count_nonzero(full))
        if number == before:
            return full
        closed = full.astype(np.float64)
        rest = all_rest - np.einsum("ij,ij->i", space, closed)
        total = all_total - np.einsum("ij,ij->i", pull, closed)


def _quotient(left: IntArray, right: IntArray, divisor: IntArray) -> tuple[IntArray, IntArray]:
    """(left * right // divisor, left * right % divisor), although the product may not fit into 64 bits.

    Exact for int64 with 0 <= right <= divisor and left and divisor below _NEAR: the quotient by floats is one off at
    most, and not off at all while the product is below 2**53; the remainder by wrapping products is right wherever the
    true one fits.
    """
    if "O" in left.dtype.kind + right.dtype.kind:
        product = left * right
        return product // divisor, product % divisor
    product = left * right
    if float(left.max(initial=0)) * float(right.max(initial=0)) < _EXACT:
        quotient = (product / divisor).astype(np.int64)
        product -= quotient * divisor
        return quotient, product
    quotient = (left.astype(np.float64) * right / divisor).astype(np.int64)
    product -= quotient * divisor
    for wrong, step in ((product < 0, -1), (product >= divisor, 1)):
        if wrong.any():
            quotient += step * wrong
            product -= step * wrong * divisor
    return quotient, product


def _over(values: IntArray, scale: IntArray) -> IntArray:
    """The quotient of whole numbers below _NEAR."""
    return values // scale if values.dtype == object else (values / scale).astype(np.int64)


def _rows(mask: Mask) -> slice | npt.NDArray[np.intp] | None:
    """Which rows; None: not one."""
    number = np.count_nonzero(mask)
    if number == mask.size:
        return EVERYBODY
    return np.flatnonzero(mask) if number else None
