"""What OpenAPI says of the accounting of buildings: indicators, portfolios, meters read by hand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import Instant, Ratio
from energy.buildings.days import Carrier
from energy.buildings.index import IndexReading

__all__ = ["IndexEntry", "IndexList", "IndexView", "IndicatorsView", "PortfolioView"]

Energy = Annotated[float | None, Field(description="kWh a year, null: unknown")]
Specific = Annotated[float | None, Field(description="kWh/m² and year, null: unknown")]
Kilograms = Annotated[float | None, Field(description="kg a year, null: unknown")]
Euro = Annotated[float | None, Field(description="EUR a year, null: unknown")]
Evidence = Literal["published", "secondary", "unverified"]


class _View(BaseModel):
    model_config = ConfigDict(extra="allow")  # fields may be added: readers ignore what they do not know


class ChangeView(_View):
    """Against the year before, on the `days` that both know; `ratio` 0.1: ten percent more."""

    now: float
    before: float
    days: int
    ratio: float | None


class BestSaving(_View):
    """The largest saving found."""

    kind: Literal["base_load", "out_of_hours", "peaks", "simultaneous", "drift"]
    kwh: float
    eur: float | None


class RowView(_View):
    """A building's year in short; `from` to `to`: local days, the last not in it. `unknown`: why figures are null."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    site: str
    name: str
    kind: str
    municipality: str
    area_m2: float | None
    first: date = Field(alias="from")
    to: date
    energy_kwh_m2: Specific
    normalised_kwh_m2: Specific
    primary_kwh_m2: Specific
    co2_kg: Kilograms
    cost_eur: Euro
    class_: str | None = Field(alias="class", description="of measured use: an indication, not the certificate")
    coverage: Ratio
    estimated_share: Ratio
    unknown: list[str]
    change: dict[Carrier, ChangeView | None]
    saving: BestSaving | None
    savings_found: int


class DegreeDaysView(_View):
    """Degree days of the year and of a normal one."""

    station: str
    base_c: float
    observed: float | None
    normal: float | None
    source: str | None


class LikeView(_View):
    """Among like buildings of the community, or beside a benchmark of the town's own file."""

    of: Literal["community", "benchmark"]
    buildings: int | None
    median_kwh_m2: float
    place: int | None
    source: str | None


class BaseLoadView(_View):
    """What always runs, W, and its part of the mean power."""

    power_w: float | None
    share: float | None


class MonthView(_View):
    """A month beside the same one a year before; null: a day of it is unknown. `days`: how many have passed."""

    month: str
    amount: float | None
    before: float | None
    days: int


class CarrierView(_View):
    """A carrier's year; `known`: what is known of it, `bought`: what came over the meter, in `unit`."""

    carrier: Carrier
    unit: Literal["kWh", "m³"]
    amount: float | None
    known: float
    per_m2: float | None
    normalised: float | None
    bought: float | None
    coverage: float
    estimated_share: float
    primary_kwh: float | None
    co2_kg: float | None
    cost_eur: float | None
    change: ChangeView | None
    months: list[MonthView]


class PatternView(_View):
    """The picture that shows a saving: lines over `x`, `marked` where it lies."""

    axis: Literal["week_hour", "day_hour", "day", "temperature"]
    unit: Literal["kW", "kWh"]
    x: list[str]
    lines: dict[str, list[float | None]]
    marked: list[bool]


class SavingView(_View):
    """What may be saved a year. Savings of one building overlap and are not to be added up."""

    kind: Literal["base_load", "out_of_hours", "peaks", "simultaneous", "drift"]
    carrier: Carrier
    kwh: float
    eur: float | None
    since: date | None
    facts: dict[str, Any]
    pattern: PatternView


class NotLookedView(_View):
    """A rule that could not look, so that nothing found means nothing."""

    kind: str
    carrier: Carrier
    why: Literal["load", "history", "hours", "weather", "carriers"]


class FactorView(_View):
    """A number the figures rest on."""

    what: str
    carrier: Carrier
    value: float
    unit: str
    basis: Literal["gcv", "ncv"] | None
    evidence: Evidence
    source: str
    as_of: date


class IndicatorsView(RowView):
    """A building's year; `whole` false: the year runs, and these are the twelve months before today."""

    community: str
    year: int
    whole: bool
    energy_kwh: Energy
    normalised_kwh: Energy
    primary_kwh: Energy
    co2_kg_m2: float | None
    degree_days: DegreeDaysView
    scale: dict[str, Any] | None
    like: LikeView | None
    base_load: BaseLoadView
    carriers: list[CarrierView]
    savings: list[SavingView]
    not_looked: list[NotLookedView]
    factors: list[FactorView]


class TargetView(_View):
    """Where a municipality stands to a duty; `used_kwh` null as long as a building is unknown."""

    id: str
    municipality: str
    carriers: list[Carrier]
    reference_year: int
    reference_kwh: float
    reduction: float
    allowed_kwh: float
    due: date
    buildings: int
    known: int
    known_kwh: float
    used_kwh: float | None
    to_go_kwh: float | None
    at_stake_eur: float | None
    source: str
    evidence: Evidence


class PortfolioView(_View):
    """A community's buildings, the worst first. Sums are over the `known` of them; `classes` counts."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    community: str
    municipality: str | None
    year: int
    first: date = Field(alias="from")
    to: date
    whole: bool
    buildings: int
    known: int
    area_m2: float
    known_area_m2: float
    energy_kwh: Energy
    energy_kwh_m2: Specific
    primary_kwh: Energy
    primary_kwh_m2: Specific
    co2_kg: Kilograms
    co2_known: int
    cost_eur: Euro
    cost_known: int
    classes: dict[str, int]
    targets: list[TargetView]
    sites: list[RowView]


class IndexEntry(BaseModel):
    """What a meter showed at the beginning of `day`.

    `exchanged_to`: the meter was exchanged, this is the new one's first index. `confirm` and `corrects` need a `note`.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"meter": "gas", "day": "2026-11-01", "index": "18250.4", "note": ""}},
    )

    meter: str = Field(max_length=63)
    day: date
    index: Decimal = Field(ge=0, lt=10**12, max_digits=18)
    exchanged_to: Decimal | None = Field(default=None, ge=0, lt=10**12, max_digits=18)
    rolled: bool = False
    confirm: bool = False
    corrects: bool = False
    note: str = Field(default="", max_length=500)

    def reading(self) -> IndexReading:
        """As the rules have it."""
        return IndexReading(self.day, self.index, self.exchanged_to, self.rolled, self.confirm)


class ReadingView(_View):
    """A reading as it was entered; indexes are text: as they were read."""

    day: date
    index: str
    exchanged_to: str | None
    rolled: bool
    confirmed: bool
    by: str
    note: str
    t: Instant


class IndexView(ReadingView):
    """What was entered."""

    site: str
    meter: str


class IndexMeterView(_View):
    """A meter that is read by hand."""

    id: str
    carrier: Carrier
    unit: str
    factor: float
    digits: int | None
    counts: Literal["import", "export", "production"]
    name: str
    readings: list[ReadingView]


class IndexList(_View):
    """The meters of a building that are read by hand."""

    site: str
    meters: list[IndexMeterView]
