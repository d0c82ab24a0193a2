"""A building's power over time with the calendar of its place: what the rules on hours look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from energy.hours import OpeningHours

__all__ = ["Flags", "Floats", "Load", "daily_base_w", "open_slots"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
_DAY_S: Final = 86_400
_KNOWN_DAY: Final = 0.8  # part of a day's steps that make it a known day
_BASE_PERCENTILE: Final = 10


@dataclass(frozen=True, slots=True)
class Load:
    """Mean power of steps of `step_s`, W, NaN where unknown; `day` and `slot`: local day (proleptic ordinal), step of the day."""

    power_w: Floats
    day: Ints
    slot: Ints
    step_s: int

    @classmethod
    def of_energy(cls, starts: Sequence[int], energy_wh: Sequence[float | None], timezone: str, step_s: int) -> Load:
        """From the energy of each step that starts at `starts` (ms UTC)."""
        zone = ZoneInfo(timezone)
        local = [datetime.fromtimestamp(start / 1000, zone) for start in starts]
        return cls(
            power_w=np.array([np.nan if each is None else each * 3600 / step_s for each in energy_wh], dtype=float),
            day=np.array([each.toordinal() for each in local], dtype=np.int64),
            slot=np.array([(each.hour * 3600 + each.minute * 60) // step_s for each in local], dtype=np.int64),
            step_s=step_s,
        )

    @property
    def slots(self) -> int:
        """Steps of a day."""
        return _DAY_S // self.step_s

    @property
    def weekday(self) -> Ints:
        """0 for Monday."""
        return (self.day + 6) % 7

    @property
    def known(self) -> Flags:
        """Where the power is known."""
        return ~np.isnan(self.power_w)

    @property
    def days(self) -> float:
        """How many days of power are known."""
        return float(self.known.sum()) * self.step_s / _DAY_S

    def kwh(self, where: Flags) -> float:
        """The known energy of these steps."""
        return float(np.nansum(self.power_w[where])) * self.step_s / 3.6e6

    def since(self, day: date) -> Load:
        """What is of that local day and later."""
        chosen = self.day >= day.toordinal()
        return Load(self.power_w[chosen], self.day[chosen], self.slot[chosen], self.step_s)

    def table(self) -> tuple[list[date], Floats]:
        """A row a day, a column a slot, NaN where unknown; of an hour that comes twice the last stands."""
        found, row = np.unique(self.day, return_inverse=True)
        table = np.full((len(found), self.slots), np.nan)
        table[row, self.slot] = self.power_w
        return [date.fromordinal(int(each)) for each in found], table


def open_slots(hours: OpeningHours, step_s: int, margin_s: float) -> Flags:
    """[weekday, slot]: whether a building is open then, or less than `margin_s` before or after."""
    slots = _DAY_S // step_s
    table = np.zeros((7, slots), dtype=bool)
    starts = np.arange(slots) * step_s
    for weekday in range(7):
        for offset in (-1, 0, 1):  # the day before and after reach into this one
            at = starts - offset * _DAY_S
            for begin, end in hours.spans[(weekday + offset) % 7]:
                table[weekday] |= (at + step_s > begin - margin_s) & (at < end + margin_s)
    return table


def daily_base_w(load: Load) -> dict[date, float]:
    """The power that a day's lowest tenth does not exceed, of each day that is known well enough."""
    days, table = load.table()
    enough = (~np.isnan(table)).mean(axis=1) >= _KNOWN_DAY
    if not enough.any():
        return {}
    base = np.nanpercentile(table[enough], _BASE_PERCENTILE, axis=1)
    return dict(zip([day for day, good in zip(days, enough, strict=True) if good], base.tolist(), strict=True))
