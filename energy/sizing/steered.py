"""What the production planner and balancer would have asked of batteries: forecasts from the past, never from what came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from energy.dispatch.fleet import tanks_of
from energy.dispatch.planner import Outlook, Planner
from energy.dispatch.storage import Battery
from energy.forecast.calendar import slots_of_week
from energy.forecast.profile import Kind, ProfileForecaster
from energy.forecast.scenarios import ErrorScenarios
from energy.sharing.whole import IntArray
from energy.sizing.store import Store
from energy.sizing.yields import Floats

__all__ = ["Meters", "steered_wishes"]

_DAY: Final = 96
_HOURS: Final = 0.25
_HORIZON: Final = 144  # 36 h, as in the running system
_SCENARIO_DAYS: Final = 21


@dataclass(frozen=True, slots=True)
class Meters:
    """Meters that differ in their PV and battery: Wh (quarter-hours, meters), prices EUR/kWh of each quarter-hour."""

    load_wh: IntArray
    pv_wh: IntArray
    buy: Floats
    sell: Floats


def steered_wishes(meters: Meters, stores: Sequence[Store], starts: npt.NDArray[np.int64], timezone: str) -> IntArray:
    """Wh wished of each meter's battery (negative: give) in each quarter-hour; all meters are planned at once."""
    load, pv = meters.load_wh * 4 / 1000, meters.pv_wh * 4 / 1000
    batteries = [_battery(store) for store in stores]
    tanks, _ = tanks_of(batteries, range(len(stores)), len(stores))
    planner = Planner(tanks, _HORIZON, _HOURS)
    learner = _Learner(len(stores), slots_of_week(starts.tolist(), timezone, _DAY))
    stored = np.zeros(len(stores))
    wishes = np.zeros(load.shape, dtype=np.int64)
    for step in range(len(load)):
        ahead = learner.ahead(step)
        plan = planner.plan(_outlook(learner.scenarios(ahead), meters, step, len(stores)), stored)
        net = load[step] - pv[step]
        power = plan.battery_kw(net, stored, _HOURS)
        stored = stored + tanks.storage.stored_kwh(power, _HOURS)
        wishes[step] = np.rint(tanks.at_meters(power) * 250)
        learner.learn(step, ahead, load[step], pv[step])
    return wishes


def _battery(store: Store) -> Battery:
    each_way = store.efficiency**0.5
    power_kw = store.power_w / 1000
    return Battery(store.capacity_wh / 1000, power_kw, power_kw, each_way, each_way)


def _outlook(scenarios: Floats, meters: Meters, step: int, count: int) -> Outlook:
    def ahead(series: Floats) -> Floats:
        part = series[step : step + _HORIZON]
        return np.tile(np.pad(part, (0, _HORIZON - len(part)), mode="edge"), (count, 1))

    return Outlook(scenarios, ahead(meters.buy), ahead(meters.sell), np.zeros(count))


class _Learner:
    """The forecasts of load and PV of each meter, and how wrong they were."""

    def __init__(self, count: int, slots: npt.NDArray[np.int64]) -> None:
        self._slots = slots
        self._load = ProfileForecaster(count, _DAY, _HORIZON, Kind.LOAD)
        self._pv = ProfileForecaster(count, _DAY, _HORIZON, Kind.PV)
        self._errors = ErrorScenarios(count, _DAY, _HORIZON, _SCENARIO_DAYS)

    def ahead(self, step: int) -> Floats:
        slot = int(self._slots[step])
        return self._load.forecast(slot) - self._pv.forecast(slot)

    def scenarios(self, ahead: Floats) -> Floats:
        return self._errors.scenarios(ahead)

    def learn(self, step: int, ahead: Floats, load_kw: Floats, pv_kw: Floats) -> None:
        self._errors.update(ahead, load_kw - pv_kw)
        slot = int(self._slots[step])
        self._load.update(load_kw, slot)
        self._pv.update(pv_kw, slot)
