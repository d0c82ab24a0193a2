"""What a kWh costs the members of a community: fixed, by time of use, or a market's day-ahead prices, per quarter-hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from itertools import pairwise
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from energy.hours import LocalTime
from energy.settlement.terms import GridType

__all__ = [
    "CARRIED_PEAK",
    "CO2_ABOVE_ALL_EUR_KG",
    "Band",
    "Capacity",
    "Co2",
    "Entsoe",
    "GridFee",
    "InternalPrice",
    "Market",
    "SharedEnergy",
    "Tariff",
    "internal_prices",
    "prices",
    "shared_fees",
]

CARRIED_PEAK: Final = 0.7
"""Part of last month's peak that this month will surely reach, so that its first days need not fight for less.

Chosen in closed loop on four months; docs/dispatch.md.
"""

CO2_ABOVE_ALL_EUR_KG: Final = 100.0
"""What a kg of CO2 counts where it is the objective: far more than any price, so that cost decides among equals."""

_MIDNIGHT: Final = time(0)
_FLANDERS_KW: Final = 2.5
_MONTHS: Final = 12


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Band(_Model):
    """A price for some hours of some days, local time, [from, until); `until` 00:00 is midnight at the day's end."""

    from_: LocalTime = Field(alias="from")
    until: LocalTime
    days: tuple[Annotated[int, Field(ge=1, le=7)], ...] = Field(
        default=(1, 2, 3, 4, 5, 6, 7), description="1 is Monday, 7 is Sunday"
    )
    eur_kwh: float = Field(ge=-10, le=10)

    @model_validator(mode="after")
    def _within_a_day(self) -> Self:
        if self.until != _MIDNIGHT and self.until <= self.from_:
            raise ValueError(
                f"until {self.until:%H:%M} is not after {self.from_:%H:%M}: a night is two bands, to and from 00:00"
            )
        return self

    def holds(self, local: datetime) -> bool:
        """Whether it is the price at that local time."""
        moment = local.time()
        if local.isoweekday() not in self.days or moment < self.from_:
            return False
        return moment < self.until or self.until == _MIDNIGHT


class Capacity(_Model):
    """What the highest mean import of a calendar month costs at each meter.

    One rule covers both forms met so far: each month's peak, at least a floor, at a price per kW. Flanders bills the mean
    of the last 12 month peaks at a price per kW and year: every peak is in 12 bills at a twelfth each, so it costs a twelfth.
    """

    rule: Literal["month_peak", "flanders"] = Field(
        default="month_peak", description="flanders: mean of 12 month peaks of at least 2.5 kW, price per kW and year"
    )
    eur_kw: float = Field(gt=0, le=1e4, description="per kW and month; with `flanders` per kW and year")
    floor_kw: float | None = Field(default=None, ge=0, description="billed whatever happens; default 0, flanders 2.5")

    @property
    def month_rate_eur_kw(self) -> float:
        """What a kW of a month's peak costs."""
        return self.eur_kw / _MONTHS if self.rule == "flanders" else self.eur_kw

    @property
    def least_kw(self) -> float:
        """What each month is billed at least."""
        if self.floor_kw is not None:
            return self.floor_kw
        return _FLANDERS_KW if self.rule == "flanders" else 0.0


class Entsoe(_Model):
    """Day-ahead prices of a bidding zone from ENTSO-E's transparency platform."""

    area: str = Field(default="BE", pattern=r"^[A-Z0-9_]{2,16}$", description="bidding zone as entsoe-py names it")
    key_file: str | None = Field(
        default=None, description="file with the security token; default: COMMONWATT_ENTSOE_KEY of the environment"
    )
    url: str | None = Field(default=None, pattern=r"^https?://", description="another address of the same service")


class Market(_Model):
    """Where day-ahead prices come from, and what is paid and earned of them: price * factor + eur_kwh."""

    csv: str | None = Field(default=None, description="file with `start,eur_kwh`, read again when it changes")
    entsoe: Entsoe | None = None
    import_factor: float = Field(default=1.0, ge=0, le=5)
    import_add_eur_kwh: float = Field(default=0.0, ge=-1, le=1, description="grid fees, levies, the supplier's margin")
    feed_in_factor: float = Field(default=0.0, ge=0, le=5, description="0: feed-in is paid feed_in_eur_kwh")
    feed_in_add_eur_kwh: float = Field(default=0.0, ge=-1, le=1)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.csv is None) == (self.entsoe is None):
            raise ValueError("a market has one source: csv or entsoe")
        return self


