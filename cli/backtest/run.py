"""Runs one community of a case: no control, plain rule, commonwatt and perfect foresight over the same data."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from cli.backtest.case import CaseFile
from cli.backtest.hubs import Delivery
from cli.backtest.setting import Setting, at_sites
from cli.backtest.tasks import Runs
from energy.dispatch.balancer import plain_rule
from energy.dispatch.capacity import RunningPeaks
from energy.dispatch.charging import Cars, ChargingPlanner, charge_at_once
from energy.dispatch.fleet import alike, tanks_of
from energy.dispatch.planner import Outlook, Planner
from energy.dispatch.program import Ints, MeterOutlook, PeakRule, Program, SharingSites
from energy.dispatch.shifting import ShiftPlanner, Task
from energy.dispatch.storage import Floats, Storage
from energy.forecast.accuracy import ErrorLog, mean_absolute_error
from energy.forecast.profile import Kind, ProfileForecaster
from energy.forecast.scenarios import PEAK_SPREAD_H, ErrorScenarios
from energy.forecast.weather import Weather

__all__ = ["CommunityRun", "Course", "drive_plain_rule", "run_community"]


@dataclass(frozen=True, slots=True)
class Course:
    """What a controller did: power of each battery, charging positive, and energy after each step."""

    battery_kw: Floats
    energy_kwh: Floats
    grid_kw: Floats  # at the meters
    hub_kw: Floats  # of the cars at each hub
    unmet_kwh: Floats  # of each session, what it asked and did not get
    task_kw: Floats  # of the tasks at each site

    def site_grid_kw(self, setting: Setting) -> Floats:
        """Load minus PV with all that is steered, of each site: (steps, sites)."""
        grid = setting.site_load_kw - setting.site_pv_kw + self.task_kw
        np.add.at(grid.T, setting.site_of_battery, self.battery_kw.T)
        np.add.at(grid.T, setting.hubs.site, self.hub_kw.T)
        return np.asarray(grid)


@dataclass(frozen=True, slots=True)
class CommunityRun:
    """All four courses of a community and what commonwatt expected on the way."""

    setting: Setting
    courses: dict[str, Course]
    expected_kw: Floats
    value_eur_kwh: Floats
    peak_target_kw: Floats
    accuracy: dict[str, Floats] = field(default_factory=dict)
    plan_seconds: float = 0.0


def run_community(setting: Setting, case: CaseFile, tell: Callable[[str], None]) -> CommunityRun:
    """Runs the four controllers; `tell` hears of the progress."""
    steered = _Steering(setting, case, tell)
    at_once, soonest = _charged_at_once(setting), _run_at_once(setting)
    courses = {
        "no_control": _drive(setting, lambda _step, energy: np.zeros_like(energy), at_once, soonest),
        "plain_rule": drive_plain_rule(setting),
        "commonwatt": _drive(setting, steered.step, steered.cars, steered.runs),
    }
    tell(f"{setting.community.id}: perfect foresight")
    courses["perfect_foresight"] = _perfect(setting)
    return CommunityRun(setting, courses, *steered.told(), steered.accuracy(), steered.plan_seconds)


def drive_plain_rule(setting: Setting) -> Course:
    """The reference: cars and tasks at once, every meter's batteries from surplus, and discharge on deficit."""
    cars, runs = _charged_at_once(setting), _run_at_once(setting)
    net, fleet, hours = _net_kw(setting, cars, runs), setting.fleet, setting.hours

    def control(step: int, energy: Floats) -> Floats:
        return fleet.divide(plain_rule(net[step], fleet.storage, fleet.at_meters(energy), hours), energy, hours)

    return _drive(setting, control, cars, runs)


