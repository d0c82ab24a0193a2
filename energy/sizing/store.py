"""A battery over many quarter-hours in whole Wh: it takes and gives what is wished of it as far as it can.

Every rounding goes against the battery, so that nothing is ever free: what enters the cells is rounded down, what leaves
the cells for a Wh outside is rounded up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np

from energy.errors import RefusedError
from energy.sharing.whole import IntArray

__all__ = ["Store", "StoreCourse", "run_store"]

_FUZZ: Final = 1e-6  # of a Wh: products of floats that are whole numbers in truth


@dataclass(frozen=True, slots=True)
class Store:
    """A battery, empty at first. Power at the AC bus; `efficiency`: of a round trip, its root is lost each way."""

    capacity_wh: int
    power_w: int
    efficiency: float

    def __post_init__(self) -> None:
        if self.capacity_wh < 0 or self.power_w < 0:
            raise RefusedError("a battery's capacity and power may not be negative")
        if not 0 < self.efficiency <= 1:
            raise RefusedError("a battery's efficiency lies above 0 and up to 1")


@dataclass(frozen=True, slots=True)
class StoreCourse:
    """Of each quarter-hour: Wh taken from the bus, Wh given to it, and Wh in the cells at its end."""

    charged: IntArray
    discharged: IntArray
    stored: IntArray

    @property
    def losses_wh(self) -> int:
        """What went in and neither came out nor is still there."""
        left = int(self.stored[-1]) if self.stored.size else 0
        return int(self.charged.sum()) - int(self.discharged.sum()) - left


def run_store(store: Store, wish: IntArray) -> StoreCourse:
    """What the battery does when Wh `wish` (positive: charge, negative: discharge) are wished of it at the bus.

    With the surplus (negative: the deficit) of a meter as wish it is the plain rule.
    """
    each_way = math.sqrt(store.efficiency)
    most = store.power_w // 4
    charge = np.minimum(np.maximum(wish, 0), most)
    discharge = np.minimum(np.maximum(-wish, 0), most)
    into = np.floor(charge * each_way + _FUZZ).astype(np.int64)
    out = np.ceil(discharge / each_way - _FUZZ).astype(np.int64)
    capacity = store.capacity_wh
    course = accumulate((into - out).tolist(), lambda held, more: max(0, min(capacity, held + more)), initial=0)
    stored = np.fromiter(course, dtype=np.int64, count=wish.size + 1)
    change = np.diff(stored)
    charged = np.ceil(np.maximum(change, 0) / each_way - _FUZZ).astype(np.int64)
    discharged = np.floor(np.maximum(-change, 0) * each_way + _FUZZ).astype(np.int64)
    return StoreCourse(np.minimum(charged, charge), np.minimum(discharged, discharge), stored[1:])