class _Dated(_Model):
    """Holds on the local days [valid_from, valid_to)."""

    valid_from: date
    valid_to: date | None = None
    source: str = Field(min_length=1, max_length=500, description="where the number is from")

    def holds(self, day: date) -> bool:
        """Whether it is in force that day."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)


class GridFee(_Dated):
    """What the grid asks for a kWh that one member gives another, by how near they are; a Brussels operation has one type.

    A: one building; B: one low-voltage cabinet; C: one substation; D: further.
    """

    eur_kwh: float | dict[GridType, Annotated[float, Field(ge=0, le=1)]] = Field(
        description="one number for all, or one for each type: A one building, B one cabinet, C one substation, D further"
    )

    def due(self, grid_type: GridType | None) -> float | None:
        """EUR/kWh of that type; None: not told."""
        if isinstance(self.eur_kwh, float):
            return self.eur_kwh
        return None if grid_type is None else self.eur_kwh.get(grid_type)


class InternalPrice(_Dated):
    """What a member pays another for a shared kWh, besides the grid fee. Moves money between them, and no battery."""

    eur_kwh: float = Field(ge=-10, le=10)


class SharedEnergy(_Model):
    """What shared energy costs, dated entries with their source. Days that no fee holds on cost none."""

    fees: tuple[GridFee, ...] = ()
    internal: tuple[InternalPrice, ...] = ()

    @model_validator(mode="after")
    def _one_at_a_time(self) -> Self:
        for name, entries in (("fees", self.fees), ("internal", self.internal)):
            ordered = sorted(entries, key=lambda each: each.valid_from)
            for entry, following in pairwise(ordered):
                if entry.valid_to is None or entry.valid_to > following.valid_from:
                    raise ValueError(
                        f"{name}: the entries from {entry.valid_from} and {following.valid_from} hold on the same days; "
                        "let one end (valid_to) where the next begins"
                    )
        for entry in self.fees:
            if isinstance(entry.eur_kwh, float) and not 0 <= entry.eur_kwh <= 1:
                raise ValueError("fees: eur_kwh lies from 0 to 1")
        return self

    def check_type(self, grid_type: GridType | None) -> None:
        """Raises ValueError where a fee for that type is missing."""
        for entry in self.fees:
            if entry.due(grid_type) is None:
                told = "the community has no grid_type (A, B, C or D)" if grid_type is None else f"none for {grid_type}"
                raise ValueError(f"the fees from {entry.valid_from} depend on the grid type, and there is {told}")

    def fee_eur_kwh(self, day: date, grid_type: GridType | None) -> float | None:
        """The fee in force; None where none is."""
        return next((entry.due(grid_type) for entry in self.fees if entry.holds(day)), None)

    def internal_eur_kwh(self, day: date) -> float | None:
        """The internal price in force; None where none is."""
        return next((entry.eur_kwh for entry in self.internal if entry.holds(day)), None)


class Co2(_Model):
    """What a kWh of the grid emits, and what that counts in plans beside the price."""

    csv: str = Field(description="file with `start,g_kwh`, read again when it changes")
    eur_kg: float = Field(default=0.0, ge=0, le=100, description="what a kg counts with `objective: cost`")


class Tariff(_Model):
    """Prices of energy. Market prices count where they are known, else bands, else the number."""

    import_eur_kwh: float = Field(default=0.30, ge=-10, le=10)
    bands: tuple[Band, ...] = Field(default=(), description="the first that holds decides")
    feed_in_eur_kwh: float = Field(default=0.05, ge=-10, le=10)
    shared_fee_eur_kwh: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="grid fees of a kWh that one member gives another, on days without `sharing.fees`",
    )
    sharing: SharedEnergy = Field(default=SharedEnergy(), description="what shared energy costs, by day and grid type")
    market: Market | None = None
    capacity: Capacity | None = None
    co2: Co2 | None = None
    objective: Literal["cost", "co2"] = Field(
        default="cost", description="what plans keep low; co2: the CO2 of imports first, among equals the cost"
    )

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.objective == "co2" and self.co2 is None:
            raise ValueError("objective: co2 needs `co2`, a file of what a kWh of the grid emits")
        return self

    @property
    def co2_eur_kg(self) -> float:
        """What a kg of CO2 counts in plans."""
        if self.co2 is None:
            return 0.0
        return CO2_ABOVE_ALL_EUR_KG if self.objective == "co2" else self.co2.eur_kg


def prices(
    tariff: Tariff, starts_ms: Sequence[int], timezone: str, market_eur_kwh: Mapping[int, float]
) -> tuple[list[float], list[float]]:
    """(import, feed-in) per quarter-hour, EUR/kWh. `market_eur_kwh`: by start of quarter-hour, ms UTC, what is known."""
    zone, market = ZoneInfo(timezone), tariff.market
    buy, sell = [], []
    for start in starts_ms:
        told = market_eur_kwh.get(start) if market is not None else None
        if market is not None and told is not None:
            buy.append(told * market.import_factor + market.import_add_eur_kwh)
        else:
            local = datetime.fromtimestamp(start / 1000, zone)
            buy.append(next((band.eur_kwh for band in tariff.bands if band.holds(local)), tariff.import_eur_kwh))
        if market is not None and told is not None and market.feed_in_factor > 0:
            sell.append(told * market.feed_in_factor + market.feed_in_add_eur_kwh)
        else:
            sell.append(tariff.feed_in_eur_kwh)
    return buy, sell


def shared_fees(tariff: Tariff, starts_ms: Sequence[int], timezone: str, grid_type: GridType | None) -> list[float]:
    """The grid fee of a shared kWh per quarter-hour, EUR/kWh."""
    days = _days(starts_ms, timezone)
    told = {day: tariff.sharing.fee_eur_kwh(day, grid_type) for day in set(days)}
    return [tariff.shared_fee_eur_kwh if (fee := told[day]) is None else fee for day in days]


def internal_prices(tariff: Tariff, starts_ms: Sequence[int], timezone: str) -> list[float | None]:
    """What members pay each other for a shared kWh per quarter-hour, EUR; None: nothing is agreed."""
    days = _days(starts_ms, timezone)
    told = {day: tariff.sharing.internal_eur_kwh(day) for day in set(days)}
    return [told[day] for day in days]


def _days(starts_ms: Sequence[int], timezone: str) -> list[date]:
    zone = ZoneInfo(timezone)
    return [datetime.fromtimestamp(start / 1000, zone).date() for start in starts_ms]
