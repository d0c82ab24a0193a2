"""Plans for the communities that have batteries to steer: every quarter-hour and when prices change, in a process of its own.

Each plan reads the community's past quarter-hours and its batteries' charge, is made by energy/dispatch/rolling in a child
process, and is given to the balancer. Whatever is missing, there is a plan, and it says what is missing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from collector.live import LiveState
from collector.prices import MarketPrices, co2_curve
from collector.weather import WeatherFeed
from energy.balancing.cars import CarHere
from energy.balancing.machines import MachineWish
from energy.balancing.settings import PHASE_V, Steer
from energy.community import Community, Device, Site
from energy.dispatch.request import PlanAnswer, PlannedBattery, PlannedCar, PlannedRun, PlanRequest
from energy.errors import DataError
from energy.names import device_id
from energy.quantities import Role
from energy.quarters import QUARTER_MS, local_month, quarter_start
from energy.reasons import say
from energy.run_profile import duration_ms
from energy.tariff import CARRIED_PEAK, internal_prices, prices, shared_fees
from energy.weather_feed import series_of
from runtime.child import ask_child
from runtime.clock import Clock
from runtime.outage import Outage
from storage.history import DeviceQuarter, History, SiteQuarter
from storage.register import Register

__all__ = ["HORIZON", "NewPlan", "PlanJob", "request_of", "without_planned"]

log = logging.getLogger(__name__)

HORIZON: Final = 144  # quarter-hours: 36 h, so that tomorrow's evening is in it at any time of today
_PAST_DAYS: Final = 28
_DAY_MS: Final = 86_400_000
_LOOK_S: Final = 10.0
_AFTER_MS: Final = 45_000  # by then the quarter-hour before is computed
_WITHIN_S: Final = 180.0
_RETRY_S: Final = 50.0
_HALF: Final = 0.5
_PER_HOUR: Final = 4


@dataclass(frozen=True, slots=True)
class NewPlan:
    """A plan as it is published: when it was made (ms UTC), and what it had to do without."""

    community: str
    t: int
    plan: PlanAnswer
    missing: tuple[str, ...] = ()


@dataclass(slots=True)
class _Course:
    """What is kept of a community between its plans."""

    community: Community
    market: MarketPrices | None
    feed: WeatherFeed | None = None
    co2: MarketPrices | None = None
    quarter: int = 0
    due: bool = True
    guessed: bool = False  # the newest plan knew less than a day
    wanted: set[tuple[object, ...]] = field(default_factory=set)  # by cars and machines, when the newest plan was made
    outage: Outage = field(default_factory=lambda: Outage(log, "the planner waits: %s"))


class PlanJob:
    """`run` is a task of the collector; `on_plan` is told of each plan. `cars`: those of a community that are planned by price;
    `machines`: those that somebody wants to run.
    """

    def __init__(
        self,
        communities: Iterable[Community],
        history: History,
        live: LiveState,
        clock: Clock,
        on_plan: Callable[[NewPlan], None],
        cars: Callable[[str], tuple[CarHere, ...]] = lambda _: (),
        register: Register | None = None,
        machines: Callable[[str], tuple[tuple[str, MachineWish], ...]] = lambda _: (),
    ) -> None:
        self._cars = cars
        self._machines = machines
        self._history = history
        self._live = live
        self._clock = clock
        self._on_plan = on_plan
        self._courses = [
            _Course(
                community,
                MarketPrices(market) if (market := community.tariff.market) else None,
                _feed(community, register),
                co2_curve(community.tariff.co2) if community.tariff.co2 is not None else None,
            )
            for community in communities
            if community.balancer.on and any((*_batteries(community), *_by_price(community), *_machines(community)))
        ]

    async def run(self) -> None:
        """Plans until cancelled; one community after the other, for planning has time."""
        while self._courses:
            for course in self._courses:
                try:
                    with course.outage:
                        await self.look(course)
                except DataError as error:  # the plan before goes on to count for a while
                    log.warning("%s could not be planned: %s", course.community.id, error)
                    await self._clock.sleep(_RETRY_S * self._clock.speed)
            await self._clock.sleep(_LOOK_S * self._clock.speed)

    async def look(self, course: _Course) -> None:
        """Plans when it is time. Raises StoreError, DataError."""
        now_ms = self._clock.now_ms()
        if course.market is not None and await course.market.refresh(now_ms):
            course.due = True
        if course.co2 is not None and await course.co2.refresh(now_ms):
            course.due = True
        if course.feed is not None and await course.feed.refresh(now_ms):
            course.due = True
        quarter = quarter_start(now_ms)
        cars, machines = self._cars(course.community.id), self._machines(course.community.id)
        wanted: set[tuple[object, ...]] = {(car.device, car.since_ms, car.wish) for car in cars}
        wanted.update(machines)
        if wanted != course.wanted:
            course.due = True
        if quarter > course.quarter and now_ms - quarter >= _AFTER_MS:
            course.due = True
        if course.guessed and await asyncio.to_thread(self._knows_a_day, course.community, quarter):
            course.due = True
        if not course.due:
            return
        market = course.market.known if course.market is not None else {}
        request = await asyncio.to_thread(self._request, course, quarter, market, cars, machines)
        answer = await ask_child("collector.planner", msgspec.json.encode(request), _WITHIN_S)
        plan = msgspec.json.decode(answer, type=PlanAnswer)
        course.due, course.quarter, course.guessed = False, quarter, plan.days < 1
        course.wanted = wanted
        self._on_plan(NewPlan(course.community.id, self._clock.now_ms(), plan, _missing(course, plan)))

    def _request(
        self,
        course: _Course,
        quarter: int,
        market: dict[int, float],
        cars: tuple[CarHere, ...],
        machines: tuple[tuple[str, MachineWish], ...],
    ) -> PlanRequest:
        """Raises StoreError. Blocks."""
        community = course.community
        sites = [site.id for site in community.sites]
        since = quarter - _PAST_DAYS * _DAY_MS
        if community.tariff.capacity is not None:
            since = min(since, local_month(local_month(quarter, community.timezone)[0] - 1, community.timezone)[0])
        rows = self._history.site_quarters(sites, since, quarter)
        rows = without_planned(rows, self._planned_quarters(community, quarter))
        request = request_of(community, quarter, rows, market, self._soc_pct, cars, machines)
        if course.co2 is not None:
            request = replace(request, co2_kg_kwh=_ahead(course.co2.known, quarter))
        if course.feed is None:
            return request
        steps = len(request.load_kw)
        first, end = quarter - steps * QUARTER_MS, quarter + HORIZON * QUARTER_MS
        told = series_of(course.feed.told(first, end, self._clock.now_ms()), first, steps + HORIZON)
        return replace(request, irradiance_wm2=told[0], temperature_c=told[1])

    def _knows_a_day(self, community: Community, quarter: int) -> bool:
        """Whether there is a past by now, which was not there or not computed when the plan was made. Raises StoreError. Blocks."""
        sites = [site.id for site in community.sites]
        return bool(self._history.site_quarters(sites, quarter - _PAST_DAYS * _DAY_MS, quarter - _DAY_MS))

    def _planned_quarters(self, community: Community, quarter: int) -> list[DeviceQuarter]:
        """What chargers by price and machines drew: of them there is a plan, and no forecast."""
        planned = (*_by_price(community), *_machines(community))
        names = [device_id(site.id, device.id) for site, device, _ in planned]
        since = quarter - _PAST_DAYS * _DAY_MS
        return [each for name in names for each in self._history.device_quarters(name, since, quarter)]

    def _soc_pct(self, device: str) -> float | None:
        latest = self._live.latest.get(device)
        value = None if latest is None else latest.values.get("soc_pct")
        return float(value) if isinstance(value, int | float) else None


def without_planned(rows: Sequence[SiteQuarter], planned: Iterable[DeviceQuarter]) -> list[SiteQuarter]:
    """The sites' consumption without that of devices which are planned apart, as far as both are known."""
    drawn: dict[tuple[str, int], float] = {}
    for each in planned:
        place = each.tags.site, each.start
        drawn[place] = drawn.get(place, 0.0) + (each.import_wh or 0.0)
    return [
        msgspec.structs.replace(row, consumption_wh=max(0.0, row.consumption_wh - drawn[row.site, row.start]))
        if row.consumption_wh is not None and (row.site, row.start) in drawn
        else row
        for row in rows
    ]


