"""The plan of a running community: its past quarter-hours in, the next 36 hours out. Pure, and the same parts as `backtest`.

Everything is learned anew from the past at each plan, so that late and corrected readings count, a restart loses nothing,
and the first plan is made on the first day. What is unknown in the past is filled in, never a reason not to plan.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from energy.dispatch.ahead import plan_cars
from energy.dispatch.capacity import MonthPeaks
from energy.dispatch.fleet import Fleet, Tanks, tanks_of
from energy.dispatch.planner import Outlook, Plan, Planner
from energy.dispatch.program import Program, SharingSites, shared_kw
from energy.dispatch.request import PlanAnswer, PlannedStart, PlanRequest, PlanStep
from energy.dispatch.runs import plan_runs
from energy.dispatch.storage import Battery, Floats
from energy.dispatch.value import CELLS
from energy.forecast.calendar import slots_of_week
from energy.forecast.profile import Kind, ProfileForecaster
from energy.forecast.scenarios import PEAK_SPREAD_H, ErrorScenarios
from energy.forecast.season import Season
from energy.forecast.weather import told_weather
from energy.quarters import QUARTER_MS, local_month
from energy.reasons import say

__all__ = ["filled", "plan_ahead"]

_HOURS: Final = 0.25
_DAY: Final = 96
_SCENARIO_DAYS: Final = 21
_SHORT_GAP: Final = 2
_BAND: Final = (10.0, 90.0)  # percentiles that are shown as what is likely


def plan_ahead(request: PlanRequest) -> PlanAnswer:
    """The plan for the quarter-hours that `request` has prices for."""
    horizon, meters = len(request.buy_eur_kwh), len(request.meters)
    sites = len(request.meter_of_site)
    load_sites, load_gaps = filled(request.load_kw, sites)
    pv_sites, pv_gaps = filled(request.pv_kw, sites)
    load, pv = (_at_meters(series, request) for series in (load_sites, pv_sites))
    load_ahead, pv_ahead, scenarios = _look_ahead(load, pv, request)
    batteries = [
        Battery(
            each.capacity_kwh, each.charge_kw, each.discharge_kw, each.efficiency, each.efficiency, each.wear_eur_kwh
        )
        for each in request.batteries
    ]
    tanks, fleet = tanks_of(batteries, [each.meter for each in request.batteries], meters)
    stored = fleet.at_meters(np.array([each.energy_kwh for each in request.batteries])) if batteries else np.zeros(0)
    buy = np.tile(np.array(request.counted_eur_kwh), (meters, 1))
    sell = np.tile(np.array(request.sell_eur_kwh), (meters, 1))
    billed = np.array(request.billed_kw or [0.0] * meters)
    fee = np.array(request.fee_eur_kwh) if request.fee_eur_kwh else None
    outlook = Outlook(scenarios, buy, sell, billed, fee_eur_kwh=fee, peaks=_peaks(request))
    starts, drawn = _runs(request, outlook, batteries)
    outlook = replace(outlook, net_kw=outlook.net_kw + drawn[:, None])
    cars = plan_cars(request, outlook, tanks, stored) if request.cars else {}
    by_cars = _cars_kw(request, cars, drawn.shape)
    outlook = replace(outlook, net_kw=outlook.net_kw + by_cars[:, None])
    load_ahead = load_ahead + drawn + by_cars
    planner = Planner(tanks, horizon, _HOURS, request.peak_rate_eur_kw, sharing=fee is not None)
    plan = planner.plan(outlook, stored)
    course = _course(outlook, tanks, stored) if fee is None else _shared_course(outlook, fee, tanks, stored)
    targets = plan.peak_target_kw
    return PlanAnswer(
        community=request.community,
        t=request.t,
        days=round(len(load) / _DAY, 2),
        estimated=round((load_gaps + pv_gaps) / max(1, 2 * load_sites.size), 4),
        value_eur_kwh=_value_now(plan, tanks, stored),
        values=_values(request, plan, fleet),
        peak_target_w={
            name: 1000 * float(target)
            for name, target in zip(request.meters, targets, strict=True)
            if math.isfinite(target)
        },
        steps=_steps(request, load_ahead.sum(axis=0), pv_ahead.sum(axis=0), outlook.net_kw.sum(axis=0), course),
        cars=cars,
        starts=starts,
    )


def _peaks(request: PlanRequest) -> MonthPeaks | None:
    """What is known of the peaks to come; None: nothing."""
    if not request.month_kw:
        return None
    _, month_end_ms = local_month(request.t, request.timezone)
    daily = np.array(request.daily_kw, dtype=np.float64).reshape(-1, len(request.meters))
    return MonthPeaks(np.array(request.month_kw), (month_end_ms - request.t) // QUARTER_MS, daily)


def _cars_kw(request: PlanRequest, cars: dict[str, list[float]], shape: tuple[int, ...]) -> Floats:
    """What the cars that are there will draw at each meter; batteries see it."""
    drawn = np.zeros(shape)
    for car in request.cars:
        drawn[car.meter] += np.array(cars[car.id]) / 1000
    return drawn


def _runs(request: PlanRequest, outlook: Outlook, batteries: list[Battery]) -> tuple[dict[str, PlannedStart], Floats]:
    """Machines come first: cars and batteries see them."""
    if not request.runs:
        return {}, np.zeros((len(request.meters), outlook.net_kw.shape[2]))
    fleet = Fleet(batteries, [each.meter for each in request.batteries], len(request.meters))
    stored = fleet.at_meters(np.array([each.energy_kwh for each in request.batteries], dtype=np.float64))
    return plan_runs(request, outlook, fleet.storage, stored)


def _at_meters(series: Floats, request: PlanRequest) -> Floats:
    """The sums behind each meter: (steps, meters)."""
    sums = np.zeros((len(series), len(request.meters)))
    for site, meter in enumerate(request.meter_of_site):
        sums[:, meter] += series[:, site]
    return sums


def filled(series: Sequence[Sequence[float | None]], sites: int) -> tuple[Floats, int]:
    """(steps, sites) without unknowns, and how many were filled: short gaps with the last value, long ones with the
    day before; what is unknown from the beginning is 0.
    """
    values = np.array([[np.nan if value is None else value for value in row] for row in series], dtype=np.float64)
    values = values.reshape(len(series), sites)
    unknown = ~np.isfinite(values)
    for site in range(sites):
        age = 0
        for step in np.flatnonzero(unknown[:, site]):
            age = age + 1 if step > 0 and unknown[step - 1, site] else 1
            back = 1 if age <= _SHORT_GAP or step < _DAY else _DAY
            values[step, site] = values[step - back, site] if step >= back else 0.0
    return values, int(unknown.sum())


def _look_ahead(load: Floats, pv: Floats, request: PlanRequest) -> tuple[Floats, Floats, Floats]:
    """Forecasts of load and PV (meters, horizon), and scenarios of the net load, learned step by step from the past."""
    steps, meters = load.shape
    horizon = len(request.buy_eur_kwh)
    first_ms = request.t - steps * QUARTER_MS
    starts = [first_ms + step * QUARTER_MS for step in range(steps + horizon)]
    slots = slots_of_week(starts, request.timezone, _DAY)
    season = Season(first_ms, _DAY, request.places) if request.places else None
    told = told_weather(request.irradiance_wm2, request.temperature_c)
    loads = ProfileForecaster(meters, _DAY, horizon, Kind.LOAD, weather=told is not None)
    suns = ProfileForecaster(meters, _DAY, horizon, Kind.PV, season, weather=told is not None)
    spread_h = PEAK_SPREAD_H if request.peak_rate_eur_kw > 0 else 0
    errors = ErrorScenarios(meters, _DAY, horizon, _SCENARIO_DAYS, spread_h)
    for step in range(steps):
        slot, ahead = int(slots[step]), slots[step : step + horizon]
        now = None if told is None else told.next(step, horizon)
        errors.update(loads.forecast(ahead, now) - suns.forecast(ahead, now), load[step] - pv[step])
        loads.update(load[step], slot, now)
        suns.update(pv[step], slot, now)
    now = None if told is None else told.next(steps, horizon)
    load_ahead, pv_ahead = loads.forecast(slots[steps:], now), suns.forecast(slots[steps:], now)
    return load_ahead, pv_ahead, errors.scenarios(load_ahead - pv_ahead)


@dataclass(frozen=True, slots=True)
class _Course:
    """The cheapest course for the mean of the scenarios: charging positive, kW; energy after each step, kWh."""

    battery_kw: Floats
    grid_kw: Floats
    energy_kwh: Floats
    capacity_kwh: float
    shared_kw: Floats | None = None


def _course(outlook: Outlook, tanks: Tanks, stored: Floats) -> _Course:
    """All meters' linear programs for the mean of what may come, to show what is likely to be done and as grid target."""
    net = outlook.net_kw.mean(axis=1)
    meters, horizon = net.shape
    battery, grid, energy = np.zeros(horizon), np.zeros(horizon), np.zeros(horizon)
    ends = (outlook.sell_eur_kwh.mean(axis=1) + outlook.buy_eur_kwh.mean(axis=1)) / 2
    for meter in range(meters):
        behind = tanks.behind[meter]
        if not len(behind):
            grid += net[meter]
            continue
        program = Program(tanks.storage.select(behind), horizon, _HOURS)
        schedule = program.solve(
            net[meter], outlook.buy_eur_kwh[meter], outlook.sell_eur_kwh[meter], stored[behind], float(ends[meter])
        )
        battery += schedule.battery_kw.sum(axis=0)
        energy += schedule.energy_kwh.sum(axis=0)
        grid += schedule.grid_kw
    return _Course(battery, grid, energy, float(tanks.storage.capacity_kwh.sum()))


