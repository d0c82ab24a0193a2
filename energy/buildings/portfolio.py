"""Buildings beside each other: sums that say what they lack, the worst first, like with like, and targets."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from energy.buildings.days import Carrier
from energy.buildings.factors import Target
from energy.buildings.indicators import BuildingYear, per_m2

__all__ = ["Likes", "Portfolio", "TargetState", "like_buildings", "portfolio", "target_state", "worst_first"]

_LEAST_LIKES: Final = 2  # others, besides the building itself


@dataclass(frozen=True, slots=True)
class Likes:
    """A building among those of its kind: the median of the `others`, kWh/m², and its place (1 uses least) among all."""

    kind: str
    others: int
    median_kwh_m2: float
    place: int


@dataclass(frozen=True, slots=True)
class Portfolio:
    """Sums over the buildings of which the figure is known; `known` of `buildings` have all of energy and area."""

    buildings: int
    known: int
    area_m2: float
    known_area_m2: float
    energy_kwh: float
    primary_kwh: float
    co2_kg: float
    cost_eur: float
    co2_known: int
    cost_known: int
    classes: dict[str, int]

    @property
    def energy_kwh_m2(self) -> float | None:
        """Of the buildings that are known."""
        return per_m2(self.energy_kwh, self.known_area_m2)

    @property
    def primary_kwh_m2(self) -> float | None:
        """Of the buildings that are known."""
        return per_m2(self.primary_kwh, self.known_area_m2)


@dataclass(frozen=True, slots=True)
class TargetState:
    """Where a municipality stands to a target: `used_kwh` of `known` of `buildings`, None as long as one is unknown."""

    target: Target
    buildings: int
    known: int
    known_kwh: float

    @property
    def used_kwh(self) -> float | None:
        """The use that counts, in a normal year where the target says so."""
        return self.known_kwh if self.buildings and self.known == self.buildings else None

    @property
    def to_go_kwh(self) -> float | None:
        """What must still be saved; negative: reached."""
        return None if self.used_kwh is None else self.used_kwh - self.target.allowed_kwh

    @property
    def at_stake_eur(self) -> float | None:
        """The penalty if it stayed so."""
        if self.to_go_kwh is None or self.target.penalty_eur_kwh is None:
            return None
        return max(0.0, self.to_go_kwh) * self.target.penalty_eur_kwh


def portfolio(years: Sequence[BuildingYear]) -> Portfolio:
    """The buildings' years summed up."""
    known = [
        one for one in years if one.energy_kwh is not None and one.primary_kwh is not None and one.building.area_m2
    ]
    classes: dict[str, int] = {}
    for one in years:
        if one.class_ is not None:
            classes[one.class_] = classes.get(one.class_, 0) + 1
    return Portfolio(
        buildings=len(years),
        known=len(known),
        area_m2=sum(one.building.area_m2 or 0.0 for one in years),
        known_area_m2=sum(one.building.area_m2 or 0.0 for one in known),
        energy_kwh=sum(one.energy_kwh or 0.0 for one in known),
        primary_kwh=sum(one.primary_kwh or 0.0 for one in known),
        co2_kg=sum(one.co2_kg or 0.0 for one in years),
        cost_eur=sum(one.cost_eur or 0.0 for one in years),
        co2_known=sum(one.co2_kg is not None for one in years),
        cost_known=sum(one.cost_eur is not None for one in years),
        classes=classes,
    )


def worst_first(years: Sequence[BuildingYear]) -> list[BuildingYear]:
    """By primary energy a square metre; those of which it is unknown at the end, by name."""
    return sorted(years, key=lambda one: (one.primary_kwh_m2 is None, -(one.primary_kwh_m2 or 0.0), one.building.name))


def like_buildings(one: BuildingYear, years: Sequence[BuildingYear]) -> Likes | None:
    """Among the buildings of its kind; None when it or more than all but two of them are unknown."""
    own = one.energy_kwh_m2
    others = [
        value
        for other in years
        if other.building.kind == one.building.kind
        and other.building.id != one.building.id
        and (value := other.energy_kwh_m2) is not None
    ]
    if own is None or len(others) < _LEAST_LIKES:
        return None
    return Likes(one.building.kind, len(others), statistics.median(others), 1 + sum(other < own for other in others))


def target_state(target: Target, years: Sequence[BuildingYear]) -> TargetState:
    """Where the buildings of the target's municipality stand."""
    own = [one for one in years if one.building.municipality == target.municipality]
    amounts = [_counted(one, target) for one in own]
    known = [amount for amount in amounts if amount is not None]
    return TargetState(target, len(own), len(known), sum(known))


def _counted(one: BuildingYear, target: Target) -> float | None:
    if one.building.supplies is None:
        return None
    total = 0.0
    for carrier in target.carriers:
        if carrier not in one.carriers:
            continue  # the building is not supplied with it
        year = one.carriers[Carrier(carrier)].year
        amount = year.normalised if target.normalised else year.amount
        if amount is None:
            return None
        total += amount
    return total