class _Steering:
    """The production forecast, planner and balancer, driven by the data's own clock."""

    def __init__(self, setting: Setting, case: CaseFile, tell: Callable[[str], None]) -> None:
        self._sharing = setting.pays_to_share
        setting = at_sites(setting) if self._sharing else setting
        steps, meters = setting.load_kw.shape
        self._setting = setting
        self._net_kw = setting.net_kw
        self._buy_eur_kwh = setting.planned_buy_eur_kwh
        self._tell = tell
        self._horizon = max(2, round(case.horizon_h / setting.hours))
        self._perfect = case.forecast == "perfect"
        per_day = setting.steps_per_day
        weather = setting.weather is not None
        self._load = ProfileForecaster(meters, per_day, self._horizon, Kind.LOAD, weather=weather)
        self._pv = ProfileForecaster(meters, per_day, self._horizon, Kind.PV, weather=weather)
        spread_h = PEAK_SPREAD_H if setting.capacity.rate_eur_kw > 0 else 0
        self._scenarios = ErrorScenarios(meters, per_day, self._horizon, case.scenario_days, spread_h)
        fleet = setting.fleet
        self._tanks, self._by_tank = tanks_of(fleet.batteries, fleet.meter_of, meters)
        self._planner = Planner(
            self._tanks, self._horizon, setting.hours, setting.capacity.rate_eur_kw, sharing=self._sharing
        )
        self._own_rate = 0.0 if self._sharing else setting.capacity.rate_eur_kw  # a pool's peak is no single site's
        self.cars = Delivery(setting.hubs, steps, setting.hours)
        self._charging = {int(meter): self._charging_planner(int(meter)) for meter in np.unique(setting.hubs.meter)}
        self.runs = Runs(setting.tasks, steps, len(setting.sites))
        self._shifting = {
            int(meter): ShiftPlanner(
                fleet.storage.select(np.array([meter])), self._horizon, setting.hours, self._own_rate
            )
            for meter in np.unique(setting.tasks.meter)
        }
        self._peaks = RunningPeaks(setting.capacity, 1 if self._sharing else meters, setting.hours)
        self._blocks = setting.capacity.blocks(steps, setting.hours)
        self._steps_left = np.searchsorted(setting.month, setting.month, side="right") - np.arange(steps)
        leads = {"hour_ahead": max(1, per_day // 24), "day_ahead": per_day}
        self._errors = {kind: ErrorLog(steps, meters, leads) for kind in Kind}
        self.expected_kw = np.zeros((steps, meters))
        self.value_eur_kwh = np.zeros((steps, meters))
        self.peak_target_kw = np.full((steps, meters), np.nan)
        self.plan_seconds = 0.0

    def step(self, step: int, energy_kwh: Floats) -> Floats:
        """The batteries' powers. Uses values before `step` for the plan, the net load of `step` to balance."""
        setting = self._setting
        if step % (30 * setting.steps_per_day) == 0:
            self._tell(f"{setting.community.id}: step {step:,} of {len(setting.load_kw):,}")
        futures = self._futures(step)
        began = time.perf_counter()
        stored = self._by_tank.at_meters(energy_kwh)
        if len(setting.tasks):
            futures = futures + self._shift(step, futures, setting.fleet.at_meters(energy_kwh))[:, None, :]
        if setting.hubs:
            futures = futures + self._charge(step, futures, stored)[:, None, :]
        plan = self._planner.plan(self._outlook(step, futures), stored)
        self.plan_seconds += time.perf_counter() - began
        net = self._before_cars_kw(step) + setting.cars_at_meters(self.cars.hub_kw[step])
        power = self._by_tank.divide(plan.battery_kw(net, stored, setting.hours), energy_kwh, setting.hours)
        self.value_eur_kwh[step] = self._value_at_meters(plan.value_now(stored))
        if setting.capacity.rate_eur_kw > 0:
            self.peak_target_kw[step] = plan.peak_target_kw
        self._learn(step)
        grid = net + setting.fleet.at_meters(power)
        self._peaks.update(int(self._blocks[step]), grid.sum(keepdims=True) if self._sharing else grid)
        return power

    def _charging_planner(self, meter: int) -> ChargingPlanner:
        setting = self._setting
        storage = self._tanks.storage.select(self._tanks.behind[meter])
        limits = setting.hubs.limit_kw[setting.hubs.behind(meter)]
        return ChargingPlanner(storage, limits, self._horizon, setting.hours, self._own_rate)

    def _before_cars_kw(self, step: int) -> Floats:
        """The present net load of each meter with its tasks."""
        return np.asarray(self._net_kw[step] + self._setting.sites_at_meters(self.runs.site_kw[step]))

    def _shift(self, step: int, futures: Floats, stored_kwh: Floats) -> Floats:
        """Starts tasks at `step`; gives what those that run draw and the others are expected to: (meters, horizon)."""
        setting = self._setting
        billed = self._billed_kw(step)
        prices = self._prices(step, futures)
        waiting = np.zeros((len(setting.meters), self._horizon))

        def control(tasks: Sequence[Task], meter: int) -> tuple[bool, ...]:
            net = futures[meter].mean(axis=0) + running[meter]
            net[0] = self._before_cars_kw(step)[meter]
            outlook = MeterOutlook(net, *prices[meter], float(billed[meter]), stored_kwh[meter : meter + 1])
            plan = self._shifting[meter].plan(tasks, outlook)
            waiting[meter] = plan.waiting_kw
            return plan.now

        running = self._running(step)
        self.runs.step(step, control)
        return self._running(step) + waiting

    def _running(self, step: int) -> Floats:
        """What the tasks that have started still draw: (meters, horizon)."""
        ahead = self.runs.site_kw[step : step + self._horizon]
        return _padded(self._setting.sites_at_meters(ahead), 0, self._horizon)

    def _prices(self, step: int, futures: Floats) -> list[tuple[Floats, Floats]]:
        """What each meter pays and earns from `step` on, as far as known, then as last: (horizon) each."""
        outlook = self._outlook(step, futures, "edge")
        return [outlook.prices_at(meter) for meter in range(len(self._setting.meters))]

    def _billed_kw(self, step: int) -> Floats:
        """Of each meter, at least."""
        billed = self._peaks.billed_kw(int(self._setting.month[step]))
        return np.broadcast_to(billed, len(self._setting.meters))

    def _charge(self, step: int, futures: Floats, stored_kwh: Floats) -> Floats:
        """Charges the cars of `step`; gives what all cars draw then and are expected to draw later: (meters, horizon)."""
        setting = self._setting
        expected = np.zeros((len(setting.meters), self._horizon))
        billed = self._billed_kw(step)
        prices = self._prices(step, futures)

        def control(cars: Cars, _behind: Ints, meter: int) -> Floats:
            net = futures[meter].mean(axis=0)
            net[0] = self._before_cars_kw(step)[meter]
            stored = stored_kwh[self._tanks.behind[meter]]
            outlook = MeterOutlook(net, *prices[meter], float(billed[meter]), stored)
            plan = self._charging[meter].plan(cars, outlook)
            expected[meter] = plan.expected_kw
            return plan.car_kw

        self.cars.step(step, control, self._car_left)
        expected[:, 0] = setting.cars_at_meters(self.cars.hub_kw[step])
        expected[:, len(self._net_kw) - step :] = 0.0
        return expected

    def _car_left(self, session: int, missing_kwh: float) -> None:
        hubs, hours = self._setting.hubs, self._setting.hours
        asked = float(hubs.asked_kwh[session])
        unmet = max(0.0, float(hubs.at_once_kwh(hours)[session]) - (asked - missing_kwh))
        stayed_h = float(hubs.departure[session] - hubs.arrival[session]) * hours
        planner = self._charging[int(hubs.meter[hubs.hub[session]])]
        planner.left(float(hubs.clock_h[session]), float(hubs.declared_h[session]), stayed_h, asked, unmet)

    def told(self) -> tuple[Floats, Floats, Floats]:
        """Expected net load, value of stored energy and peak target by step, at the meters that are billed."""
        if not self._sharing:
            return self.expected_kw, self.value_eur_kwh, self.peak_target_kw
        capacity = self._setting.fleet.storage.capacity_kwh
        known = np.nan_to_num(self.value_eur_kwh) @ capacity
        value = known / capacity.sum() if capacity.sum() > 0 else np.full(len(known), np.nan)
        return self.expected_kw.sum(axis=1, keepdims=True), value[:, None], self.peak_target_kw[:, :1]

    def accuracy(self) -> dict[str, Floats]:
        """Mean absolute errors of load and PV by lead time, per meter; empty with a perfect forecast."""
        setting = self._setting
        day = setting.steps_per_day
        learned = 2 * day
        if self._perfect or len(setting.load_kw) <= learned:
            return {}
        figures = {}
        for kind, actual in ((Kind.LOAD, setting.load_kw), (Kind.PV, setting.pv_kw)):
            for lead, errors in self._errors[kind].errors(actual, learned).items():
                figures[f"{kind.value}_{lead}"] = errors
            figures[f"{kind.value}_yesterday"] = mean_absolute_error(actual[learned - day : -day], actual[learned:])
        return figures

    def _value_at_meters(self, value_eur_kwh: Floats) -> Floats:
        """The tanks' mean by capacity, to be shown."""
        capacity = self._tanks.storage.capacity_kwh
        total = self._tanks.at_meters(capacity)
        worth = self._tanks.at_meters(value_eur_kwh * capacity)
        return np.asarray(np.divide(worth, total, out=np.full(len(total), np.nan), where=total > 0))

    def _futures(self, step: int) -> Floats:
        setting = self._setting
        if self._perfect:
            self.expected_kw[step] = self._net_kw[step]
            return _padded(self._net_kw, step, self._horizon)[:, None, :]
        slot = int(setting.slot[step])
        told = self._told(step)
        load, pv = self._load.forecast(slot, told), self._pv.forecast(slot, told)
        self._errors[Kind.LOAD].keep(step, load)
        self._errors[Kind.PV].keep(step, pv)
        self._forecast = load - pv
        self.expected_kw[step] = self._forecast[:, 0]
        futures = self._scenarios.scenarios(self._forecast)
        futures[:, :, len(self._net_kw) - step :] = 0.0  # the case ends
        return futures

    def _outlook(self, step: int, futures: Floats, mode: Literal["constant", "edge"] = "constant") -> Outlook:
        """After the end of the case prices are 0, or with `edge` the last ones."""
        setting, horizon = self._setting, self._horizon
        fee = setting.fee_eur_kwh if self._sharing else None
        return Outlook(
            net_kw=futures,
            buy_eur_kwh=_padded(self._buy_eur_kwh, step, horizon, mode),
            sell_eur_kwh=_padded(setting.sell_eur_kwh, step, horizon, mode),
            billed_kw=self._peaks.billed_kw(int(setting.month[step])),
            peaks=self._peaks.known(int(setting.month[step]), int(self._steps_left[step])),
            ends=step + horizon >= len(setting.load_kw),
            fee_eur_kwh=None if fee is None else _padded(fee[:, None], step, horizon, mode)[0],
        )

    def _learn(self, step: int) -> None:
        setting = self._setting
        if self._perfect:
            return
        slot = int(setting.slot[step])
        self._scenarios.update(self._forecast, self._net_kw[step])
        told = self._told(step)
        self._load.update(setting.load_kw[step], slot, told)
        self._pv.update(setting.pv_kw[step], slot, told)

    def _told(self, step: int) -> Weather | None:
        weather = self._setting.weather
        return None if weather is None else weather.next(step, self._horizon)


def _charged_at_once(setting: Setting) -> Delivery:
    """The cars under the plain rule."""
    hubs, hours = setting.hubs, setting.hours
    cars = Delivery(hubs, len(setting.load_kw), hours)

    def control(there: Cars, behind: Ints, _meter: int) -> Floats:
        return charge_at_once(there, hubs.limit_kw[behind])

    if hubs:
        for step in range(len(setting.load_kw)):
            cars.step(step, control, lambda _session, _missing_kwh: None)
    return cars


def _run_at_once(setting: Setting) -> Runs:
    """The tasks under the plain rule."""
    runs = Runs(setting.tasks, len(setting.load_kw), len(setting.sites))
    for number, row in enumerate(setting.tasks.rows):
        runs.begin(number, row.first)
    return runs


def _net_kw(setting: Setting, cars: Delivery, runs: Runs) -> Floats:
    """Of the meters without batteries."""
    return setting.net_kw + setting.cars_at_meters(cars.hub_kw) + setting.sites_at_meters(runs.site_kw)


def _drive(setting: Setting, control: Callable[[int, Floats], Floats], cars: Delivery, runs: Runs) -> Course:
    """Applies a controller's powers to the batteries step by step."""
    units, hours = setting.fleet.units, setting.hours
    energy = setting.start_energy_kwh.copy()
    powers, energies = [], []
    for step in range(len(setting.load_kw)):
        power = control(step, energy)
        energy = energy + units.stored_kwh(power, hours)
        powers.append(power)
        energies.append(energy)
    return _course(setting, np.array(powers), np.array(energies), cars, runs)


def _course(setting: Setting, battery_kw: Floats, energy_kwh: Floats, cars: Delivery, runs: Runs) -> Course:
    grid = _net_kw(setting, cars, runs) + setting.fleet.each_step_at_meters(battery_kw)
    return Course(battery_kw, energy_kwh, grid, cars.hub_kw, cars.missing_kwh, runs.site_kw)


def _perfect(setting: Setting) -> Course:
    """The cheapest course in hindsight, meter by meter."""
    fee = setting.fee_eur_kwh if setting.pays_to_share else None
    steps, buy_eur_kwh = len(setting.load_kw), setting.planned_buy_eur_kwh
    battery_kw = np.zeros((steps, len(setting.fleet.batteries)))
    energy_kwh = np.zeros_like(battery_kw)
    cars = Delivery(setting.hubs, steps, setting.hours)
    runs = Runs(setting.tasks, steps, len(setting.sites))
    for meter in range(len(setting.meters)):
        members = setting.fleet.behind(meter)
        batteries = [setting.fleet.batteries[number] for number in members]
        groups = [[members[place] for place in group] for group in alike(batteries)]
        if fee is not None:
            groups = _by_site(setting, groups)
        table = setting.hubs.in_hindsight(meter, steps, setting.hours)
        tasks = setting.tasks.in_hindsight(meter, steps)
        if not groups and not len(table.car) and tasks is None:
            continue
        storage = Storage.behind([[setting.fleet.batteries[number] for number in group] for group in groups])
        program = Program(
            storage,
            steps,
            setting.hours,
            _peak_rule(setting),
            cars=table if len(table.car) else None,
            tasks=tasks,
            sites=None if fee is None else _sites(setting, groups),
        )
        start = np.array([setting.start_energy_kwh[group].sum() for group in groups])
        net = setting.net_kw[:, meter] if fee is None else (setting.site_load_kw - setting.site_pv_kw).T
        schedule = program.solve(net, buy_eur_kwh[:, meter], setting.sell_eur_kwh[:, meter], start, fee=fee)
        for place, group in enumerate(groups):
            parts = np.array([setting.fleet.batteries[number].capacity_kwh for number in group])
            share = parts / parts.sum()
            battery_kw[:, group] = schedule.battery_kw[place][:, None] * share
            energy_kwh[:, group] = schedule.energy_kwh[place][:, None] * share
        cars.take(meter, table, schedule.drawn_kw)
        runs.take(meter, tasks, schedule.started)
    return _course(setting, battery_kw, energy_kwh, cars, runs)


def _by_site(setting: Setting, groups: list[list[int]]) -> list[list[int]]:
    """Groups of alike batteries, apart where their sites differ."""
    of = setting.site_of_battery
    return [[n for n in group if of[n] == site] for group in groups for site in np.unique(of[group])]


def _sites(setting: Setting, groups: list[list[int]]) -> SharingSites:
    of_battery = np.array([setting.site_of_battery[group[0]] for group in groups], dtype=np.int64)
    return SharingSites(len(setting.sites), of_battery, setting.hubs.site, setting.tasks.site)


def _peak_rule(setting: Setting) -> PeakRule | None:
    if setting.capacity.rate_eur_kw == 0:
        return None
    months = int(setting.month[-1]) + 1
    return PeakRule(
        setting.capacity.blocks(len(setting.load_kw), setting.hours),
        setting.month,
        np.full(months, setting.capacity.rate_eur_kw),
        np.full(months, setting.capacity.floor_kw),
    )


def _padded(series: Floats, step: int, horizon: int, mode: Literal["constant", "edge"] = "constant") -> Floats:
    """(meters, horizon) from `step` on, after the end 0 or, with `edge`, the last value."""
    part = series[step : step + horizon].T
    return np.pad(part, ((0, 0), (0, horizon - part.shape[1])), mode=mode)
