"""What an investment costs and what energy is worth: dated entries with their source, one file.

Nothing here is known to the code. Amounts are either all with VAT or all without, as the one who invests bears them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from energy.errors import ConfigError
from energy.tariff import Tariff

__all__ = [
    "BatteryCost",
    "Carbon",
    "Dated",
    "EnergyPrices",
    "Finance",
    "PvCost",
    "SharingPrice",
    "SizingTerms",
    "TermsOfDay",
    "Uncertainty",
]

Part = Annotated[float, Field(ge=0, le=1)]
Money = Annotated[float, Field(ge=0, le=1e7)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Dated(_Model):
    """Holds on [valid_from, valid_to). `verified`: somebody has confirmed it."""

    valid_from: date
    valid_to: date | None = None
    source: str = Field(min_length=1, max_length=500)
    verified: bool = False


class EnergyPrices(Dated):
    """What a kWh from the supplier costs all in, and what one that nobody shares earns. `points`: whose; else of all others."""

    points: tuple[str, ...] | None = None
    tariff: Tariff

    @field_validator("tariff")
    @classmethod
    def _told(cls, tariff: Tariff) -> Tariff:
        if missing := sorted({"import_eur_kwh", "feed_in_eur_kwh"} - tariff.model_fields_set):
            raise ValueError(f"needs {' and '.join(missing)}: no price is known to the program")
        if tariff.market is not None:
            raise ValueError("market prices of years to come are not known; give bands or one price")
        return tariff


class SharingPrice(Dated):
    """Of a shared kWh: what who receives it pays the community, and others on top of it; what its producer is paid."""

    eur_kwh: float = Field(ge=0, le=10)
    on_top_eur_kwh: float = Field(ge=0, le=10, description="network costs and levies of a shared kWh")
    paid_eur_kwh: float = Field(
        ge=0, le=10, description="to its producer; the rest of eur_kwh stays with the community"
    )


class _Cost(Dated):
    fixed_eur: Money = Field(default=0.0, description="whatever the size")
    lifetime_years: int = Field(ge=1, le=60)


class PvCost(_Cost):
    """Of a kWp. `support_eur_kwh`: on what is produced in the first `support_years`, as green certificates."""

    eur_kwp: Money
    upkeep_eur_kwp_year: Money
    support_eur_kwh: float = Field(default=0.0, ge=0, le=10)
    support_years: int = Field(default=0, ge=0, le=60)


class BatteryCost(_Cost):
    """Of a kWh that can be used."""

    eur_kwh: Money
    upkeep_eur_kwh_year: Money
    efficiency: float = Field(gt=0, le=1, description="of a round trip")
    kw_per_kwh: float = Field(gt=0, le=10, description="power that goes with a kWh, unless it is told")


class Finance(Dated):
    """How years to come are seen. `wear`: the part of the yearly gain that each year is lost."""

    discount_rate: float = Field(ge=-0.05, le=0.5)
    price_growth: float = Field(default=0.0, ge=-0.2, le=0.2, description="of all prices of energy, a year")
    wear: float = Field(default=0.0, ge=0, le=0.2)


class Carbon(Dated):
    """What a kWh from the grid emits."""

    kg_kwh: float = Field(ge=0, le=2)


class Uncertainty(Dated):
    """How far off, as parts, what was assumed may be to either side."""

    production: Part = 0.0
    prices: Part = 0.0
    investment: Part = 0.0


class TermsOfDay(_Model):
    """What holds on one day."""

    energy: tuple[EnergyPrices, ...]
    sharing: SharingPrice | None
    pv: PvCost | None
    battery: BatteryCost | None
    finance: Finance
    carbon: Carbon | None
    uncertainty: Uncertainty | None

    def tariff_of(self, point: str) -> Tariff:
        """The point's own, else the one of all others. Raises ConfigError where there is none."""
        named = next((each for each in self.energy if point in (each.points or ())), None)
        found = named or next((each for each in self.energy if each.points is None), None)
        if found is None:
            raise ConfigError(f"no price holds for {point}", field="energy", hint="add an entry without `points`")
        return found.tariff


class SizingTerms(_Model):
    """All of them, with their days."""

    energy: tuple[EnergyPrices, ...] = Field(min_length=1)
    sharing: tuple[SharingPrice, ...] = ()
    pv: tuple[PvCost, ...] = ()
    battery: tuple[BatteryCost, ...] = ()
    finance: tuple[Finance, ...] = Field(min_length=1)
    carbon: tuple[Carbon, ...] = ()
    uncertainty: tuple[Uncertainty, ...] = ()

    def on(self, day: date) -> TermsOfDay:
        """What holds on that day. Raises ConfigError where several entries hold or a needed one is missing."""
        energy = tuple(each for each in self.energy if _holds(each, day))
        for points in [each.points for each in energy]:
            if sum(each.points == points for each in energy) > 1:
                raise ConfigError(f"several hold on {day} for the same points", field="energy", hint=_ONE)
        finance = _one(self.finance, day, "finance")
        if not energy or finance is None:
            field = "finance" if energy else "energy"
            raise ConfigError(f"nothing holds on {day}", field=field, hint="add an entry with its days and its source")
        return TermsOfDay(
            energy=energy,
            sharing=_one(self.sharing, day, "sharing"),
            pv=_one(self.pv, day, "pv"),
            battery=_one(self.battery, day, "battery"),
            finance=finance,
            carbon=_one(self.carbon, day, "carbon"),
            uncertainty=_one(self.uncertainty, day, "uncertainty"),
        )

    def unverified(self) -> list[tuple[str, str]]:
        """(field, source) of every entry that nobody has confirmed."""
        found = [
            (field, place, entry)
            for field in type(self).model_fields
            for place, entry in enumerate(getattr(self, field))
        ]
        return [(f"{field}[{place}]", entry.source) for field, place, entry in found if not entry.verified]


_ONE = "let one end where the next begins"
_D = TypeVar("_D", bound=Dated)


def _holds(entry: Dated, day: date) -> bool:
    return entry.valid_from <= day and (entry.valid_to is None or day < entry.valid_to)


def _one(entries: Sequence[_D], day: date, field: str) -> _D | None:
    found = [each for each in entries if _holds(each, day)]
    if len(found) > 1:
        raise ConfigError(f"several hold on {day}", field=field, hint=_ONE)
    return found[0] if found else None
