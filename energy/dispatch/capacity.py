"""Capacity tariffs on series: months' highest mean imports over a metering interval, their cost, what is paid anyway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from energy.dispatch.storage import Floats
from energy.tariff import CARRIED_PEAK

__all__ = ["CapacityTariff", "MonthPeaks", "RunningPeaks"]

_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class CapacityTariff:
    """EUR per kW of each month's peak; `floor_kw` is billed whatever happens; `interval_hours` is what is averaged.

    `begun`: how many steps of the first interval lie before the series, for intervals follow the clock.
    """

    rate_eur_kw: float = 0.0
    floor_kw: float = 0.0
    interval_hours: float = 0.25
    begun: int = 0

    def blocks(self, steps: int, hours: float) -> npt.NDArray[np.int64]:
        """The metering interval of each step; a step longer than the interval is one by itself."""
        size = max(1, round(self.interval_hours / hours))
        return (np.arange(steps) + self.begun) // size

    def month_peaks_kw(self, grid_kw: Floats, month: npt.NDArray[np.int64], hours: float) -> Floats:
        """Highest mean import of each month. `grid_kw` (steps, meters), `month` 0, 1, ... per step: (months, meters)."""
        blocks = self.blocks(len(grid_kw), hours)
        first = np.flatnonzero(np.diff(blocks, prepend=-1))
        sizes = np.diff(np.append(first, len(grid_kw)))
        means = np.add.reduceat(np.maximum(grid_kw, 0.0), first, axis=0) / sizes[:, None]
        peaks = np.zeros((int(month[-1]) + 1, grid_kw.shape[1]))
        np.maximum.at(peaks, month[first], means)
        return peaks

    def cost_eur(self, month_peaks_kw: Floats) -> Floats:
        """What the peaks (months, meters) cost each meter."""
        return np.asarray(self.rate_eur_kw * np.maximum(month_peaks_kw, self.floor_kw).sum(axis=0))


@dataclass(frozen=True, slots=True)
class MonthPeaks:
    """What is known of the peaks that are to come. `so_far_kw` (meters): the running month's, at least what is billed anyway.

    `steps_left` of this month, the present one too. `daily_kw` (days, meters): the highest imports of the last days.
    """

    so_far_kw: Floats
    steps_left: int
    daily_kw: Floats

    def at(self, which: npt.NDArray[np.int64]) -> MonthPeaks:
        """Of some meters."""
        return MonthPeaks(self.so_far_kw[which], self.steps_left, self.daily_kw[:, which])


class RunningPeaks:
    """Each meter's peaks of the running month and of the last days, from its grid power step by step."""

    def __init__(self, tariff: CapacityTariff, meters: int, hours: float) -> None:
        self._floor = tariff.floor_kw
        self._steps = max(1, round(tariff.interval_hours / hours))
        self._month: int | None = None
        self._block: int | None = None
        self._peak, self._last, self._sum = np.zeros(meters), np.zeros(meters), np.zeros(meters)
        self._per_day = round(24 / hours)
        self._step = 0
        self._today = np.zeros(meters)
        self._daily: list[Floats] = []

    def billed_kw(self, month: int) -> Floats:
        """What `month`, the present one, will be billed at least, most of the last month's peak with it."""
        return np.maximum(self._so_far_kw(month), CARRIED_PEAK * self._last)

    def known(self, month: int, steps_left: int) -> MonthPeaks:
        """Of `month`, the present one, of which so many steps are left."""
        daily = np.array(self._daily).reshape(-1, len(self._today))
        return MonthPeaks(self._so_far_kw(month), steps_left, daily)

    def _so_far_kw(self, month: int) -> Floats:
        if month != self._month:
            self._month = month
            self._last, self._peak = self._peak, np.zeros_like(self._peak)
        return np.maximum(self._peak, self._floor)

    def update(self, block: int, grid_kw: Floats) -> None:
        """Takes a step's grid power in metering interval `block`, after `billed_kw` for its month."""
        if block != self._block:
            self._block = block
            self._sum = np.zeros_like(self._sum)
        self._sum = self._sum + np.maximum(grid_kw, 0.0) / self._steps
        self._peak = np.maximum(self._peak, self._sum)
        self._today = np.maximum(self._today, self._sum)
        self._step += 1
        if self._step % self._per_day == 0:
            self._daily = [*self._daily[1 - _DAYS :], self._today]
            self._today = np.zeros_like(self._today)
