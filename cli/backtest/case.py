"""The case file of `backtest`: communities, sites, batteries, tariffs, key, horizon, forecast."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from energy.quarters import known_timezone
from energy.settlement.terms import GridType
from energy.sharing.key import SharingKey, unknown_points
from energy.tariff import CO2_ABOVE_ALL_EUR_KG, Band, Capacity, SharedEnergy

__all__ = [
    "BatteryModel",
    "CapacityModel",
    "CaseFile",
    "ChargingModel",
    "CommunityModel",
    "SiteModel",
    "TariffModel",
]


Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
"""What somebody's data call a site or a community: it stands in no topic and no file name, so any text will do."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class BatteryModel(_Model):
    """One battery behind a site's meter. Powers at the AC bus."""

    capacity_kwh: float = Field(gt=0, le=1e6, description="usable energy in the cells")
    power_kw: float | None = Field(default=None, gt=0, le=1e6, description="highest charging and discharging power")
    charge_kw: float | None = Field(default=None, ge=0, le=1e6, description="instead of power_kw, when they differ")
    discharge_kw: float | None = Field(default=None, ge=0, le=1e6, description="instead of power_kw, when they differ")
    round_trip_efficiency: float = Field(default=0.9, gt=0, le=1, description="its root is lost each way")
    wear_eur_kwh: float = Field(default=0.0, ge=0, le=10, description="what a kWh taken out of the cells wears off")
    start_soc_pct: float = Field(default=0.0, ge=0, le=100, description="charge at the first step")

    @model_validator(mode="after")
    def _powers(self) -> Self:
        if self.power_kw is None and (self.charge_kw is None or self.discharge_kw is None):
            raise ValueError("give power_kw, or charge_kw and discharge_kw")
        return self


class ChargingModel(_Model):
    """A site's chargers for cars; the cars are in sessions.csv."""

    charger_kw: float = Field(gt=0, le=1e3, description="highest power of a car; sessions.csv may give less")
    least_kw: float = Field(
        default=1.38, ge=0, le=1e3, description="lowest power of a charging car: 6 A, on one phase of 230 V by default"
    )
    limit_kw: float | None = Field(default=None, gt=0, le=1e6, description="of all cars of the site together")

    @model_validator(mode="after")
    def _powers(self) -> Self:
        if self.least_kw > self.charger_kw:
            raise ValueError(f"least_kw {self.least_kw:g} is above charger_kw {self.charger_kw:g}")
        return self


class SiteModel(_Model):
    """A site of data.csv."""

    id: Label
    batteries: tuple[BatteryModel, ...] = ()
    charging: ChargingModel | None = None


class CapacityModel(Capacity):
    """What the highest mean import of a calendar month costs, at each meter that is billed (pooled: the pool's)."""

    eur_kw: float = Field(ge=0, le=1e4, description="per kW and month; with `flanders` per kW and year")
    interval_minutes: Literal[15, 30, 60] | None = Field(
        default=None, description="what the peak is the mean of; default: the data's step, flanders 15"
    )


class TariffModel(_Model):
    """Prices of energy. `column` takes price_eur_kwh or feed_in_eur_kwh of data.csv."""

    import_eur_kwh: float | Literal["column"] = Field(default="column", description="outside the bands")
    bands: tuple[Band, ...] = Field(default=(), description="the first band that holds decides")
    feed_in_eur_kwh: float | Literal["column"] = Field(default="column")
    capacity: CapacityModel | None = None
    sharing: SharedEnergy | None = Field(
        default=None, description="grid fee and internal price of what the sites of a pool share, by day"
    )

    @model_validator(mode="after")
    def _bands(self) -> Self:
        if self.bands and self.import_eur_kwh == "column":
            raise ValueError("bands need a number as import_eur_kwh for the other hours")
        return self


