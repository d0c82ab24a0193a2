"""What shared energy costs: dated entries with their source, one file for a community.

Nothing here is known to the code: network reductions, levies and VAT differ by region and year, and some are not
verified by anybody. What a month is charged by is what the entries in force on all its days say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from energy.errors import ConfigError

__all__ = [
    "Charge",
    "EnergyPrice",
    "GridType",
    "Language",
    "MemberClass",
    "Month",
    "SocialGuard",
    "Terms",
    "VatCategory",
    "VatRate",
    "least_local",
]

MemberClass = Literal["citizen", "municipality", "public_body", "sme", "association", "social_housing"]
GridType = Literal["A", "B", "C", "D"]
VatCategory = Literal[
    "S", "Z", "E", "AE", "O"
]  # UNTDID 5305: standard, zero rated, exempt, reverse charge, out of scope
Language = Literal["fr", "nl", "en", "de"]
Rate = Annotated[Decimal, Field(ge=0, le=1, max_digits=9, decimal_places=8, allow_inf_nan=False)]
EuroPerKwh = Annotated[Decimal, Field(ge=-10, le=10, max_digits=8, decimal_places=7, allow_inf_nan=False)]
Euro = Annotated[Decimal, Field(ge=0, le=10**6, max_digits=9, decimal_places=2, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> Month:
        """Of `2026-06`. Raises ConfigError."""
        try:
            first = date.fromisoformat(f"{text}-01")
        except ValueError:
            raise ConfigError(f"{text!r} is no month", field="month", hint="write it as 2026-06") from None
        return cls(first.year, first.month)

    @property
    def first(self) -> date:
        """Its first day."""
        return date(self.year, self.month, 1)

    @property
    def end(self) -> date:
        """The first day of the next month."""
        return (self.first + timedelta(days=32)).replace(day=1)

    @property
    def last(self) -> date:
        """Its last day."""
        return self.end - timedelta(days=1)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"


def least_local(types: Sequence[GridType]) -> GridType:
    """The type of a whole operation: the least local of any participant's (A before D)."""
    return max(types)


class _Entry(BaseModel):
    """Holds on [valid_from, valid_to), for the member classes named, else for all. `verified`: somebody has confirmed it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    valid_from: date
    valid_to: date | None = None
    classes: tuple[MemberClass, ...] | None = None
    source: str = Field(min_length=1, max_length=500)
    verified: bool = False


class EnergyPrice(_Entry):
    """Of shared energy, before VAT."""

    eur_kwh: EuroPerKwh


class Charge(_Entry):
    """A network cost or levy on shared energy, before VAT. `label`: its name on paper; `reduction`: the part not due, by grid type."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    kind: Literal["network", "levy"]
    label: dict[Language, str] = {}
    eur_kwh: EuroPerKwh
    reduction: dict[GridType, Rate] = {}

    def due(self, grid_type: GridType | None) -> Decimal:
        """Euros a kWh after the reduction. Raises ConfigError when it depends on a type that is not known."""
        if not self.reduction:
            return self.eur_kwh
        if grid_type is None:
            raise ConfigError(
                "is reduced by grid type, and the community has none",
                field=f"charges.{self.name}",
                hint="give the community's grid_type",
            )
        return self.eur_kwh * (1 - self.reduction.get(grid_type, Decimal(0)))


class VatRate(_Entry):
    """Of what members pay, or of what producers are paid. `reason`: why none is due, as it stands on the document."""

    rate: Rate
    category: VatCategory | None = None
    reason: str = Field(default="", max_length=500)

    @model_validator(mode="after")
    def _fits(self) -> VatRate:
        if self.category is not None and (self.category == "S") != (self.rate > 0):
            raise ValueError("category S goes with a rate above 0, the others with a rate of 0")
        return self

    @property
    def code(self) -> VatCategory:
        """Its category; where none is given S, or E for a rate of 0."""
        return self.category or ("S" if self.rate else "E")

    @property
    def exemption(self) -> str:
        """Why none is due; empty where it is, or where zero is the rate."""
        return "" if self.code in ("S", "Z") else self.reason or self.source


class SocialGuard(_Entry):
    """What a member with the social tariff would pay without sharing, and what happens when sharing costs more.

    `reference_eur_kwh` includes VAT. `supplier_fee_eur_year`: what the supplier asks for a point that shares, with VAT.
    """

    reference_eur_kwh: EuroPerKwh
    supplier_fee_eur_year: Euro = Decimal(0)
    action: Literal["warn", "cap", "stop"] = "cap"