def _shared_course(outlook: Outlook, fee: Floats, tanks: Tanks, stored: Floats) -> _Course:
    """The same for sites of a pool that pay for what they share."""
    net = outlook.net_kw.mean(axis=1)
    buy, sell = outlook.buy_eur_kwh[0], outlook.sell_eur_kwh[0]
    program = Program(tanks.storage, net.shape[1], _HOURS, sites=SharingSites(tanks.meters, tanks.meter_of))
    found = program.solve(net, buy, sell, stored, float(sell.mean() + buy.mean()) / 2, fee)
    capacity = float(tanks.storage.capacity_kwh.sum())
    battery, energy = found.battery_kw.sum(axis=0), found.energy_kwh.sum(axis=0)
    return _Course(battery, found.grid_kw, energy, capacity, shared_kw(found.site_kw))


def _values(request: PlanRequest, plan: Plan, fleet: Fleet) -> dict[str, list[float]]:
    """Each battery's curve: that of its tank, in hundredths."""
    hundredths = plan.value_eur_kwh.reshape(-1, 100, CELLS // 100).mean(axis=2)
    return {
        each.id: [round(float(value), 6) for value in hundredths[fleet.meter_of[place]]]
        for place, each in enumerate(request.batteries)
    }


def _value_now(plan: Plan, tanks: Tanks, stored: Floats) -> float | None:
    """The mean by capacity."""
    capacity = tanks.storage.capacity_kwh
    return round(float((plan.value_now(stored) * capacity).sum() / capacity.sum()), 5) if capacity.sum() > 0 else None


def _stored_pct(energy_kwh: float, capacity_kwh: float) -> float | None:
    return round(100 * energy_kwh / capacity_kwh, 1) if capacity_kwh > 0 else None


def _steps(request: PlanRequest, load: Floats, pv: Floats, scenarios: Floats, course: _Course) -> list[PlanStep]:
    low, high = np.percentile(scenarios, _BAND, axis=0)
    found, counted = [], request.counted_eur_kwh
    for step, (buy, sell) in enumerate(zip(request.buy_eur_kwh, request.sell_eur_kwh, strict=True)):
        net_kw, battery_kw = float(load[step] - pv[step]), float(course.battery_kw[step])
        found.append(
            PlanStep(
                start=request.t + step * QUARTER_MS,
                pv_w=_watts(pv[step]),
                consumption_w=_watts(load[step]),
                surplus_w=max(0.0, -_watts(net_kw)),
                low_w=_watts(low[step]),
                high_w=_watts(high[step]),
                battery_w=-_watts(battery_kw),
                grid_w=_watts(course.grid_kw[step]),
                stored_pct=_stored_pct(float(course.energy_kwh[step]), course.capacity_kwh),
                import_eur_kwh=round(buy, 5),
                feed_in_eur_kwh=round(sell, 5),
                why=_why(net_kw, battery_kw, float(course.grid_kw[step])),
                shared_w=None if course.shared_kw is None else _watts(course.shared_kw[step]),
                fee_eur_kwh=round(request.fee_eur_kwh[step], 5) if request.fee_eur_kwh else None,
                co2_g_kwh=round(1000 * request.co2_kg_kwh[step], 1) if request.co2_kg_kwh else None,
                counted_eur_kwh=round(counted[step], 5) if request.co2_kg_kwh else None,
                internal_eur_kwh=request.internal_eur_kwh[step] if request.internal_eur_kwh else None,
            )
        )
    return found


_IDLE_KW: Final = 0.05


def _why(net_kw: float, battery_kw: float, grid_kw: float) -> str:
    """What the batteries are expected to do in that quarter-hour, in a sentence."""
    if battery_kw > _IDLE_KW:
        if grid_kw > _IDLE_KW:
            return say("plan_buys")
        return say("plan_stores")
    if battery_kw < -_IDLE_KW:
        if grid_kw < -_IDLE_KW and net_kw <= 0:
            return say("plan_sells")
        return say("plan_gives")
    if net_kw < -_IDLE_KW:
        return say("plan_feeds_in")
    return say("plan_rests")


def _watts(power_kw: float) -> float:
    return round(1000 * float(power_kw), 0) + 0.0
