"""What OpenAPI says of sizing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import Ratio

__all__ = ["ServesName", "SizingView"]

ServesName = Literal["site", "community"]
Kwh = Annotated[float, Field(description="kWh")]
Eur = Annotated[float, Field(description="EUR")]
Range = Annotated[list[float], Field(min_length=2, max_length=2)]


class _View(BaseModel):
    model_config = ConfigDict(extra="allow")  # fields may be added: readers ignore what they do not know


class SizeName(_View):
    """A pair of sizes."""

    pv_kwp: float
    battery_kwh: float


class SizedEnergy(_View):
    """The site's meter and the community; a rate that takes what nobody told is null."""

    import_kwh: Kwh
    export_kwh: Kwh
    self_consumption: Ratio
    self_sufficiency: Ratio
    shared_kwh: Kwh
    sharing_rate: Ratio
    covered: Annotated[float | None, Field(description="shared / withdrawn of all who receive")]


class WorthView(_View):
    """What an investment is worth; `payback_years` null: it never pays back, or nothing was bought."""

    investment_eur: Eur
    upkeep_eur_year: Eur
    support_eur_year: Eur
    gain_eur_year: Eur
    payback_years: float | None
    npv_eur: Eur
    years: int


class GainView(_View):
    """One site: kWh received and given before and after, and what it pays less."""

    point: str
    received_kwh: Range
    given_kwh: Range
    saved_eur: Eur


class SizeView(_View):
    """One pair of sizes. `next_...`: what the last step saved more a year, for each kWp and kWh; null at the smallest."""

    pv_kwp: float
    battery_kwh: float
    production_kwh: Kwh
    charged_kwh: Kwh
    discharged_kwh: Kwh
    losses_kwh: Kwh
    after: SizedEnergy
    cost_after_eur: Eur
    saved_eur: Annotated[float, Field(description="EUR, what all together pay less")]
    community_eur: Annotated[float, Field(description="EUR, what stays with the community more")]
    co2_saved_kg: float | None
    next_kwp_eur: float | None
    next_kwh_eur: float | None
    worth: Annotated[WorthView | None, Field(description="for all together; null: less than a year is known")]
    owner: Annotated[WorthView | None, Field(description="for the site that buys it")]
    points: list[GainView]


class ProfileView(_View):
    """Where the yield of a kWp is from."""

    kind: Literal["pv", "clear_sky", "none"]
    site: str | None


class UnverifiedView(_View):
    """An entry of the terms that nobody has confirmed."""

    field: str
    source: str


class SizingView(_View):
    """The last year with other sizes. Figures are of 365 days when `whole_year`, else of the quarter-hours compared.

    `best`: by the net present value for all together; `bands`: how it moves when each assumption is as far off as the
    terms say, [from, to] EUR by cause.
    """

    community: str
    from_: Annotated[int, Field(alias="from", description="ms UTC")]
    to: Annotated[int, Field(description="ms UTC")]
    profile: ProfileView
    names: dict[str, str]
    point: str
    quarters: int
    left_out: int
    whole_year: bool
    before: SizedEnergy
    cost_before_eur: Eur
    sizes: list[SizeView]
    best: SizeName | None
    best_for_owner: SizeName | None
    bands: dict[str, Range]
    unverified: list[UnverifiedView]
