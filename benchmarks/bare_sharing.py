"""The sharing keys as bare numpy arithmetic, a page each: no own injection, no gaps, no proof; only lower bounds to compare with.

`floored` drops what does not make a whole Wh, `added_up` gives that to the largest remainders (of floats, so of ties it
knows little). Both work in blocks of rows, as everybody would who has once looked at the processor's cache.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = ["ADDED_UP", "FLOORED", "Energies", "shared"]

Energies = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_Key = Callable[[Any, Any, Any, Sequence[Energies]], Any]
"""(withdrawal, pool, weights, columns of each tier) to what everybody receives."""

_BLOCK: Final = 64


def shared(
    key: _Key,
    withdrawal: Energies,
    injection: Energies,
    weights: Energies,
    tiers: Sequence[Energies],
    *,
    add_up: bool,
) -> tuple[Energies, Energies]:
    """(received, given) by a key; `weights` are parts of their sum, `tiers` the columns of each."""
    received, given = np.empty_like(withdrawal), np.empty_like(injection)
    for first in range(0, withdrawal.shape[0], _BLOCK):
        rows = slice(first, first + _BLOCK)
        pool = injection[rows].sum(axis=1, keepdims=True)
        parts = key(withdrawal[rows], pool, weights, tiers)
        received[rows] = _whole(parts, pool) if add_up else parts
        total = received[rows].sum(axis=1, keepdims=True)
        if add_up:
            given[rows] = _whole(injection[rows] * (total / np.maximum(pool, 1)), total)
        else:
            given[rows] = injection[rows] * total // np.maximum(pool, 1)
    return received, given


def _whole(parts: Floats, amount: Energies) -> Energies:
    """Whole Wh by largest remainder; what is not given out takes part."""
    parts = np.concatenate([parts, amount - parts.sum(axis=1, keepdims=True)], axis=1)
    floors = np.floor(parts + 1e-9)
    order = np.argsort(floors - parts, axis=1, kind="stable")
    missing = np.arange(parts.shape[1]) < amount - floors.sum(axis=1, keepdims=True)
    np.put_along_axis(floors, order, np.take_along_axis(floors, order, axis=1) + missing, axis=1)
    return floors[:, :-1].astype(np.int64)


def _fixed(wanted: Energies, pool: Energies, weights: Energies, _: Sequence[Energies]) -> Energies:
    return np.minimum(wanted, pool * weights // weights.sum())


def _fixed_floats(wanted: Energies, pool: Energies, weights: Energies, _: Sequence[Energies]) -> Floats:
    return np.minimum(wanted, pool * (weights / weights.sum()))


def _equal(wanted: Energies, pool: Energies, _: Energies, __: Sequence[Energies]) -> Energies:
    return np.minimum(wanted, pool // wanted.shape[1])


def _equal_floats(wanted: Energies, pool: Energies, _: Energies, __: Sequence[Energies]) -> Floats:
    return np.minimum(wanted, pool / wanted.shape[1])


def _multi(wanted: Energies, pool: Energies, weights: Energies, _: Sequence[Energies]) -> Energies:
    """Again and again among those not yet full, until nothing moves."""
    got, left = np.zeros_like(wanted), pool
    while True:
        rising = (got < wanted) * weights
        more = np.minimum(wanted - got, left * rising // np.maximum(rising.sum(axis=1, keepdims=True), 1))
        if not more.any():
            return got
        got += more
        left = left - more.sum(axis=1, keepdims=True)


def _multi_floats(wanted: Energies, pool: Energies, weights: Energies, _: Sequence[Energies]) -> Floats:
    """The level that gives everything out, found as above."""
    full = np.zeros(wanted.shape, dtype=bool)
    while True:
        rest = pool - (wanted * full).sum(axis=1, keepdims=True)
        level = rest / np.maximum((weights * ~full).sum(axis=1, keepdims=True), 1)
        found = (wanted <= level * weights) & ~full
        if not found.any():
            return np.where(full, wanted, level * weights)
        full |= found


def _prorata(wanted: Energies, pool: Energies, _: Energies, __: Sequence[Energies]) -> Energies:
    total = wanted.sum(axis=1, keepdims=True)
    return wanted * np.minimum(pool, total) // np.maximum(total, 1)


def _prorata_floats(wanted: Any, pool: Any, _: Energies, __: Sequence[Energies]) -> Floats:
    total = wanted.sum(axis=1, keepdims=True)
    return np.asarray(wanted * (np.minimum(pool, total) / np.maximum(total, 1)))


def _hybrid(wanted: Energies, pool: Energies, weights: Energies, tiers: Sequence[Energies]) -> Energies:
    first = _fixed(wanted, pool, weights, tiers)
    return first + _prorata(wanted - first, pool - first.sum(axis=1, keepdims=True), weights, tiers)


def _hybrid_floats(wanted: Energies, pool: Energies, weights: Energies, tiers: Sequence[Energies]) -> Floats:
    first = _fixed_floats(wanted, pool, weights, tiers)
    return first + _prorata_floats(wanted - first, pool - first.sum(axis=1, keepdims=True), weights, tiers)


def _priority(wanted: Energies, pool: Energies, weights: Energies, tiers: Sequence[Energies]) -> Energies:
    got, left = np.zeros_like(wanted), pool
    for columns in tiers:
        got[:, columns] = _prorata(wanted[:, columns], left, weights, tiers)
        left = left - got[:, columns].sum(axis=1, keepdims=True)
    return got


def _priority_floats(wanted: Energies, pool: Energies, weights: Energies, tiers: Sequence[Energies]) -> Floats:
    got, left = np.zeros(wanted.shape), pool.astype(np.float64)
    for columns in tiers:
        got[:, columns] = _prorata_floats(wanted[:, columns], left, weights, tiers)
        left = left - got[:, columns].sum(axis=1, keepdims=True)
    return got


FLOORED: Final[Mapping[str, _Key]] = {
    "fixed": _fixed,
    "fixed-multi": _multi,
    "equal": _equal,
    "prorata": _prorata,
    "hybrid": _hybrid,
    "priority": _priority,
}
ADDED_UP: Final[Mapping[str, _Key]] = {
    "fixed": _fixed_floats,
    "fixed-multi": _multi_floats,
    "equal": _equal_floats,
    "prorata": _prorata_floats,
    "hybrid": _hybrid_floats,
    "priority": _priority_floats,
}
