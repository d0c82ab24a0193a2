"""Which quarter-hours of a settled month are held, and for whose sake: stretches of each metering point and direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from energy.quarters import QUARTER_MS
from energy.sharing.settlement import Direction, Settlement

__all__ = ["MOST_GAPS", "Gap", "gaps"]

MOST_GAPS: Final = 500


@dataclass(frozen=True, slots=True)
class Gap:
    """A value that is unknown in each of `quarters` quarter-hours from `start` to `end`, ms UTC: they are held for it."""

    point: str
    direction: Direction
    start: int
    end: int
    quarters: int


def gaps(settlements: Sequence[tuple[Settlement, int, int]]) -> tuple[Gap, ...]:
    """By time and point. `settlements`: each with the [start, end) in which it counts, ms UTC."""
    unknown: dict[tuple[str, Direction], list[int]] = {}
    for settlement, start, end in settlements:
        readings = settlement.readings
        for missing in settlement.held_for:
            at = int(readings.starts[missing.row])
            if start <= at < end:
                unknown.setdefault((readings.points[missing.column], missing.direction), []).append(at)
    found = [gap for (point, direction), starts in unknown.items() for gap in _stretches(point, direction, starts)]
    return tuple(sorted(found, key=lambda gap: (gap.start, gap.point, gap.direction)))


def _stretches(point: str, direction: Direction, starts: Sequence[int]) -> list[Gap]:
    found = []
    for _, run in groupby(enumerate(sorted(starts)), lambda place: place[1] - place[0] * QUARTER_MS):
        own = [start for _, start in run]
        found.append(Gap(point, direction, own[0], own[-1] + QUARTER_MS, len(own)))
    return found
