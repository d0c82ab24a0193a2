"""Participants, their metering points, the sharing keys and the prices that apply to them, each with its validity."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, StringConstraints, ValidationError
from sqlalchemy import JSON
from sqlalchemy.orm import Mapped, mapped_column

from energy.names import Slug
from energy.sharing.ean import Ean, parse_ean
from energy.sharing.key import SharingKey
from storage.register.facts import Fact, FactRow, Facts

__all__ = [
    "METERING_POINTS",
    "PARTICIPANTS",
    "PRICES",
    "SHARING_KEYS",
    "MeteringPoint",
    "Participant",
    "Price",
    "SharingKeyVersion",
]

Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant(Fact):
    """A member of a community. `id` is the pseudonym that time series and statements carry.

    `social_tariff` is the flag alone and stands on `legal_basis`; the reason behind it is nobody's business.
    """

    community: Slug
    person: Slug | None = None
    member_class: Literal["citizen", "municipality", "public_body", "sme", "association", "social_housing"]
    social_tariff: bool = False
    legal_basis: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteringPoint(Fact):
    """A metering point by its EAN (`id`), held by a participant, at a site of ours if it is one."""

    id: Ean
    participant: Slug
    direction: Literal["withdrawal", "injection", "both"]
    site: Slug | None = None


def _key(value: object) -> object:
    """A sharing key as it is written, once it is known to be one. Raises ValueError naming the fields."""
    try:
        written = json.loads(json.dumps(value, default=_iso))
        key = SharingKey.model_validate(written)
    except ValidationError as error:
        told = (
            f"{'.'.join(str(part) for part in one['loc'])}: {one['msg'].removeprefix('Value error, ')}"
            for one in error.errors()
        )
        raise ValueError("; ".join(told)) from None
    except TypeError as error:
        raise ValueError(f"is no sharing key: {error}") from None
    for point in (*(key.participants or {}), *key.producers.points):
        parse_ean(point)
    return written


def _iso(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} has no place in it")


@dataclass(frozen=True, slots=True, kw_only=True)
class SharingKeyVersion(Fact):
    """A community's sharing key, in the words of `settle`'s key file, in force on its days."""

    community: Slug
    version: Annotated[int, Field(ge=1)] = 1
    key: Annotated[dict[str, Any], BeforeValidator(_key)]

    def parsed(self) -> SharingKey:
        """The key as the settlement takes it."""
        return SharingKey.model_validate(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price(Fact):
    """A price or tariff as dated data: of whom (`community` None: of all), in which unit, from which source."""

    community: Slug | None = None
    what: Text
    value: Annotated[Decimal, Field(max_digits=20, decimal_places=9, allow_inf_nan=False)]
    unit: Literal["eur_kwh", "eur_kwh_excl_vat", "eur_year", "eur_kw_year", "fraction"]
    source: Text


class ParticipantRow(FactRow):
    """See Participant."""

    __tablename__ = "participant"

    community: Mapped[str]
    person: Mapped[str | None]
    member_class: Mapped[str]
    social_tariff: Mapped[bool]
    legal_basis: Mapped[str]


class MeteringPointRow(FactRow):
    """See MeteringPoint."""

    __tablename__ = "metering_point"

    participant: Mapped[str]
    direction: Mapped[str]
    site: Mapped[str | None]


class SharingKeyRow(FactRow):
    """See SharingKeyVersion."""

    __tablename__ = "sharing_key"

    community: Mapped[str]
    version: Mapped[int]
    key: Mapped[dict[str, Any]] = mapped_column(JSON)


class PriceRow(FactRow):
    """See Price; the value is text, for a decimal is exact."""

    __tablename__ = "price"

    community: Mapped[str | None]
    what: Mapped[str]
    value: Mapped[str]
    unit: Mapped[str]
    source: Mapped[str]


PARTICIPANTS: Final = Facts("participant", Participant, ParticipantRow)
METERING_POINTS: Final = Facts("metering_point", MeteringPoint, MeteringPointRow)
SHARING_KEYS: Final = Facts("sharing_key", SharingKeyVersion, SharingKeyRow)
PRICES: Final = Facts("price", Price, PriceRow, value=Decimal)
