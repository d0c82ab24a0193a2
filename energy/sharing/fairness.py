"""Rates and fairness of a sharing: sharing rate, self-sufficiency, Jain, Gini. A zero denominator gives None."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from energy.sharing.settlement import Settlement
from energy.sharing.whole import IntArray, Mask

__all__ = ["Exact", "Fairness", "PointTotals", "fairness", "gini", "jain", "point_totals", "ratio"]

Exact = int | Fraction


@dataclass(frozen=True, slots=True)
class PointTotals:
    """Sums of one point over the settled quarter-hours, exact Wh."""

    point: str
    receives: bool
    withdrawal_wh: Exact
    injection_wh: Exact
    received_wh: Exact
    given_wh: Exact

    @property
    def coverage(self) -> Fraction | None:
        """Part of the withdrawal that was received; None when nothing was withdrawn."""
        return Fraction(self.received_wh) / self.withdrawal_wh if self.withdrawal_wh else None


@dataclass(frozen=True, slots=True)
class Fairness:
    """How evenly the receivers that withdrew anything were served, on energy and on coverage."""

    jain_kwh: float | None
    gini_kwh: float | None
    jain_coverage: float | None
    gini_coverage: float | None
    min_coverage: float | None


def point_totals(settlement: Settlement) -> tuple[PointTotals, ...]:
    """Totals of every point; unknown values count for nothing."""
    readings, roster = settlement.readings, settlement.roster
    everything = (readings.withdrawal, readings.injection, settlement.received, settlement.given)
    sums = [_sums(values, ~settlement.held) for values in everything]
    return tuple(
        PointTotals(point, receives, *energies)
        for point, receives, *energies in zip(readings.points, roster.receives, *sums, strict=True)
    )


def _sums(values: IntArray, rows: Mask) -> list[Exact]:
    """Of each column over these rows; a day at a time, which needs no copy of a year."""
    total = values[:0].sum(axis=0)
    for first in range(0, rows.size, 96):
        total = total + values[first : first + 96][rows[first : first + 96]].sum(axis=0)
    exact: list[Exact] = total.tolist()
    return exact


def fairness(totals: Sequence[PointTotals]) -> Fairness:
    """Fairness among those of `totals` that receive and withdrew anything."""
    served = [each for each in totals if each.receives and each.withdrawal_wh]
    energies = [each.received_wh for each in served]
    coverages = [each.coverage or Fraction(0) for each in served]
    return Fairness(
        jain_kwh=jain(energies),
        gini_kwh=gini(energies),
        jain_coverage=jain(coverages),
        gini_coverage=gini(coverages),
        min_coverage=float(min(coverages)) if coverages else None,
    )


def ratio(part: Exact, whole: Exact) -> float | None:
    """The quotient; None when whole is 0."""
    return float(Fraction(part) / whole) if whole else None


def jain(values: Sequence[Exact]) -> float | None:
    """Jain's index (sum v)^2 / (n sum v^2): 1 when all are equal, 1/n when one takes all (Jain, Chiu, Hawe 1984)."""
    return ratio(sum(values) ** 2, len(values) * sum(value * value for value in values))


def gini(values: Sequence[Exact]) -> float | None:
    """The Gini coefficient sum |v_i - v_j| / (2 n^2 mean): 0 when all are equal."""
    number = len(values)
    weighted = sum((2 * place - number + 1) * value for place, value in enumerate(sorted(values)))
    return ratio(weighted, number * sum(values))
