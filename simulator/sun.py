"""The sun over a place: clear-sky irradiance on tilted roofs and the sun's height, from a precomputed grid.

pvlib (spa position, Ineichen clear sky, Hay-Davies transposition) is asked for blocks of eight days; a look-up in between
interpolates a 5 min grid, so that the physics step stays in plain Python and pvlib never slows it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

__all__ = ["Roof", "Sun", "sun_at"]

GRID_MS = 300_000
BLOCK_MS = 8 * 86_400_000
TURBIDITY = 3.0  # Linke, a clean central European mean; clouds and haze are the weather's part
ALBEDO = 0.2
ALTITUDE_M = 50.0
KEPT_BLOCKS = 4

_Table = TypeVar("_Table")


@dataclass(frozen=True, slots=True)
class _Sky:
    """What pvlib needs for any roof during one block."""

    zenith: Any
    azimuth: Any
    ghi: Any
    dni: Any
    dhi: Any
    dni_extra: Any
    elevation_deg: list[float]


@dataclass(slots=True)
class Roof:
    """A tilted plane under one sun. Azimuth in degrees clockwise from north: 180 faces south."""

    sun: Sun
    tilt_deg: float
    azimuth_deg: float
    _blocks: dict[int, list[float]] = field(default_factory=dict)

    def irradiance_wm2(self, t_ms: int) -> float:
        """Clear-sky irradiance on the plane, W/m²."""
        block, offset = divmod(t_ms, BLOCK_MS)
        values = self._blocks.get(block)
        if values is None:
            values = _plane_of_array(self.sun.sky(block), self.tilt_deg, self.azimuth_deg)
            _remember(self._blocks, block, values)
        return _interpolate(values, offset)


@dataclass(slots=True)
class Sun:
    """The sun over one place, degrees north and east."""

    latitude: float
    longitude: float
    _blocks: dict[int, _Sky] = field(default_factory=dict)
    _roofs: dict[tuple[float, float], Roof] = field(default_factory=dict)

    def roof(self, tilt_deg: float, azimuth_deg: float) -> Roof:
        """The roof of that tilt and azimuth; equal roofs share one table."""
        key = (tilt_deg, azimuth_deg)
        if key not in self._roofs:
            self._roofs[key] = Roof(self, tilt_deg, azimuth_deg)
        return self._roofs[key]

    def elevation_deg(self, t_ms: int) -> float:
        """The sun's height over the horizon, with refraction."""
        block, offset = divmod(t_ms, BLOCK_MS)
        return _interpolate(self.sky(block).elevation_deg, offset)

    def sky(self, block: int) -> _Sky:
        """The precomputed block number `block` since the epoch."""
        sky = self._blocks.get(block)
        if sky is None:
            sky = _clear_sky(self.latitude, self.longitude, block)
            _remember(self._blocks, block, sky)
        return sky


def sun_at(latitude: float, longitude: float) -> Sun:
    """The sun over the 0.1 degree cell around a place: a city's sites share one, at an error below 0.1 degree."""
    return _sun_of_cell(round(latitude, 1), round(longitude, 1))


@lru_cache(maxsize=64)
def _sun_of_cell(latitude: float, longitude: float) -> Sun:
    return Sun(latitude, longitude)


def _remember(blocks: dict[int, _Table], block: int, table: _Table) -> None:
    blocks[block] = table
    if len(blocks) > KEPT_BLOCKS:
        del blocks[next(iter(blocks))]  # the oldest; a world only moves forward


def _interpolate(values: list[float], offset_ms: int) -> float:
    index, part = divmod(offset_ms, GRID_MS)
    left = values[index]
    return left + (values[index + 1] - left) * part / GRID_MS


def _clear_sky(latitude: float, longitude: float, block: int) -> _Sky:
    import pandas as pd  # noqa: PLC0415  half a second of import that only the first look-up pays
    import pvlib  # noqa: PLC0415

    start = pd.Timestamp(block * BLOCK_MS, unit="ms", tz="UTC")
    times = pd.date_range(start, periods=BLOCK_MS // GRID_MS + 1, freq="5min")
    position = pvlib.solarposition.get_solarposition(times, latitude, longitude, altitude=ALTITUDE_M)
    zenith = position["apparent_zenith"]
    extra = pvlib.irradiance.get_extra_radiation(times.day_of_year.to_numpy())
    airmass = pvlib.atmosphere.get_absolute_airmass(pvlib.atmosphere.get_relative_airmass(zenith))
    sky = pvlib.clearsky.ineichen(zenith, airmass, TURBIDITY, altitude=ALTITUDE_M, dni_extra=extra)
    return _Sky(
        zenith=zenith.to_numpy(),
        azimuth=position["azimuth"].to_numpy(),
        ghi=sky["ghi"].to_numpy(),
        dni=sky["dni"].to_numpy(),
        dhi=sky["dhi"].to_numpy(),
        dni_extra=extra,
        elevation_deg=position["apparent_elevation"].to_list(),
    )


def _plane_of_array(sky: _Sky, tilt_deg: float, azimuth_deg: float) -> list[float]:
    import numpy as np  # noqa: PLC0415
    import pvlib  # noqa: PLC0415

    total = pvlib.irradiance.get_total_irradiance(
        tilt_deg,
        azimuth_deg,
        sky.zenith,
        sky.azimuth,
        sky.dni,
        sky.ghi,
        sky.dhi,
        dni_extra=sky.dni_extra,
        albedo=ALBEDO,
        model="haydavies",
    )["poa_global"]
    lit = np.where(sky.zenith < 90.0, np.nan_to_num(total), 0.0)
    return [float(value) for value in np.maximum(lit, 0.0)]
