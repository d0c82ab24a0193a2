"""How the sun's course changes what a plant could do at the same time of day some days before: geometry, no weather.

Only the clear sky's relative change over days is needed, not its level: tilt, shading and size are in the plant's own
past. Haurwitz' formula on the sun's height is enough for that (docs/decisions/018-no-pvlib-at-the-centre.md). How
late the plant is against the sun at its place (it faces west, or its clock is wrong) is learned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from energy.forecast.accuracy import Floats
from energy.forecast.lag import Lag
from energy.plausibility import sun_elevation_deg

__all__ = ["Season", "clear_sky_wm2"]

_GROWTH_DAYS: Final = 20  # the course of the sun is computed in blocks of so many days
_TWILIGHT_WM2: Final = 20.0  # keeps the ratio of two small numbers near one
_FURTHEST: Final = 2.0  # shoulders of the day change more than this, and are better left to the plant's own past
_LAG_H: Final = 3


def clear_sky_wm2(t_ms: float, latitude: float, longitude: float) -> float:
    """Irradiance on a level plane under a clear sky, W/m2 (Haurwitz 1945). `t_ms` UTC; degrees north and east."""
    sine = math.sin(math.radians(sun_elevation_deg(int(t_ms), latitude, longitude)))
    return 1098.0 * sine * math.exp(-0.057 / sine) if sine > 0.005 else 0.0


class Season:
    """The sun over meters whose first step starts at `first_ms`. `places` (latitude, longitude) one per meter."""

    def __init__(self, first_ms: int, steps_per_day: int, places: Sequence[tuple[float, float]]) -> None:
        self._day = steps_per_day
        self._step_ms = 86_400_000 // steps_per_day
        self._before = _GROWTH_DAYS * steps_per_day
        self._first_ms = first_ms - self._before * self._step_ms
        self._places = tuple(places)
        self._sun = np.zeros((0, len(self._places)))
        reach = _LAG_H * steps_per_day // 24
        self._lags = np.arange(-reach, reach + 1)
        self._lag = Lag(len(self._places), self._lags)

    def ratio(self, step: int, count: int, days_back: int) -> Floats:
        """Sun at `count` steps from `step` on, over that `days_back` days earlier: (count, meters), 0.5 to 2."""
        now = self._at(step, count)
        then = self._at(step - days_back * self._day, count)
        return np.clip((now + _TWILIGHT_WM2) / (then + _TWILIGHT_WM2), 1 / _FURTHEST, _FURTHEST)

    def learn(self, step: int, value: Floats) -> None:
        """Takes the value per meter of a step, to learn how late each meter is."""
        places = self._before + step - self._lags
        self._lag.learn(value, self._course(int(places.max()) + 1)[places])
        if (step + 1) % self._day == 0:
            self._lag.settle()

    def _at(self, step: int, count: int) -> Floats:
        places = self._before + step + np.arange(count)[:, None] - self._lag.steps[None, :]
        course = self._course(int(places.max()) + 1)
        return np.asarray(course[np.maximum(places, 0), np.arange(len(self._places))])

    def _course(self, steps: int) -> Floats:
        """The clear sky from `_GROWTH_DAYS` before the first step on, at least so many steps."""
        known = len(self._sun)
        if steps > known:
            more = np.arange(known, steps + _GROWTH_DAYS * self._day)
            self._sun = np.vstack([self._sun, np.column_stack([self._computed(more, place) for place in self._places])])
        return self._sun

    def _computed(self, steps: npt.NDArray[np.int64], place: tuple[float, float]) -> Floats:
        middles = self._first_ms + (steps + 0.5) * self._step_ms
        return np.array([clear_sky_wm2(middle, *place) for middle in middles])
