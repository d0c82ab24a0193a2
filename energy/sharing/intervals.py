"""Readings of 30 or 60 minutes: which interval a key is for, and how readings by a longer one than said are known.

A longer reading is never split into quarter-hours: how the energy lay within it is unknown, and an even split would
share what was not there at the same time.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from energy.quarters import QUARTER_MS
from energy.sharing.whole import IntArray, Mask

__all__ = ["INTERVALS_MS", "Interval", "interval_name", "longer_interval"]

Interval = Literal["15min", "30min", "60min"]
INTERVALS_MS: Final[dict[Interval, int]] = {"15min": QUARTER_MS, "30min": 2 * QUARTER_MS, "60min": 4 * QUARTER_MS}
_STRETCH: Final = 8  # equal steps in a row that hardly a meter leaves by falling silent
_SURE: Final = 24  # and so many that none does
_WHOLE: Final = 3  # steps that are enough where they are all there are


def interval_name(interval_ms: int) -> Interval:
    """The name of 15, 30 or 60 minutes in ms."""
    return next(name for name, each in INTERVALS_MS.items() if each == interval_ms)


def longer_interval(starts: IntArray, known: Mask, interval_ms: int, *, surely: bool = False) -> tuple[int, int] | None:
    """(interval in ms, row where it begins) where these values come by a longer one than `interval_ms`, else None.

    `starts`: consecutive intervals in ms UTC; `known`: where there is a value. They do where three or more of them follow
    each other by exactly 30 or 60 minutes on the clock and no others are there, or eight in a row anywhere; `surely`: 24 in
    a row, which no gaps are.
    """
    stretch = _SURE if surely else _STRETCH
    rows = np.flatnonzero(known)
    steps = np.diff(starts[rows])
    for longer in (each for each in INTERVALS_MS.values() if each > interval_ms):
        fits = (steps == longer) & (starts[rows[:-1]] % longer == 0)
        if not surely and fits.size >= _WHOLE and fits.all():
            return longer, int(rows[0])
        if fits.size >= stretch:
            stretches = np.lib.stride_tricks.sliding_window_view(fits, stretch).all(axis=1)
            if stretches.any():
                return longer, int(rows[int(stretches.argmax())])
    return None
