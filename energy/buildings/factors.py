"""Dated, source-tagged factors: primary energy, CO2, calorific values, prices, degree days, class scales, targets."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from energy.buildings.days import Carrier, Days

__all__ = ["Benchmark", "Book", "DegreeDays", "Factor", "FactorsFile", "Scale", "Target", "What"]

Evidence = Literal["published", "secondary", "unverified"]
What = Literal["primary", "co2", "calorific", "ncv_per_gcv", "price", "peak_price"]
_UNITS = {
    "primary": ("kWh/kWh",),
    "co2": ("kg/kWh",),
    "calorific": ("kWh/m³",),
    "ncv_per_gcv": ("kWh/kWh",),
    "price": ("EUR/kWh", "EUR/m³"),
    "peak_price": ("EUR/kW year",),
}


class _Sourced(BaseModel):
    """`as_of`: the day on which the source was read. Holds on the days [valid_from, valid_to)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    evidence: Evidence
    source: str = Field(min_length=1)
    as_of: date
    valid_from: date | None = None
    valid_to: date | None = None

    def holds(self, on: date) -> bool:
        """Whether it holds on that day."""
        return (self.valid_from is None or self.valid_from <= on) and (self.valid_to is None or on < self.valid_to)


class Factor(_Sourced):
    """One number for a carrier. `region` None: everywhere. `basis`: of gas, gross (as bills have it) or net calorific value."""

    what: What
    carrier: Carrier
    value: float = Field(ge=0, le=1e6)
    unit: str
    basis: Literal["gcv", "ncv"] | None = None
    region: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.unit not in _UNITS[self.what]:
            raise ValueError(f"{self.what} is in {' or '.join(_UNITS[self.what])}, not in {self.unit!r}")
        if (self.carrier is Carrier.WATER) != (self.unit == "EUR/m³"):
            raise ValueError("water has a price in EUR/m³ and nothing else; energy is in kWh")
        if self.carrier is Carrier.GAS and self.what in {"co2", "calorific"} and self.basis is None:
            raise ValueError("of gas, say the basis: gcv (gross, as on bills) or ncv (net)")
        return self

    def key(self) -> tuple[str, ...]:
        """What may stand once for a day."""
        return (self.what, self.carrier, self.region or "")


class DegreeDays(_Sourced):
    """Degree days of a station: of a calendar `year`, or without one what counts as normal."""

    station: str
    base_c: float = Field(gt=0, lt=30)
    year: int | None = Field(default=None, ge=1900, le=2200)
    value: float = Field(gt=0, le=10_000)

    def key(self) -> tuple[str, ...]:
        """What may stand once for a day."""
        return (self.station, f"{self.base_c:g}", str(self.year or ""))


class Scale(_Sourced):
    """Classes of primary energy, kWh/m² and year: `bounds` in rising order, each inclusive, `beyond` for what is above."""

    name: str
    kinds: tuple[str, ...] = Field(min_length=1)
    region: str | None = None
    bounds: dict[str, float] = Field(min_length=1)
    beyond: str

    @model_validator(mode="after")
    def _rising(self) -> Self:
        values = list(self.bounds.values())
        if any(one >= other for one, other in itertools.pairwise(values)):
            raise ValueError("bounds must rise from class to class")
        if self.beyond in self.bounds:
            raise ValueError(f"class {self.beyond} has a bound and is `beyond` as well")
        return self

    @property
    def classes(self) -> tuple[str, ...]:
        """From the best to the worst."""
        return (*self.bounds, self.beyond)

    def class_of(self, primary_kwh_m2: float) -> str:
        """The class of that primary energy."""
        return next((name for name, bound in self.bounds.items() if primary_kwh_m2 <= bound), self.beyond)

    def key(self) -> tuple[str, ...]:
        """What may stand once for a day."""
        return (self.name, self.region or "")


class Benchmark(_Sourced):
    """What buildings of a kind usually use, kWh/m² and year, where a community has too few of them to tell by itself."""

    kind: str
    region: str | None = None
    kwh_m2: float = Field(gt=0)

    def key(self) -> tuple[str, ...]:
        """What may stand once for a day."""
        return (self.kind, self.region or "")


class Target(_Sourced):
    """A duty to use less, such as PLAGE: `reduction` of `reference_kwh` a year, reached in the year that ends at `due`.

    How the authority computes it is not verified, so it is data: the amount, whose buildings, which carriers.
    """

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    municipality: str
    carriers: tuple[Carrier, ...] = Field(min_length=1)
    reference_year: int = Field(ge=1990, le=2200)
    reference_kwh: float = Field(gt=0)
    reduction: float = Field(gt=0, lt=1)
    normalised: bool = True
    due: date
    penalty_eur_kwh: float | None = Field(default=None, ge=0)

    @property
    def allowed_kwh(self) -> float:
        """What may still be used in a year."""
        return self.reference_kwh * (1 - self.reduction)

    def key(self) -> tuple[str, ...]:
        """What may stand once for a day."""
        return (self.id,)