def request_of(
    community: Community,
    quarter: int,
    rows: Sequence[SiteQuarter],
    market: dict[int, float],
    soc_pct: Callable[[str], float | None],
    cars: tuple[CarHere, ...] = (),
    machines: tuple[tuple[str, MachineWish], ...] = (),
) -> PlanRequest:
    """What the planner is asked for `community` from `quarter` on. `rows`: its past; an unknown charge counts as half.

    Where peaks cost, each site is a meter of its own; where only what they share costs, each is a site of the pool; else
    all are one meter, for they share per quarter-hour.
    """
    capacity = community.tariff.capacity
    sites = [site.id for site in community.sites]
    ahead = [quarter + step * QUARTER_MS for step in range(HORIZON)]
    fees = shared_fees(community.tariff, ahead, community.timezone, community.grid_type) if capacity is None else []
    apart = capacity is not None or any(fees)
    meters = tuple(sites) if apart else (community.id,)
    meter_of = {site: index if apart else 0 for index, site in enumerate(sites)}
    load, pv = _past(rows, _starts(rows, quarter), sites)
    buy, sell = prices(community.tariff, ahead, community.timezone, market)
    return PlanRequest(
        community=community.id,
        t=quarter,
        timezone=community.timezone,
        meters=meters,
        meter_of_site=tuple(meter_of.values()),
        load_kw=load,
        pv_kw=pv,
        buy_eur_kwh=buy,
        sell_eur_kwh=sell,
        batteries=tuple(
            _planned(name, device, meter_of[site], soc_pct(name)) for name, site, device in _batteries(community)
        ),
        peak_rate_eur_kw=capacity.month_rate_eur_kw if capacity is not None else 0.0,
        billed_kw=_billed_kw(community, rows, quarter) if capacity is not None else (),
        month_kw=_billed_kw(community, rows, quarter, carried=0.0) if capacity is not None else (),
        daily_kw=_daily_kw(community, rows, quarter) if capacity is not None else [],
        places=_places(community, apart=apart),
        fee_eur_kwh=fees if any(fees) else [],
        co2_eur_kg=community.tariff.co2_eur_kg,
        internal_eur_kwh=internal_prices(community.tariff, ahead, community.timezone),
        cars=tuple(_planned_cars(community, cars, meter_of)),
        runs=tuple(_planned_runs(community, quarter, machines, meter_of)),
    )


