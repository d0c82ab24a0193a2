"""Settled quarter-hours of each member and metering point: what a member may see of itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from energy.settlement.month import Settled
from energy.settlement.volumes import Tenure

__all__ = ["COLUMNS", "UNKNOWN", "Curve", "curves"]

COLUMNS: Final = ("withdrawn_wh", "received_wh", "injected_wh", "given_wh")
UNKNOWN: Final = -1
"""In the place of a value that is unknown, or of a quarter-hour that is held."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Consecutive quarter-hours from `start` (ms UTC) on; `values` has a row for each of COLUMNS, Wh."""

    member: str
    point: str
    start: int
    values: npt.NDArray[np.int32]


def curves(settled: Settled) -> Iterator[Curve]:
    """One for each time that a member held a metering point with settled quarter-hours in the month."""
    for tenure in settled.inputs.tenures:
        curve = _of(settled, tenure)
        if curve is not None:
            yield curve


def _of(settled: Settled, tenure: Tenure) -> Curve | None:
    if not settled.settlements or tenure.point not in settled.settlements[0].readings.points:
        return None
    starts = settled.settlements[0].readings.starts
    column = settled.settlements[0].readings.points.index(tenure.point)
    first, end = settled.inputs.window
    held = (starts >= max(first, tenure.since or first)) & (starts < min(end, tenure.until or end))
    if not held.any():
        return None
    values = np.full((len(COLUMNS), len(starts)), UNKNOWN, dtype=np.int32)
    for settlement in settled.settlements:
        readings = settlement.readings
        rows = held & ~settlement.held & settlement.takes_part[:, column]
        for place, (energies, known) in enumerate(
            (
                (readings.withdrawal, rows & readings.withdrawal_known[:, column]),
                (settlement.received, rows),
                (readings.injection, rows & readings.injection_known[:, column]),
                (settlement.given, rows),
            )
        ):
            values[place, known] = energies[known, column]
    if (values == UNKNOWN).all():
        return None
    return Curve(tenure.member, tenure.point, int(starts[held][0]), values[:, held])