class CommunityModel(_Model):
    """Sites that are steered together. `own`: each behind its own meter; `pooled`: sharing per interval, one meter."""

    id: Label
    metering: Literal["own", "pooled"] = "pooled"
    sites: tuple[SiteModel, ...] = Field(min_length=1)
    tariff: str | None = Field(default=None, description="name in `tariffs`; default: the only one")
    grid_type: GridType | None = Field(
        default=None,
        description="how near its sites are, for grid fees: A one building, B cabinet, C substation, D further",
    )
    key: SharingKey | None = Field(default=None, description="shares the injection of each interval; points are sites")

    @field_validator("key", mode="before")
    @classmethod
    def _short_key(cls, key: object) -> object:
        return {"rounds": key} if isinstance(key, str) else key

    @field_validator("key")
    @classmethod
    def _key_of_sites(cls, key: SharingKey | None, info: ValidationInfo) -> SharingKey | None:
        if key is not None and key.coefficients != "constant":
            raise ValueError("a back-test takes no file of coefficients: give the points weights")
        sites = [site.id for site in info.data.get("sites", ())]
        for field, point in unknown_points(key, sites) if key is not None and sites else ():
            raise ValueError(f"{field}.{point} is no site of the community; there are {', '.join(sites)}")
        return key


class CaseFile(_Model):
    """A case: what is steered, at which prices, and what the planner may know."""

    name: str = ""
    timezone: Annotated[str, AfterValidator(known_timezone)] = Field(
        default="Europe/Brussels", description="days, weeks, months and bands are local"
    )
    communities: tuple[CommunityModel, ...] = Field(min_length=1)
    tariffs: dict[str, TariffModel] = Field(min_length=1)
    horizon_h: float = Field(default=36.0, ge=2, le=168, description="how far each plan looks")
    scenario_days: int = Field(default=30, ge=1, le=60, description="days of past forecast errors that are replayed")
    objective: Literal["cost", "co2"] = Field(
        default="cost", description="what is kept low; co2: the CO2 of imports first, among equals the cost"
    )
    co2_eur_kg: float = Field(
        default=0.0, ge=0, le=100, description="what a kg of CO2 of imports counts beside the price when planning"
    )
    forecast: Literal["real", "perfect"] = Field(
        default="real", description="real: only from values before the step; perfect: the true future"
    )
    weather: Literal["forecast", "none"] = Field(
        default="forecast",
        description="forecast: irradiance and temperature of data.csv are what was forecast for that step; none: unused",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        sites = [site.id for community in self.communities for site in community.sites]
        for kind, names in (("community", [each.id for each in self.communities]), ("site", sites)):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{kind} ids must be unique: {', '.join(twice)}")
        for community in self.communities:
            if community.tariff is None and len(self.tariffs) > 1:
                raise ValueError(f"community {community.id!r} needs a tariff: one of {', '.join(self.tariffs)}")
            if community.tariff is not None and community.tariff not in self.tariffs:
                raise ValueError(f"unknown tariff {community.tariff!r}; there are {', '.join(self.tariffs)}")
            sharing = self.tariff_of(community).sharing
            if sharing is not None and community.metering == "own":
                raise ValueError(
                    f"community {community.id!r} has `metering: own` and shares nothing: leave out sharing"
                )
            if sharing is not None:
                sharing.check_type(community.grid_type)
        return self

    @property
    def planned_co2_eur_kg(self) -> float:
        """What a kg counts in plans: with `objective: co2` far more than any price."""
        return CO2_ABOVE_ALL_EUR_KG if self.objective == "co2" else self.co2_eur_kg

    def chargers(self) -> dict[str, ChargingModel]:
        """The chargers by site."""
        sites = (site for community in self.communities for site in community.sites)
        return {site.id: site.charging for site in sites if site.charging is not None}

    def tariff_of(self, community: CommunityModel) -> TariffModel:
        """The tariff of a community."""
        return self.tariffs[community.tariff or next(iter(self.tariffs))]