def _ahead(known: dict[int, float], quarter: int) -> list[float]:
    """A curve from `quarter` on, where it is not known as a day before, else its mean; empty where nothing is."""
    if not known:
        return []
    mean = sum(known.values()) / len(known)
    starts = [quarter + step * QUARTER_MS for step in range(HORIZON)]
    return [known.get(start, known.get(start - _DAY_MS, mean)) for start in starts]


def _places(community: Community, *, apart: bool) -> tuple[tuple[float, float], ...]:
    """Where each meter stands, of a pool the middle of its sites; nothing while one of them is not known."""
    known = [
        (site.latitude, site.longitude)
        for site in community.sites
        if site.latitude is not None and site.longitude is not None
    ]
    if not known or len(known) < len(community.sites):
        return ()
    if apart:
        return tuple(known)
    latitudes, longitudes = zip(*known, strict=True)
    return ((sum(latitudes) / len(known), sum(longitudes) / len(known)),)


def _feed(community: Community, register: Register | None) -> WeatherFeed | None:
    """The weather at the middle of the sites, where one is configured and their place is known."""
    place = community.middle
    if community.weather is None or place is None or register is None:
        return None
    return WeatherFeed(community, place, register)


def _batteries(community: Community) -> Iterable[tuple[str, str, Device]]:
    """(device, site, what it is) of the batteries that are steered."""
    for site in community.sites:
        for device in site.devices:
            if device.role is Role.BATTERY and device.steer is not None:
                yield device_id(site.id, device.id), site.id, device


def _planned(name: str, device: Device, meter: int, soc_pct: float | None) -> PlannedBattery:
    steer = device.steer
    assert steer is not None
    low_w, high_w = steer.bounds(device.role, device.rated_w)
    usable = (steer.soc_max_pct - steer.soc_min_pct) / 100
    charge = _HALF if soc_pct is None else (soc_pct - steer.soc_min_pct) / (steer.soc_max_pct - steer.soc_min_pct)
    capacity_kwh = (device.capacity_wh or 0.0) / 1000 * usable
    return PlannedBattery(
        id=name,
        meter=meter,
        capacity_kwh=capacity_kwh,
        charge_kw=-low_w / 1000,
        discharge_kw=high_w / 1000,
        efficiency=steer.round_trip_efficiency**0.5,
        wear_eur_kwh=steer.wear_eur_kwh,
        energy_kwh=capacity_kwh * min(1.0, max(0.0, charge)),
    )


def _by_price(community: Community) -> Iterable[tuple[Site, Device, Steer]]:
    """The chargers whose cars are planned by price."""
    for site in community.sites:
        for device in site.devices:
            if device.steer is not None and device.steer.charge == "by_price":
                yield site, device, device.steer


def _planned_cars(community: Community, cars: tuple[CarHere, ...], meter_of: dict[str, int]) -> Iterable[PlannedCar]:
    here = {car.device: car for car in cars}
    for site, device, steer in _by_price(community):
        car = here.get(device_id(site.id, device.id))
        if car is None or car.missing_wh <= 0:
            continue
        phases = 1 if steer.one_phase else len(steer.wired)
        yield PlannedCar(
            id=car.device,
            meter=meter_of[site.id],
            site=site.id,
            missing_kwh=car.missing_wh / 1000,
            least_kw=steer.least_a * PHASE_V * phases / 1000,
            most_kw=steer.bounds(device.role, device.rated_w)[1] / 1000,
            ready_ms=car.wish.ready_ms,
            limit_kw=None if site.import_limit_w is None else site.import_limit_w / 1000,
        )


