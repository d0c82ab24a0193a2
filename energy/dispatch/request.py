"""What a running community's planner is asked, and what it answers. Needs nothing, so that who asks needs no solver."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["PlanAnswer", "PlanRequest", "PlanStep", "PlannedBattery", "PlannedCar", "PlannedRun", "PlannedStart"]


@dataclass(frozen=True, slots=True)
class PlannedBattery:
    """A battery and the energy it may use: between its bounds, at the present charge. `meter`: place in `meters`."""

    id: str
    meter: int
    capacity_kwh: float
    charge_kw: float
    discharge_kw: float
    efficiency: float
    wear_eur_kwh: float
    energy_kwh: float


@dataclass(frozen=True, slots=True)
class PlannedCar:
    """A car that is to get `missing_kwh` until `ready_ms` (UTC), nothing or `least_kw` to `most_kw` at a time. `id`: its
    charger; `limit_kw`: of all cars of the site, None: none.
    """

    id: str
    meter: int
    site: str
    missing_kwh: float
    least_kw: float
    most_kw: float
    ready_ms: int
    limit_kw: float | None = None


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A machine's run, (minutes, W) one after the other, that may begin at `earliest_ms` and is to end by `finish_ms`, or that began
    at `started_ms` (UTC). `id`: the machine; `said_ms`: when somebody wanted it.
    """

    id: str
    meter: int
    parts: tuple[tuple[float, float], ...]
    earliest_ms: int
    finish_ms: int
    said_ms: int = 0
    started_ms: int | None = None


@dataclass(frozen=True, slots=True)
class PlannedStart:
    """When a machine is expected to begin the run that was wanted at `said`; both ms UTC."""

    start: int
    said: int


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What a plan rests on. `t`: start of its first quarter-hour, ms UTC; the past ends there.

    `load_kw`, `pv_kw`: quarter-hours, oldest first, per site; None: unknown. Prices per quarter-hour from `t` on.
    `meter_of_site`: the meter that each site is behind. `places`: latitude and longitude of each meter; empty: not known.
    `irradiance_wm2`, `temperature_c`: as a weather feed told, for the quarter-hours of the past and those from `t` on; empty: no feed.
    `co2_kg_kwh`: of imports, per quarter-hour from `t` on, each kg counting `co2_eur_kg` beside the price; empty: not known.
    `billed_kw`: per meter, what the month will be billed at least; `peak_rate_eur_kw`: what a kW more costs, 0: nothing.
    `month_kw`: per meter, the month's peak so far, `daily_kw` the highest imports of the last days, oldest first; empty: not known.
    `fee_eur_kwh`: the meters are sites of one pool that pay this for what they share, per quarter-hour from `t` on; empty: not so.
    `internal_eur_kwh`: what members pay each other then, to be shown; None or empty: nothing is agreed.
    """

    community: str
    t: int
    timezone: str
    meters: tuple[str, ...]
    meter_of_site: tuple[int, ...]
    load_kw: list[list[float | None]]
    pv_kw: list[list[float | None]]
    buy_eur_kwh: list[float]
    sell_eur_kwh: list[float]
    batteries: tuple[PlannedBattery, ...] = ()
    peak_rate_eur_kw: float = 0.0
    billed_kw: tuple[float, ...] = ()
    month_kw: tuple[float, ...] = ()
    daily_kw: list[list[float]] = field(default_factory=list)
    places: tuple[tuple[float, float], ...] = ()
    cars: tuple[PlannedCar, ...] = ()
    runs: tuple[PlannedRun, ...] = ()
    irradiance_wm2: list[float | None] = field(default_factory=list)
    temperature_c: list[float | None] = field(default_factory=list)
    fee_eur_kwh: list[float] = field(default_factory=list)
    internal_eur_kwh: list[float | None] = field(default_factory=list)
    co2_kg_kwh: list[float] = field(default_factory=list)
    co2_eur_kg: float = 0.0

    @property
    def counted_eur_kwh(self) -> list[float]:
        """What an imported kWh counts in plans: its price, and its CO2."""
        if not self.co2_kg_kwh or self.co2_eur_kg == 0:
            return self.buy_eur_kwh
        return [buy + self.co2_eur_kg * kg for buy, kg in zip(self.buy_eur_kwh, self.co2_kg_kwh, strict=True)]


@dataclass(frozen=True, slots=True)
class PlanStep:
    """A quarter-hour of the plan, all meters together, W. `low_w`, `high_w`: likely range of what is needed of the grid
    before batteries. `battery_w`: discharge positive. `stored_pct`: of what the batteries may use. `shared_w`: what sites
    give each other, with the fee of such a kWh and what members pay each other; None: it costs none, and nobody counted.
    `co2_g_kwh`: of imports; `counted_eur_kwh`: what an imported kWh counts in this plan, its CO2 too.
    """

    start: int
    pv_w: float
    consumption_w: float
    surplus_w: float
    low_w: float
    high_w: float
    battery_w: float
    grid_w: float
    stored_pct: float | None
    import_eur_kwh: float
    feed_in_eur_kwh: float
    why: str
    shared_w: float | None = None
    fee_eur_kwh: float | None = None
    internal_eur_kwh: float | None = None
    co2_g_kwh: float | None = None
    counted_eur_kwh: float | None = None


@dataclass(frozen=True, slots=True)
class PlanAnswer:
    """A plan. `values`: by battery, what one more kWh is worth in each hundredth of what it may store, EUR/kWh;
    `value_eur_kwh`: their mean at the present charge.

    `peak_target_w`: by meter, where peaks cost. `days`: of the past it rests on; `estimated`: part of it that was filled in. `cars`: by charger, mean power planned for each quarter-hour, W.
    `starts`: by machine that has not begun.
    """

    community: str
    t: int
    days: float
    estimated: float
    value_eur_kwh: float | None
    values: dict[str, list[float]]
    peak_target_w: dict[str, float]
    steps: list[PlanStep]
    cars: dict[str, list[float]] = field(default_factory=dict)
    starts: dict[str, PlannedStart] = field(default_factory=dict)
