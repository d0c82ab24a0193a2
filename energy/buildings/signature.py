"""How a building's use depends on the weather: a change-point regression on daily temperatures.

use = days * base + closed days * closed + heating * sum of max(0, balance - T) + cooling * sum of max(0, T - balance).
The shape (with or without each part) and the balance temperatures are those of the lowest BIC, so that a part
stands only when the data ask for it. Long stretches weigh as the days in them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
_LEAST_DRIVEN: Final = 5  # stretches that must feel a slope before it is believed
_ROUNDING: Final = 1e-9
_COLLINEAR: Final = 1e-6
_FIRST_WARM: Final = 2  # columns: days, closed days, heating at each balance temperature, cooling at each
_FIRST_COLD: Final = _FIRST_WARM + len(_HEATING_C)

_Terms = npt.NDArray[np.int64]


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
    fitted = (data.fitted(terms) for terms in data.candidates())
    best = min((one for one in fitted if one is not None), key=lambda one: one[0], default=None)
    return None if best is None else best[1]


class _Data:
    """The regression's columns, weighted, and all their products: a candidate is then a small system of equations."""

    def __init__(
        self, stretches: Sequence[Stretch], temperatures: Mapping[date, float], closed: Callable[[date], bool]
    ) -> None:
        days = np.array([stretch.days.count for stretch in stretches], dtype=float)
        shut = np.array([sum(closed(day) for day in stretch.days) for stretch in stretches], dtype=float)
        of_day = np.array([temperatures[day] for stretch in stretches for day in stretch.days])
        starts = np.concatenate([[0], np.cumsum(days[:-1])]).astype(int)
        warm = np.add.reduceat(np.maximum(0, _HEATING_C[:, None] - of_day), starts, axis=1)
        cold = np.add.reduceat(np.maximum(0, of_day - _COOLING_C[:, None]), starts, axis=1)
        self.felt = np.concatenate([[days.size] * 2, (warm > 0).sum(axis=1), (cold > 0).sum(axis=1)])
        weight = 1.0 / np.sqrt(days)
        columns = np.vstack([days, shut, warm, cold]) * weight
        wanted = np.array([stretch.amount for stretch in stretches]) * weight
        self.norms = np.maximum(np.linalg.norm(columns, axis=1), _ROUNDING)
        unit = columns / self.norms[:, None]
        self.products, self.wanted = unit @ unit.T, unit @ wanted
        self.squares = float(wanted @ wanted)
        self.number = len(stretches)
        about = wanted - columns[0] * (columns[0] @ wanted) / self.norms[0] ** 2
        self.about = float(about @ about)
        part = shut / days
        self.knows_closed = bool(self.number >= _CLOSED_FROM and part.min() < part.max())

    def candidates(self) -> Iterator[_Terms]:
        """With and without closed days, heating and cooling at every balance temperature that enough stretches feel."""
        driven = np.flatnonzero(self.felt >= _LEAST_DRIVEN)
        warm = [int(place) for place in driven if _FIRST_WARM <= place < _FIRST_COLD]
        cold = [int(place) for place in driven if place >= _FIRST_COLD]
        slopes = [(), *((one,) for one in warm), *((one,) for one in cold), *itertools.product(warm, cold)]
        for fixed in ((0,), (0, 1)) if self.knows_closed else ((0,),):
            for number in range(3):
                group = [(*fixed, *slope) for slope in slopes if len(slope) == number]
                if group:
                    yield np.array(group)

    def fitted(self, terms: _Terms) -> tuple[float, Signature] | None:
        """The best of these choices of columns (one a row) with its BIC; None when no slope is positive."""
        matrices = self.products[terms[:, :, None], terms[:, None, :]]
        sound = np.linalg.eigvalsh(matrices)[:, 0] > _COLLINEAR
        if not sound.any():
            return None
        terms, matrices = terms[sound], matrices[sound]
        values = np.linalg.solve(matrices, self.wanted[terms][:, :, None])[:, :, 0]
        rising = np.where(terms >= _FIRST_WARM, values > 0, True).all(axis=1)  # noqa: FBT003 - numpy's own
        if not rising.any():
            return None
        squares = np.where(rising, self.squares - (values * self.wanted[terms]).sum(axis=1), np.inf)
        best = int(squares.argmin())
        chosen, left = terms[best].tolist(), max(0.0, float(squares[best]))
        # a balance temperature is searched for, so it counts as a parameter
        parameters = len(chosen) + sum(place >= _FIRST_WARM for place in chosen)
        least = max(_ROUNDING * self.squares, _ROUNDING) / self.number
        bic = self.number * math.log(max(left / self.number, least)) + parameters * math.log(self.number)
        found = dict(zip(chosen, (values[best] / self.norms[terms[best]]).tolist(), strict=True))
        return bic, self._signature(found, left, parameters)

    def _signature(self, found: Mapping[int, float], left: float, parameters: int) -> Signature:
        warm = next((place for place in found if _FIRST_WARM <= place < _FIRST_COLD), None)
        cold = next((place for place in found if place >= _FIRST_COLD), None)
        return Signature(
            base=found[0],
            closed=found.get(1, 0.0),
            heating=0.0 if warm is None else found[warm],
            heating_c=0.0 if warm is None else float(_HEATING_C[warm - _FIRST_WARM]),
            cooling=0.0 if cold is None else found[cold],
            cooling_c=0.0 if cold is None else float(_COOLING_C[cold - _FIRST_COLD]),
            deviation=math.sqrt(left / max(1, self.number - parameters)),
            r2=1 - left / self.about if self.about > _ROUNDING * self.squares else 0.0,
            stretches=self.number,
        )