def _machines(community: Community) -> Iterable[tuple[Site, Device, Steer]]:
    """The machines that run once when somebody wants it."""
    for site in community.sites:
        for device in site.devices:
            if device.steer is not None and device.steer.run is not None:
                yield site, device, device.steer


def _planned_runs(
    community: Community, quarter: int, wanted: tuple[tuple[str, MachineWish], ...], meter_of: dict[str, int]
) -> Iterable[PlannedRun]:
    wishes = dict(wanted)
    for site, device, steer in _machines(community):
        name = device_id(site.id, device.id)
        wish = wishes.get(name)
        if wish is None or (wish.started_ms is not None and wish.started_ms + duration_ms(steer.parts) <= quarter):
            continue
        yield PlannedRun(
            name, meter_of[site.id], steer.parts, wish.earliest_ms, wish.finish_ms, wish.t, wish.started_ms
        )


def _starts(rows: Sequence[SiteQuarter], quarter: int) -> range:
    """The quarter-hours of the past, from the first of which anything is known."""
    first = max(min((row.start for row in rows), default=quarter), quarter - _PAST_DAYS * _DAY_MS)
    return range(first, quarter, QUARTER_MS)


def _past(
    rows: Sequence[SiteQuarter], starts: range, sites: Sequence[str]
) -> tuple[list[list[float | None]], list[list[float | None]]]:
    """Load and PV, kW by quarter-hour and site; None: unknown."""
    place = {site: index for index, site in enumerate(sites)}
    load: list[list[float | None]] = [[None] * len(sites) for _ in starts]
    pv: list[list[float | None]] = [[None] * len(sites) for _ in starts]
    for row in rows:
        if row.start not in starts or row.site not in place:
            continue
        step = (row.start - starts.start) // QUARTER_MS
        for series, energy_wh in ((load, row.consumption_wh), (pv, row.pv_wh)):
            series[step][place[row.site]] = None if energy_wh is None else energy_wh * _PER_HOUR / 1000
    return load, pv


def _billed_kw(
    community: Community, rows: Sequence[SiteQuarter], quarter: int, carried: float = CARRIED_PEAK
) -> tuple[float, ...]:
    """By site, what this month will be billed at least: its peak so far, `carried` of last month's, the floor."""
    capacity = community.tariff.capacity
    assert capacity is not None
    month, _ = local_month(quarter, community.timezone)
    peaks = dict.fromkeys((site.id for site in community.sites), capacity.least_kw)
    for row in rows:
        if row.import_wh is not None and row.site in peaks:
            share = 1.0 if row.start >= month else carried
            peaks[row.site] = max(peaks[row.site], share * row.import_wh * _PER_HOUR / 1000)
    return tuple(peaks.values())


def _daily_kw(community: Community, rows: Sequence[SiteQuarter], quarter: int) -> list[list[float]]:
    """By day and site, the highest imports of the last days; days of which nothing is known are left out."""
    place = {site.id: index for index, site in enumerate(community.sites)}
    days: dict[int, list[float]] = {}
    for row in rows:
        back = (quarter - QUARTER_MS - row.start) // _DAY_MS
        if row.import_wh is not None and row.site in place and back < _PAST_DAYS:
            day = days.setdefault(back, [0.0] * len(place))
            day[place[row.site]] = max(day[place[row.site]], row.import_wh * _PER_HOUR / 1000)
    return [days[back] for back in sorted(days, reverse=True)]


def _missing(course: _Course, plan: PlanAnswer) -> tuple[str, ...]:
    """What the plan had to do without, in sentences."""
    told = []
    if plan.days < 1:
        told.append(say("short_past", hours=f"{plan.days * 24:.0f}"))
    if plan.estimated > 0:
        told.append(say("filled_in", pct=f"{100 * plan.estimated:.1f}"))
    if course.market is not None:
        known = sum(step.start in course.market.known for step in plan.steps)
        if known < len(plan.steps):
            hours = f"{len(plan.steps) / _PER_HOUR:g}"
            told.append(say("prices_known", known=f"{known / _PER_HOUR:g}", hours=hours))
        if course.market.problem is not None:
            told.append(say("prices_problem", problem=course.market.problem))
    if course.co2 is not None:
        missing = sum(step.start not in course.co2.known for step in plan.steps)
        if missing and not course.co2.known:
            told.append(say("co2_unknown"))
        elif missing:
            hours = f"{len(plan.steps) / _PER_HOUR:g}"
            told.append(say("co2_guessed", guessed=f"{missing / _PER_HOUR:g}", hours=hours))
        if course.co2.problem is not None:
            told.append(say("co2_problem", problem=course.co2.problem))
    if course.community.weather is not None and course.feed is None:
        told.append(say("no_weather"))
    if course.feed is not None and course.feed.problem is not None:
        told.append(say("weather_problem", problem=course.feed.problem))
    return tuple(told)
