"""Limits for new units in Brussels since 2015: net heating need (NHR) and primary energy (PEC), kWh/m² and year.

`C` is the compactness, protected volume by loss area in m; see docs/buildings.md for what is not verified.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from energy.errors import DataError

__all__ = [
    "HIGHEST_COMPACTNESS",
    "NHR_LIMIT",
    "Limits",
    "UnitKind",
    "dwelling_pec",
    "limits",
    "reference_pec",
    "tertiary_pec",
]

UnitKind = Literal["dwelling", "tertiary"]
NHR_LIMIT: Final = 15.0
HIGHEST_COMPACTNESS: Final = 4.0
_AS_NEW: Final = 1.2  # three quarters of the envelope and all systems renewed
_LARGEST: Final = 1e7


@dataclass(frozen=True, slots=True)
class Limits:
    """What a unit may need: `nhr` net for heating, `pec` of primary energy, both kWh/m² and year."""

    nhr: float
    pec: float


def dwelling_pec(compactness_m: float, volume_m3: float) -> float:
    """45 + max(0, 30 - 7.5 C) + 15 max(0, 192 / V - 1)."""
    return 45 + max(0.0, 30 - 7.5 * compactness_m) + 15 * max(0.0, 192 / volume_m3 - 1)


def tertiary_pec(compactness_m: float, nhr: float = NHR_LIMIT, *, capped: bool = True) -> float:
    """95 - 2.5 C + 1.2 (X - 15) of offices and schools; `capped`: C counts up to 4 (allten.be)."""
    counted = min(compactness_m, HIGHEST_COMPACTNESS) if capped else compactness_m
    return 95 - 2.5 * counted + 1.2 * max(0.0, nhr - NHR_LIMIT)


def reference_pec(reference_kwh_m2: float, y: float) -> float:
    """Y times the primary energy of the reference unit: not dwellings, from 1 July 2017.

    Y was 0.6 for offices, teaching and technical spaces and 0.9 for others, falling by 2021: it is given, not known here.
    """
    _refuse_odd("reference", reference_kwh_m2, "kWh/m²")
    if not 0 < y <= 1:
        raise DataError(f"must be more than 0 and at most 1, is {y:g}", field="y")
    return y * reference_kwh_m2


def limits(
    kind: UnitKind,
    compactness_m: float,
    volume_m3: float | None = None,
    *,
    nhr: float | None = None,
    as_new: bool = False,
    capped: bool = True,
) -> Limits:
    """The limits of a unit. `nhr`: X of the alternative for badly placed or compact units; `as_new`: renewed like new.

    Raises DataError for a size that no unit has, and where the volume of a dwelling is missing.
    """
    _refuse_odd("compactness", compactness_m, "m")
    if nhr is not None and not NHR_LIMIT <= nhr <= 500:
        raise DataError(f"must be from 15 to 500 kWh/m², is {nhr:g}", field="nhr", hint="leave it out for 15")
    need = NHR_LIMIT if nhr is None else nhr
    if kind == "tertiary":
        pec = tertiary_pec(compactness_m, need, capped=capped)
    elif volume_m3 is None:
        raise DataError("is needed for a dwelling", field="volume", hint="give the volume of the unit in m³")
    else:
        _refuse_odd("volume", volume_m3, "m³")
        pec = dwelling_pec(compactness_m, volume_m3)
    relaxed = _AS_NEW if as_new else 1.0
    return Limits(need * relaxed, pec * relaxed)


def _refuse_odd(field: str, value: float, unit: str) -> None:
    if not 0 < value <= _LARGEST:
        raise DataError(f"must be more than 0 {unit}, is {value:g}", field=field)
