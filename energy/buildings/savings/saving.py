"""A saving that was found, and the picture that shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Literal

from energy.buildings.days import Carrier

__all__ = ["Kind", "Looked", "NotLooked", "Pattern", "Saving", "Why"]


class Kind(StrEnum):
    """What was found."""

    BASE_LOAD = "base_load"
    OUT_OF_HOURS = "out_of_hours"
    PEAKS = "peaks"
    SIMULTANEOUS = "simultaneous"
    DRIFT = "drift"


class Why(StrEnum):
    """Why a rule could not look."""

    LOAD = "load"  # too few days of quarter-hours are known
    HISTORY = "history"  # too little is known from before
    HOURS = "hours"  # nobody gave the opening hours
    WEATHER = "weather"  # temperatures are not known, or such weather never was before
    CARRIERS = "carriers"  # no two carriers whose use follows the weather are known


@dataclass(frozen=True, slots=True)
class Pattern:
    """Lines over `x`: hours of a week or day, days, or temperatures. `marked`: the places where the saving lies."""

    axis: Literal["week_hour", "day_hour", "day", "temperature"]
    unit: Literal["kW", "kWh"]
    x: tuple[str, ...]
    lines: Mapping[str, tuple[float | None, ...]]
    marked: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True)
class Saving:
    """`kwh` a year that may not be needed, `eur` a year None when no price is known; `facts`: what a sentence about it needs.

    Savings of one building overlap: a boiler that drifts may also raise the base load. They are not to be added up.
    """

    kind: Kind
    carrier: Carrier
    kwh: float
    eur: float | None
    since: date | None
    facts: Mapping[str, float | str]
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class NotLooked:
    """A rule that could not look: nothing found is then not the same as nothing there."""

    kind: Kind
    carrier: Carrier
    why: Why


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found at a building, the largest first; `base_load_w` of its electricity now, None when unknown."""

    savings: tuple[Saving, ...] = ()
    not_looked: tuple[NotLooked, ...] = ()
    base_load_w: float | None = None
    base_load_share: float | None = field(default=None)
