"""A community of a case as arrays: meters, prices, months, batteries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from cli.backtest.case import BatteryModel, CapacityModel, CaseFile, CommunityModel, TariffModel
from cli.backtest.data import CaseData
from cli.backtest.hubs import Hubs
from cli.backtest.sessions import Session
from cli.backtest.tasks import TaskRow, Tasks
from energy.dispatch.capacity import CapacityTariff
from energy.dispatch.fleet import Fleet
from energy.dispatch.storage import Battery, Floats
from energy.errors import DataError
from energy.forecast.weather import Weather
from energy.tariff import SharedEnergy

__all__ = ["Setting", "at_sites", "behind_own_meters", "setting_of"]

Ints = npt.NDArray[np.int64]

_FLANDERS_H: Final = 0.25


@dataclass(frozen=True, slots=True)
class Setting:
    """A community as arrays. Meters are the sites, or the pool as the only one. Series are (steps, ...).

    `co2_kg_kwh` of imports at the meters, None where it is not given; `co2_eur_kg` is what it counts in plans.
    `fee_eur_kwh` and `internal_eur_kwh` (steps): grid fee and internal price of what the sites of a pool share, None: none is told.
    `weather` is what was forecast for each step, at the meters. `month` counts local calendar months from 0, `slot` the steps of the local week.
    """

    community: CommunityModel
    sites: tuple[str, ...]
    meters: tuple[str, ...]
    meter_of_site: npt.NDArray[np.int64]
    hours: float
    steps_per_day: int
    starts_ms: tuple[int, ...]
    month: npt.NDArray[np.int64]
    slot: npt.NDArray[np.int64]
    site_load_kw: Floats
    site_pv_kw: Floats
    load_kw: Floats
    pv_kw: Floats
    buy_eur_kwh: Floats
    sell_eur_kwh: Floats
    capacity: CapacityTariff
    fleet: Fleet
    site_of_battery: npt.NDArray[np.int64]
    start_energy_kwh: Floats
    hubs: Hubs
    tasks: Tasks
    weather: Weather | None = None
    co2_kg_kwh: Floats | None = None
    co2_eur_kg: float = 0.0
    fee_eur_kwh: Floats | None = None
    internal_eur_kwh: Floats | None = None

    @property
    def planned_buy_eur_kwh(self) -> Floats:
        """What plans take an imported kWh to cost: its price, and its CO2 as far as that counts."""
        return self.buy_eur_kwh if self.co2_kg_kwh is None else self.buy_eur_kwh + self.co2_eur_kg * self.co2_kg_kwh

    @property
    def net_kw(self) -> Floats:
        """Load minus PV at each meter, without cars."""
        return self.load_kw - self.pv_kw

    @property
    def pays_to_share(self) -> bool:
        """Whether what the sites share costs a fee in any step, so that it matters which of them a kWh comes from."""
        return self.fee_eur_kwh is not None and bool((self.fee_eur_kwh > 0).any())

    def sites_at_meters(self, site_kw: Floats) -> Floats:
        """Power of the sites (..., sites) at the meters they stand behind (..., meters)."""
        behind = self.meter_of_site[:, None] == np.arange(len(self.meters))
        return np.asarray(site_kw @ behind.astype(np.float64))

    def cars_at_meters(self, hub_kw: Floats) -> Floats:
        """Power of the hubs (..., hubs) at the meters they stand behind (..., meters)."""
        behind = self.hubs.meter[:, None] == np.arange(len(self.meters))
        return np.asarray(hub_kw @ behind.astype(np.float64))


def setting_of(
    case: CaseFile,
    community: CommunityModel,
    data: CaseData,
    sessions: Sequence[Session] = (),
    tasks: Sequence[TaskRow] = (),
) -> Setting:
    """The community's arrays. Raises DataError when a site or a needed column is not in the data."""
    places = [_place(data, site.id) for site in community.sites]
    pooled = community.metering == "pooled"
    tariff = case.tariff_of(community)
    load, pv = data.columns["load_kw"][:, places], data.columns["pv_kw"][:, places]
    local = [datetime.fromtimestamp(start / 1000, ZoneInfo(case.timezone)) for start in data.starts_ms]
    buy, sell = _prices(tariff, data, places, local)
    meters = (community.id,) if pooled else tuple(site.id for site in community.sites)
    meter_of_site = np.zeros(len(places), dtype=np.int64) if pooled else np.arange(len(places))
    batteries = [(place, model) for place, site in enumerate(community.sites) for model in site.batteries]
    if pooled:
        _same_prices(data, buy, sell)
    return Setting(
        community=community,
        sites=tuple(site.id for site in community.sites),
        meters=meters,
        meter_of_site=meter_of_site,
        hours=data.hours,
        steps_per_day=round(24 / data.hours),
        starts_ms=data.starts_ms,
        month=_months(local),
        slot=_slots(local, data.hours),
        site_load_kw=load,
        site_pv_kw=pv,
        load_kw=load.sum(axis=1, keepdims=True) if pooled else load,
        pv_kw=pv.sum(axis=1, keepdims=True) if pooled else pv,
        buy_eur_kwh=buy[:, : len(meters)],
        sell_eur_kwh=sell[:, : len(meters)],
        capacity=_capacity(tariff.capacity, data.hours, local[0]),
        fleet=Fleet(
            [_battery(model) for _, model in batteries],
            [int(meter_of_site[place]) for place, _ in batteries],
            len(meters),
        ),
        site_of_battery=np.array([place for place, _ in batteries], dtype=np.int64),
        start_energy_kwh=np.array([model.capacity_kwh * model.start_soc_pct / 100 for _, model in batteries]),
        hubs=_hubs(case, community, data, sessions, meter_of_site),
        tasks=_tasks(community, tasks, meter_of_site),
        weather=_weather(data, places, pooled=pooled) if case.weather == "forecast" else None,
        co2_kg_kwh=_co2(case, data, places, pooled=pooled),
        co2_eur_kg=case.planned_co2_eur_kg,
        fee_eur_kwh=_shared(tariff.sharing, "fees", community, local),
        internal_eur_kwh=_shared(tariff.sharing, "internal", community, local),
    )


