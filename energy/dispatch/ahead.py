"""Cars of a running community by price: when each is charged so that it is ready in time. One linear program a meter.

What a charger's operator says of deadline and energy is taken as it is; whose departures are guesses is a matter of `charging`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from energy.dispatch.charging import Cars, realisable_kw
from energy.dispatch.fleet import Tanks
from energy.dispatch.planner import Outlook
from energy.dispatch.program import CarTable, PeakRule, Program
from energy.dispatch.request import PlannedCar, PlanRequest
from energy.dispatch.storage import Floats
from energy.quarters import QUARTER_MS

__all__ = ["plan_cars"]

_HOURS: Final = 0.25
_WORTH: Final = 20.0  # of a kWh in a car in mean prices: one that is not ready is a service not given
_SOONER: Final = 1e-6  # a step; of hours that cost the same the first


def plan_cars(request: PlanRequest, outlook: Outlook, tanks: Tanks, stored: Floats) -> dict[str, list[float]]:
    """By charger, the mean power in W of each quarter-hour for which there are prices."""
    planned: dict[str, list[float]] = {}
    net = outlook.net_kw.mean(axis=1)
    for meter in range(len(request.meters)):
        cars = [car for car in request.cars if car.meter == meter]
        if not cars:
            continue
        buy, sell = outlook.prices_at(meter)
        behind = tanks.behind[meter]
        table = _table(cars, request.t, len(buy), max(0.01, float(buy.mean())))
        peaks = _peaks(request.peak_rate_eur_kw, float(outlook.billed_kw[meter]), len(buy))
        program = Program(tanks.storage.select(behind), len(buy), _HOURS, peaks, cars=table)
        end_value = float(buy.mean() + sell.mean()) / 2
        found = program.solve(net[meter], buy, sell, stored[behind], end_value)
        drawn = np.zeros((len(cars), len(buy)))
        drawn[table.car, table.step] = found.drawn_kw
        drawn[:, 0] = realisable_kw(_now(cars, table), drawn[:, 0], _HOURS, table.limit_kw)
        for car, power_kw in zip(cars, drawn, strict=True):
            planned[car.id] = [round(1000 * max(0.0, float(value))) + 0.0 for value in power_kw]
    return planned


def _table(cars: Sequence[PlannedCar], start_ms: int, steps: int, mean_price: float) -> CarTable:
    left = np.array([(car.ready_ms - start_ms) / QUARTER_MS for car in cars])[:, None]
    part = np.clip(left - np.arange(steps), 0.0, 1.0)  # of each step, that the car is still there
    part[left[:, 0] <= 0, 0] = 1.0  # too late is as soon as possible
    car, step = np.nonzero(part)
    most = np.array([each.most_kw for each in cars])
    sites = sorted({each.site for each in cars})
    limits = {each.site: each.limit_kw for each in cars}
    return CarTable(
        car=car,
        step=step,
        most_kw=most[car] * part[car, step],
        chance=np.float64(1.0) - _SOONER * step,
        energy_kwh=np.array([each.missing_kwh for each in cars]),
        worth_eur_kwh=np.full(len(cars), _WORTH * mean_price),
        hub=np.array([sites.index(each.site) for each in cars]),
        limit_kw=np.array([np.inf if (limit := limits[site]) is None else limit for site in sites]),
    )


def _peaks(rate: float, billed_kw: float, steps: int) -> PeakRule | None:
    if rate == 0:
        return None
    alone = np.zeros(steps, dtype=np.int64)
    return PeakRule(np.arange(steps), alone, np.array([rate]), np.array([billed_kw]))


def _now(cars: Sequence[PlannedCar], table: CarTable) -> Cars:
    """As `realisable_kw` takes them; what they are for other times is not asked there."""
    nought = np.zeros(len(cars))
    least, most = (np.array([getattr(car, name) for car in cars]) for name in ("least_kw", "most_kw"))
    missing = table.energy_kwh
    return Cars(table.hub, missing, missing, least, most, nought, nought, nought)