class _Dated(Protocol):
    @property
    def valid_from(self) -> date | None: ...
    @property
    def valid_to(self) -> date | None: ...
    def key(self) -> tuple[str, ...]: ...


class FactorsFile(BaseModel):
    """A file of factors: the shipped one, or a town's own that comes before it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    factors: tuple[Factor, ...] = ()
    degree_days: tuple[DegreeDays, ...] = ()
    scales: tuple[Scale, ...] = ()
    benchmarks: tuple[Benchmark, ...] = ()
    targets: tuple[Target, ...] = ()

    @model_validator(mode="after")
    def _once_a_day(self) -> Self:
        for entries in (self.factors, self.degree_days, self.scales, self.benchmarks, self.targets):
            _refuse_twice(entries)
        return self

    def unverified(self) -> list[str]:
        """What nobody has confirmed, in words."""
        found = [(" ".join(one.key()).strip(), one.source) for one in _all(self) if one.evidence == "unverified"]
        return [f"{name} is not verified: {source}" for name, source in found]


def _all(file: FactorsFile) -> list[Factor | DegreeDays | Scale | Benchmark | Target]:
    return [*file.factors, *file.degree_days, *file.scales, *file.benchmarks, *file.targets]


def _refuse_twice(entries: Sequence[_Dated]) -> None:
    for place, one in enumerate(entries):
        for other in entries[place + 1 :]:
            if one.key() == other.key() and _overlap(one, other):
                raise ValueError(f"{' '.join(one.key()).strip()} stands twice for the same days; end one with valid_to")


def _overlap(one: _Dated, other: _Dated) -> bool:
    return (one.valid_from or date.min) < (other.valid_to or date.max) and (other.valid_from or date.min) < (
        one.valid_to or date.max
    )


_S = TypeVar("_S", bound=_Sourced)


@dataclass(frozen=True, slots=True)
class Book:
    """All factors there are; of `files` the earlier come first."""

    files: tuple[FactorsFile, ...]

    def factor(self, what: What, carrier: Carrier, region: str, on: date) -> Factor | None:
        """The factor of that day; what is said of the region comes before what holds everywhere. None: nobody knows."""
        for file in self.files:
            found = [
                one
                for one in file.factors
                if one.what == what and one.carrier is carrier and one.region in {region, None} and one.holds(on)
            ]
            if found:
                return max(found, key=lambda one: one.region is not None)
        return None

    def per_gross_kwh(
        self, what: What, carrier: Carrier, region: str, on: date
    ) -> tuple[float, tuple[Factor, ...]] | None:
        """A factor for a kWh as bills count it, with what it rests on: one for the net value of gas is brought to the gross."""
        factor = self.factor(what, carrier, region, on)
        if factor is None or factor.basis != "ncv":
            return None if factor is None else (factor.value, (factor,))
        ratio = self.factor("ncv_per_gcv", carrier, region, on)
        return None if ratio is None else (factor.value * ratio.value, (factor, ratio))

    def scale(self, kind: str, region: str, on: date) -> Scale | None:
        """The classes of that kind of building. None: none are verified."""
        found = (one for file in self.files for one in file.scales)
        return _first(one for one in found if kind in one.kinds and one.region in {region, None} and one.holds(on))

    def benchmark(self, kind: str, region: str, on: date) -> Benchmark | None:
        """What buildings of that kind usually use. None: nobody said."""
        found = (one for file in self.files for one in file.benchmarks)
        return _first(one for one in found if one.kind == kind and one.region in {region, None} and one.holds(on))

    def normal(self, station: str, base_c: float, on: date) -> DegreeDays | None:
        """What counts as a normal year of that station."""
        found = (one for file in self.files for one in file.degree_days if one.year is None)
        return _first(one for one in found if (one.station, one.base_c) == (station, base_c) and one.holds(on))

    def observed(self, station: str, base_c: float, days: Days) -> DegreeDays | None:
        """The degree days of `days` when these are a calendar year that stands in a file."""
        found = (one for file in self.files for one in file.degree_days if one.year is not None)
        return _first(
            one
            for one in found
            if (one.station, one.base_c) == (station, base_c) and Days.of_year(one.year or 0) == days
        )

    def targets(self, municipality: str, on: date) -> list[Target]:
        """The duties of a municipality that stand on that day."""
        found = (one for file in self.files for one in file.targets)
        return [one for one in found if one.municipality == municipality and one.holds(on)]


def _first(found: Iterable[_S]) -> _S | None:
    return next(iter(found), None)