def behind_own_meters(setting: Setting) -> Setting:
    """The same sites, each behind its own meter."""
    count = len(setting.sites)
    return replace(
        setting,
        meters=setting.sites,
        meter_of_site=np.arange(count),
        load_kw=setting.site_load_kw,
        pv_kw=setting.site_pv_kw,
        buy_eur_kwh=np.broadcast_to(setting.buy_eur_kwh[:, :1], setting.site_load_kw.shape),
        sell_eur_kwh=np.broadcast_to(setting.sell_eur_kwh[:, :1], setting.site_load_kw.shape),
        fleet=Fleet(setting.fleet.batteries, setting.site_of_battery.tolist(), count),
        hubs=replace(setting.hubs, meter=setting.hubs.site),
        tasks=replace(setting.tasks, meter=setting.tasks.site),
        weather=None,  # bills under the plain rule need neither
        co2_kg_kwh=None,
        fee_eur_kwh=None,
        internal_eur_kwh=None,
    )


def at_sites(setting: Setting) -> Setting:
    """A pool whose sharing costs a fee, as its planner sees it: each site a meter."""
    own = behind_own_meters(setting)
    return replace(own, weather=setting.weather, co2_kg_kwh=setting.co2_kg_kwh, fee_eur_kwh=setting.fee_eur_kwh)


def _tasks(community: CommunityModel, rows: Sequence[TaskRow], meter_of_site: Ints) -> Tasks:
    """The tasks of the community's sites."""
    place = {site.id: number for number, site in enumerate(community.sites)}
    ours = tuple(row for row in rows if row.site in place)
    site = np.array([place[row.site] for row in ours], dtype=np.int64)
    return Tasks(ours, site, meter_of_site[site])


def _hubs(
    case: CaseFile, community: CommunityModel, data: CaseData, sessions: Sequence[Session], meter_of_site: Ints
) -> Hubs:
    """The community's chargers and the sessions of its sites."""
    chargers = [(place, site.id, site.charging) for place, site in enumerate(community.sites) if site.charging]
    hub_of = {name: hub for hub, (_, name, _) in enumerate(chargers)}
    ours = [session for session in sessions if session.site in hub_of]
    hub = np.array([hub_of[each.site] for each in ours], dtype=np.int64)
    site = np.array([place for place, _, _ in chargers], dtype=np.int64)
    arrival_ms = np.array([each.arrival_ms for each in ours], dtype=np.float64)
    departure_ms = np.array([each.departure_ms for each in ours], dtype=np.float64)
    declared_ms = np.array(
        [np.nan if each.declared_ms is None else each.declared_ms for each in ours], dtype=np.float64
    )
    local = [datetime.fromtimestamp(each.arrival_ms / 1000, ZoneInfo(case.timezone)) for each in ours]
    limits = [np.inf if model.limit_kw is None else model.limit_kw for _, _, model in chargers]
    least = np.array([model.least_kw for _, _, model in chargers], dtype=np.float64)[hub]
    most = [each.max_kw or chargers[hub_of[each.site]][2].charger_kw for each in ours]
    return Hubs(
        site=site,
        meter=meter_of_site[site],
        limit_kw=np.array(limits, dtype=np.float64),
        hub=hub,
        arrival=(arrival_ms - data.starts_ms[0]) / data.step_ms,
        departure=(departure_ms - data.starts_ms[0]) / data.step_ms,
        clock_h=np.array([moment.hour + moment.minute / 60 for moment in local], dtype=np.float64),
        declared_h=(declared_ms - arrival_ms) / 3_600_000,
        asked_kwh=np.array([each.energy_kwh for each in ours], dtype=np.float64),
        least_kw=np.minimum(least, most),
        most_kw=np.array(most, dtype=np.float64),
    )


