"""What a kWp would have produced in each quarter-hour: like PV that is there, or under a clear sky of so many kWh a year."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from energy.errors import DataError
from energy.forecast.season import clear_sky_wm2
from energy.quarters import QUARTER_MS
from energy.sharing.whole import IntArray

__all__ = ["Floats", "clear_sky_yield", "like_another", "production_of", "scaled_to_year"]

Floats = npt.NDArray[np.float64]
_YEAR_MS: Final = 31_557_600_000  # 365.25 days


def like_another(production_wh: Floats, kwp: float) -> Floats:
    """Wh of a kWp in each quarter-hour, from another plant's Wh and its peak power. Unknown (NaN) stays unknown."""
    if not kwp > 0:
        raise DataError(
            f"{kwp:g} kWp cannot be scaled", field="kwp", hint="give the peak power of the plant that is there"
        )
    return np.asarray(production_wh, dtype=np.float64) / kwp


def scaled_to_year(profile_wh: Floats, year_kwh_kwp: float) -> Floats:
    """The shape of a profile, scaled so that it yields that much in a year. Needs about a year (DataError)."""
    known = np.isfinite(profile_wh)
    total = float(profile_wh[known].sum())
    part = known.sum() * QUARTER_MS / _YEAR_MS
    if not total > 0 or part < 0.9:
        raise DataError(
            f"the profile tells of {part * 365.25:.0f} days with {total / 1000:,.0f} kWh",
            field="profile",
            hint="a yearly yield needs the profile of a year",
        )
    return np.asarray(profile_wh * (year_kwh_kwp * 1000 * part / total))


def clear_sky_yield(starts: npt.NDArray[np.int64], latitude: float, longitude: float, year_kwh_kwp: float) -> Floats:
    """Wh of a kWp on a level roof under a sky that is always as clear, so that a year yields `year_kwh_kwp`.

    Without clouds no day is poor and none is splendid: more is used on the spot than really would be.
    """
    middle = starts + QUARTER_MS // 2
    shape = np.array([clear_sky_wm2(float(t), latitude, longitude) for t in middle.tolist()])
    first = int(starts[0])
    whole = np.arange(first, first + _YEAR_MS, 4 * QUARTER_MS) + 2 * QUARTER_MS
    year = 4 * sum(clear_sky_wm2(float(t), latitude, longitude) for t in whole.tolist())
    return shape * (year_kwh_kwp * 1000 / year)


def production_of(yield_wh: Floats, kwp: float) -> IntArray:
    """Whole Wh of a plant in each quarter-hour; what was cut off is carried on, so that a year is right to the Wh.

    An unknown quarter-hour counts as none.
    """
    total = np.cumsum(np.nan_to_num(np.maximum(yield_wh, 0.0)) * kwp)
    return np.diff(np.floor(total + 1e-6), prepend=0.0).astype(np.int64)
