"""Runs in EMHASS's own environment: plans a battery by EMHASS's optimiser; JSON in and out. No part of the product.

In: `load_kw`, `pv_kw`, `buy`, `sell` of a day and the week after it, hourly, `battery`, `repeat`. Out: cost of the week's optimum,
cost of the week with yesterday's values as forecast and the setpoint held, CPU seconds for each solve of 24 steps.
"""

import json
import logging
import pathlib
import sys
import time
from importlib.metadata import version
from typing import Any

import emhass
import numpy as np
import pandas as pd
from emhass.optimization import Optimization

DAY, WEEK = 24, 168


def _configuration(task: dict[str, Any]) -> dict[str, Any]:
    """EMHASS's defaults, one battery of the task's, no other loads, an exact solution asked for."""
    path = pathlib.Path(emhass.__file__).parent / "data" / "config_defaults.json"
    battery = task["battery"]
    efficiency = battery["round_trip"] ** 0.5
    return json.loads(path.read_text()) | {
        "optimization_time_step": pd.Timedelta("1h"),
        "time_zone": "UTC",
        "number_of_deferrable_loads": 0,
        "nominal_power_of_deferrable_loads": [],
        "lp_solver_mip_rel_gap": 0.0,
        "num_threads": 1,
        "set_use_battery": True,
        "set_use_pv": True,
        "set_nodischarge_to_grid": False,
        "maximum_power_from_grid": 100_000,
        "maximum_power_to_grid": 100_000,
        "battery_nominal_energy_capacity": 1000 * battery["kwh"],
        "battery_charge_power_max": 1000 * battery["kw"],
        "battery_discharge_power_max": 1000 * battery["kw"],
        "battery_charge_efficiency": efficiency,
        "battery_discharge_efficiency": efficiency,
        "battery_minimum_state_of_charge": 0.0,
        "battery_maximum_state_of_charge": 1.0,
        "battery_target_state_of_charge": 0.0,
    }


class Emhass:
    """EMHASS's optimiser over a number of steps, kept between solves."""

    def __init__(self, task: dict[str, Any], steps: int) -> None:
        conf = _configuration(task) | {"delta_forecast_daily": pd.Timedelta(hours=steps)}
        root = pathlib.Path(emhass.__file__).parent
        paths = {"root_path": root, "data_path": pathlib.Path("/nonexistent")}
        quiet = logging.getLogger("emhass-quiet")
        quiet.setLevel(logging.CRITICAL)
        self._steps = steps
        self._optimiser = Optimization(
            conf, conf, conf, "unit_load_cost", "unit_prod_price", "profit", paths, quiet, opt_time_delta=steps
        )

    def battery_kw(self, series: dict[str, np.ndarray], soc: float) -> np.ndarray:
        """The planned powers, discharging positive, from a state of charge; empty at the end."""
        index = pd.date_range("2026-01-01", periods=self._steps, freq="1h", tz="UTC")
        prices = pd.DataFrame({"unit_load_cost": series["buy"], "unit_prod_price": series["sell"]}, index=index)
        pv = pd.Series(1000 * series["pv_kw"], index=index)
        load = pd.Series(1000 * series["load_kw"], index=index)
        found = self._optimiser.perform_naive_mpc_optim(prices, pv, load, self._steps, soc_init=soc, soc_final=0.0)
        return found["P_batt"].to_numpy() / 1000


def _cost(net_kw: np.ndarray, buy: np.ndarray, sell: np.ndarray) -> float:
    return float((np.maximum(net_kw, 0) * buy - np.maximum(-net_kw, 0) * sell).sum())


def _held(task: dict[str, Any], series: dict[str, np.ndarray]) -> tuple[float, list[float]]:
    """Every hour a plan with the last 24 hours as forecast, its first setpoint held: cost of the week, seconds by solve."""
    battery, planner = task["battery"], Emhass(task, DAY)
    efficiency = battery["round_trip"] ** 0.5
    energy, grid, seconds = 0.0, [], []
    for hour in range(DAY, DAY + WEEK):
        ahead = {name: series[name][hour - DAY : hour] for name in ("load_kw", "pv_kw")}
        ahead |= {name: np.resize(series[name][hour : hour + DAY], DAY) for name in ("buy", "sell")}
        began = time.process_time()
        power = float(planner.battery_kw(ahead, energy / battery["kwh"])[0])
        seconds.append(time.process_time() - began)
        power = min(max(power, (energy - battery["kwh"]) / efficiency), energy * efficiency)
        energy -= power / efficiency if power > 0 else power * efficiency
        grid.append(series["load_kw"][hour] - series["pv_kw"][hour] - power)
    return _cost(np.array(grid), series["buy"][DAY:], series["sell"][DAY:]), seconds


def main() -> None:
    """Reads the task, prints what was found."""
    task = json.load(sys.stdin)
    series = {name: np.array(task[name]) for name in ("load_kw", "pv_kw", "buy", "sell")}
    week = {name: values[DAY:] for name, values in series.items()}
    planned = Emhass(task, WEEK).battery_kw(week, 0.0)
    optimum = _cost(week["load_kw"] - week["pv_kw"] - planned, week["buy"], week["sell"])
    held, seconds = _held(task, series)
    json.dump({"version": version("emhass"), "optimum": optimum, "held": held, "seconds": {"24": seconds}}, sys.stdout)


if __name__ == "__main__":
    main()