def _place(data: CaseData, site: str) -> int:
    if site not in data.sites:
        raise DataError(
            f"site {site!r} of the case has no rows", field=str(data.path), hint=f"there are {', '.join(data.sites)}"
        )
    return data.sites.index(site)


def _battery(model: BatteryModel) -> Battery:
    each_way = model.round_trip_efficiency**0.5
    both = model.power_kw or 0.0
    charge = both if model.charge_kw is None else model.charge_kw
    discharge = both if model.discharge_kw is None else model.discharge_kw
    return Battery(model.capacity_kwh, charge, discharge, each_way, each_way, model.wear_eur_kwh)


def _capacity(model: CapacityModel | None, hours: float, first: datetime) -> CapacityTariff:
    if model is None:
        return CapacityTariff()
    usual_h = _FLANDERS_H if model.rule == "flanders" else hours
    interval_h = usual_h if model.interval_minutes is None else model.interval_minutes / 60
    begun_h = (first.hour + first.minute / 60) % interval_h
    return CapacityTariff(model.month_rate_eur_kw, model.least_kw, interval_h, int(begun_h / hours + 1e-9))


def _prices(tariff: TariffModel, data: CaseData, places: list[int], local: list[datetime]) -> tuple[Floats, Floats]:
    shape = (len(local), len(places))
    buy = _price(tariff.import_eur_kwh, "price_eur_kwh", data, places)
    for band in reversed(tariff.bands):
        buy[np.array([band.holds(moment) for moment in local])] = band.eur_kwh
    sell = _price(tariff.feed_in_eur_kwh, "feed_in_eur_kwh", data, places)
    return np.broadcast_to(buy, shape), np.broadcast_to(sell, shape)


def _price(given: float | str, column: str, data: CaseData, places: list[int]) -> Floats:
    if isinstance(given, str):
        if column not in data.columns:
            raise DataError(
                f"{column}: column is missing, and the tariff takes its price from it",
                field=f"{data.path}:1",
                hint="add the column, or give a number in case.yaml",
            )
        return data.columns[column][:, places].copy()
    return np.full((len(data.starts_ms), len(places)), float(given))


def _shared(
    sharing: SharedEnergy | None, name: Literal["fees", "internal"], community: CommunityModel, local: list[datetime]
) -> Floats | None:
    """A price of shared energy at each step; None where there is no entry at all."""
    if sharing is None or not getattr(sharing, name):
        return None
    days = [moment.date() for moment in local]
    told = {
        day: sharing.fee_eur_kwh(day, community.grid_type) if name == "fees" else sharing.internal_eur_kwh(day)
        for day in set(days)
    }
    missing = sorted(day for day, price in told.items() if price is None)
    if missing:
        raise DataError(
            f"sharing.{name}: no entry holds on {missing[0]}",
            field="case.yaml",
            hint="let the entries hold on all days of data.csv (valid_from, valid_to)",
        )
    return np.array([told[day] for day in days], dtype=np.float64)


def _same_prices(data: CaseData, buy: Floats, sell: Floats) -> None:
    for name, prices in (("price_eur_kwh", buy), ("feed_in_eur_kwh", sell)):
        differ = np.flatnonzero(np.ptp(prices, axis=1) > 0)
        if len(differ):
            start = datetime.fromtimestamp(data.starts_ms[differ[0]] / 1000, UTC).isoformat()
            raise DataError(
                f"{name}: the sites of a pool have different prices at {start}",
                field=str(data.path),
                hint="a pool is one virtual meter: give all its sites the same price, or use `metering: own`",
            )


def _weather(data: CaseData, places: list[int], *, pooled: bool) -> Weather | None:
    """The columns that are there, at each meter; a pool gets the mean of its sites."""
    told = {}
    for name in ("irradiance_wm2", "temperature_c"):
        if name in data.columns:
            of_sites = data.columns[name][:, places]
            told[name] = of_sites.mean(axis=1, keepdims=True) if pooled else of_sites
    return Weather(**told) if told else None


def _co2(case: CaseFile, data: CaseData, places: list[int], *, pooled: bool) -> Floats | None:
    """At each meter; a pool gets the mean of its sites."""
    if "co2_g_kwh" not in data.columns:
        if case.planned_co2_eur_kg > 0:
            raise DataError(
                "co2_g_kwh: column is missing, and the case plans by it",
                field=f"{data.path}:1",
                hint="add the column, or use `objective: cost` and no co2_eur_kg in case.yaml",
            )
        return None
    of_sites = data.columns["co2_g_kwh"][:, places] / 1000
    return of_sites.mean(axis=1, keepdims=True) if pooled else of_sites


def _months(local: list[datetime]) -> npt.NDArray[np.int64]:
    numbers = np.array([moment.year * 12 + moment.month for moment in local])
    return np.asarray(numbers - numbers[0])


def _slots(local: list[datetime], hours: float) -> npt.NDArray[np.int64]:
    per_day = round(24 / hours)
    return np.array([moment.weekday() * per_day + int((moment.hour + moment.minute / 60) / hours) for moment in local])
