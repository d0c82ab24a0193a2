"""How a building's use depends on the weather: a change-point regression on daily temperatures.

use = days * base + closed days * closed + heating * sum of max(0, balance - T) + cooling * sum of max(0, T - balance).
The shape (with or without each part) and the balance temperatures are those of the lowest BIC, so that a part
stands only when the data ask for it. Long stretches weigh as the days in them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt

from energy.buildings.days import Days, Stretch

__all__ = ["LEAST_STRETCHES", "Signature", "fit"]

LEAST_STRETCHES: Final = 10
_HEATING_C: Final = np.arange(8.0, 21.0, 0.5)
_COOLING_C: Final = np.arange(14.0, 28.0, 0.5)
_CLOSED_FROM: Final = 56  # days from which a closed day may differ from an open one
_LEAST_DRIVEN_DAYS: Final = 5  # stretches that must feel a slope before it is believed
_ROUNDING: Final = 1e-9

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Signature:
    """A fitted building. Energies in kWh; `deviation` is the standard deviation of a day about it."""

    base: float
    closed: float = 0.0
    heating: float = 0.0
    heating_c: float = 0.0
    cooling: float = 0.0
    cooling_c: float = 0.0
    deviation: float = 0.0
    r2: float = 0.0
    stretches: int = 0

    def of_day(self, temperature_c: float, *, closed: bool = False) -> float:
        """What such a day would use."""
        return (
            self.base
            + (self.closed if closed else 0.0)
            + self.heating * max(0.0, self.heating_c - temperature_c)
            + self.cooling * max(0.0, temperature_c - self.cooling_c)
        )

    def heat_of(self, temperature_c: float) -> float:
        """The part of such a day that heats."""
        return self.heating * max(0.0, self.heating_c - temperature_c)

    def cold_of(self, temperature_c: float) -> float:
        """The part of such a day that cools."""
        return self.cooling * max(0.0, temperature_c - self.cooling_c)

    def of(self, days: Days, temperatures: Mapping[date, float], closed: Callable[[date], bool]) -> float | None:
        """What such days would use; None when the temperature of one is unknown."""
        total = 0.0
        for day in days:
            temperature = temperatures.get(day)
            if temperature is None:
                return None
            total += self.of_day(temperature, closed=closed(day))
        return total


def fit(
    stretches: Sequence[Stretch], temperatures: Mapping[date, float], closed: Callable[[date], bool]
) -> Signature | None:
    """The signature of the stretches whose temperatures are known; None when they are too few to say."""
    usable = [stretch for stretch in stretches if all(day in temperatures for day in stretch.days)]
    if len(usable) < LEAST_STRETCHES:
        return None
    data = _Data(usable, temperatures, closed)
    candidates = [data.constant(with_closed=False)]
    if data.knows_closed:
        candidates.append(data.constant(with_closed=True))
    for with_closed in {False, data.knows_closed}:
        heating = data.best(with_closed=with_closed, heating=True)
        cooling = data.best(with_closed=with_closed, cooling=True)
        both = data.best(with_closed=with_closed, heating=True, cooling=True)
        candidates += [one for one in (heating, cooling, both) if one is not None]
    best = min(candidates, key=lambda one: one[0])[1]
    return replace(best, stretches=len(usable))


class _Data:
    """The columns of the regression."""

    def __init__(
        self, stretches: Sequence[Stretch], temperatures: Mapping[date, float], closed: Callable[[date], bool]
    ) -> None:
        self.days = np.array([stretch.days.count for stretch in stretches], dtype=float)
        self.use = np.array([stretch.amount for stretch in stretches])
        self.weight = 1.0 / np.sqrt(self.days)
        self.closed = np.array([sum(closed(day) for day in stretch.days) for stretch in stretches], dtype=float)
        of_each = [np.array([temperatures[day] for day in stretch.days]) for stretch in stretches]
        self.heating = {c: np.array([np.maximum(0, c - each).sum() for each in of_each]) for c in _HEATING_C.tolist()}
        self.cooling = {c: np.array([np.maximum(0, each - c).sum() for each in of_each]) for c in _COOLING_C.tolist()}
        spread = self.closed / self.days
        self.knows_closed = bool(len(stretches) >= _CLOSED_FROM and spread.min() < spread.max())

    def constant(self, *, with_closed: bool) -> tuple[float, Signature]:
        """No weather in it."""
        result = self._solve(with_closed=with_closed)
        assert result is not None
        return result

    def best(
        self, *, with_closed: bool, heating: bool = False, cooling: bool = False
    ) -> tuple[float, Signature] | None:
        """The balance temperatures of the lowest BIC; None when no slope is positive."""
        found = [
            self._solve(with_closed=with_closed, heating_c=warm, cooling_c=cold)
            for warm in (self._felt(self.heating) if heating else [None])
            for cold in (self._felt(self.cooling) if cooling else [None])
        ]
        return min((one for one in found if one is not None), key=lambda one: one[0], default=None)

    @staticmethod
    def _felt(columns: Mapping[float, Floats]) -> list[float]:
        return [c for c, column in columns.items() if int((column > 0).sum()) >= _LEAST_DRIVEN_DAYS]

    def _solve(
        self, *, with_closed: bool, heating_c: float | None = None, cooling_c: float | None = None
    ) -> tuple[float, Signature] | None:
        columns = [self.days]
        columns += [self.closed] if with_closed else []
        columns += [self.heating[heating_c]] if heating_c is not None else []
        columns += [self.cooling[cooling_c]] if cooling_c is not None else []
        matrix = np.stack(columns, axis=1) * self.weight[:, None]
        wanted = self.use * self.weight
        values, _, rank, _ = np.linalg.lstsq(matrix, wanted, rcond=None)
        if rank < len(columns):
            return None
        squares = float(((wanted - matrix @ values) ** 2).sum())
        number = len(wanted)
        # a balance temperature is searched for, so it counts as a parameter
        parameters = len(columns) + (heating_c is not None) + (cooling_c is not None)
        base, shut, heating, cooling = self._spread(values, with_closed, heating_c, cooling_c)
        if (heating_c is not None and heating <= 0) or (cooling_c is not None and cooling <= 0):
            return None
        scale = float((wanted**2).sum()) / number
        bic = number * math.log(max(squares / number, _ROUNDING * scale, _ROUNDING)) + parameters * math.log(number)
        return bic, Signature(
            base=base,
            closed=shut,
            heating=heating,
            cooling=cooling,
            heating_c=heating_c or 0.0,
            cooling_c=cooling_c or 0.0,
            deviation=math.sqrt(squares / max(1, number - parameters)),
            r2=self._r2(squares),
        )

    @staticmethod
    def _spread(
        values: Floats, with_closed: bool, heating_c: float | None, cooling_c: float | None
    ) -> tuple[float, float, float, float]:
        rest = iter(values.tolist())
        base = next(rest)
        return (
            base,
            next(rest) if with_closed else 0.0,
            next(rest) if heating_c is not None else 0.0,
            next(rest) if cooling_c is not None else 0.0,
        )

    def _r2(self, squares: float) -> float:
        mean = self.use.sum() / self.days.sum()
        about = float((((self.use - mean * self.days) * self.weight) ** 2).sum())
        return 1 - squares / about if about > 0 else 0.0