class Terms(BaseModel):
    """All of a community's. `network`: whether its invoices carry the network cost or the suppliers' do.

    `reference`: what a kWh from a supplier costs, all in, with VAT; statements tell what sharing spared.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: Literal["passed_on", "billed_by_supplier"]
    shared_energy: tuple[EnergyPrice, ...] = Field(min_length=1)
    remuneration: tuple[EnergyPrice, ...] = ()
    charges: tuple[Charge, ...] = ()
    vat: tuple[VatRate, ...] = Field(min_length=1)
    remuneration_vat: tuple[VatRate, ...] = ()
    social: tuple[SocialGuard, ...] = ()
    reference: tuple[EnergyPrice, ...] = ()
    due_days: int = Field(default=30, ge=0, le=365)

    @model_validator(mode="after")
    def _network(self) -> Terms:
        if self.network == "billed_by_supplier" and any(charge.kind == "network" for charge in self.charges):
            raise ValueError("charges of kind network do not belong on invoices where the supplier bills the network")
        return self

    def unverified(self) -> list[tuple[str, str]]:
        """(field, source) of every entry that nobody has confirmed."""
        fields = ("shared_energy", "remuneration", "charges", "vat", "remuneration_vat", "social", "reference")
        found = [(field, place, entry) for field in fields for place, entry in enumerate(getattr(self, field))]
        return [(f"{field}[{place}]", entry.source) for field, place, entry in found if not entry.verified]

    def price(self, month: Month, member_class: MemberClass) -> EnergyPrice:
        """Of shared energy. Raises ConfigError when there is none for the month, or several."""
        return _one(self.shared_energy, month, member_class, "shared_energy")

    def paid(self, month: Month, member_class: MemberClass) -> EnergyPrice | None:
        """What a producer gets for a shared kWh; None: nothing is paid in money."""
        return _one(self.remuneration, month, member_class, "remuneration") if self.remuneration else None

    def vat_rate(self, month: Month, member_class: MemberClass) -> VatRate:
        """Of a member's invoice."""
        return _one(self.vat, month, member_class, "vat")

    def remuneration_vat_rate(self, month: Month, member_class: MemberClass) -> VatRate:
        """Of a producer's remuneration."""
        return _one(self.remuneration_vat, month, member_class, "remuneration_vat")

    def charges_for(self, month: Month, member_class: MemberClass) -> list[Charge]:
        """In the order of the file, one of each name."""
        found: list[Charge] = []
        for name in dict.fromkeys(charge.name for charge in self.charges):
            named = [charge for charge in self.charges if charge.name == name]
            one = _at_most_one(named, month, member_class, f"charges.{name}")
            found += [one] if one else []
        return found

    def compared(self, month: Month, member_class: MemberClass) -> EnergyPrice | None:
        """What a kWh from a supplier costs; None: nothing is told."""
        return _at_most_one(self.reference, month, member_class, "reference")

    def guard(self, month: Month, member_class: MemberClass) -> SocialGuard:
        """Of members with the social tariff: an operation with such a member must have one."""
        return _one(self.social, month, member_class, "social")


_E = TypeVar("_E", bound=_Entry)


def _one(entries: Sequence[_E], month: Month, member_class: MemberClass, field: str) -> _E:
    found = _at_most_one(entries, month, member_class, field)
    if found is None:
        raise ConfigError(
            f"nothing holds in {month} for {member_class}",
            field=field,
            hint="add an entry with its days and its source",
        )
    return found


def _at_most_one(entries: Sequence[_E], month: Month, member_class: MemberClass, field: str) -> _E | None:
    touching = [
        entry
        for entry in entries
        if (entry.classes is None or member_class in entry.classes)
        and entry.valid_from < month.end
        and (entry.valid_to is None or month.first < entry.valid_to)
    ]
    if len(touching) > 1:
        raise ConfigError(
            f"several hold in {month} for {member_class}, from {' and '.join(str(each.valid_from) for each in touching)}",
            field=field,
            hint="let one end where the next begins, on the first day of a month",
        )
    for entry in touching:
        if entry.valid_from > month.first or (entry.valid_to is not None and entry.valid_to < month.end):
            raise ConfigError(
                f"changes within {month}", field=field, hint="let entries begin and end on the first day of a month"
            )
    return touching[0] if touching else None
