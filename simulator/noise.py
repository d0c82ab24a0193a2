"""Deterministic smooth noise: the same seed and place in time always give the same value, in any order of asking."""

from __future__ import annotations

import math
import zlib
from functools import lru_cache

__all__ = ["seed_of", "smooth", "smooth_2d", "uniform"]

_MASK = 0xFFFFFFFF


def seed_of(seed: int, name: str) -> int:
    """A 32-bit seed for the thing called `name` in a world of that seed."""
    return zlib.crc32(f"{seed}:{name}".encode())


@lru_cache(maxsize=1 << 16)
def uniform(seed: int, i: int, j: int = 0) -> float:
    """A number in [0, 1) for the lattice point (i, j): an integer hash, so no state to keep."""
    value = (seed * 0xC2B2AE3D ^ i * 0x9E3779B1 ^ j * 0x85EBCA77) & _MASK
    value ^= value >> 15
    value = value * 0x2C1B3C6D & _MASK
    value ^= value >> 12
    value = value * 0x297A2D39 & _MASK
    value ^= value >> 15
    return value / 4294967296.0


def smooth(seed: int, x: float) -> float:
    """Noise in [0, 1) that changes smoothly over one unit of `x`."""
    cell = math.floor(x)
    part = x - cell
    part *= part * (3.0 - 2.0 * part)
    left = uniform(seed, cell)
    return left + (uniform(seed, cell + 1) - left) * part


def smooth_2d(seed: int, x: float, y: float) -> float:
    """Noise in [0, 1) that changes smoothly over one unit of `x` and of `y`."""
    column, row = math.floor(x), math.floor(y)
    across, along = x - column, y - row
    across *= across * (3.0 - 2.0 * across)
    along *= along * (3.0 - 2.0 * along)
    low = uniform(seed, column, row)
    low += (uniform(seed, column + 1, row) - low) * across
    high = uniform(seed, column, row + 1)
    high += (uniform(seed, column + 1, row + 1) - high) * across
    return low + (high - low) * along
