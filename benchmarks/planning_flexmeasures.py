"""Runs in FlexMeasures' own environment: plans batteries by its scheduler; JSON in and out. No part of the product.

In: `load_kw`, `pv_kw`, `buy`, `sell` of a day and the week after it, hourly, `battery`, `repeat`, and `quarters`: 96 steps of a
site with 20 batteries. Out: cost of the week's optimum, and CPU seconds for each solve of 96 steps with 1 and 20 batteries.
The scheduler is called itself, without the database, queue and checks around it, which a user pays for as well.
"""

import json
import sys
import time
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from flask import Flask
from flexmeasures.data.models.planning import FlowCommitment
from flexmeasures.data.models.planning.highspy_optimization import device_scheduler_highspy
from flexmeasures.data.models.planning.utils import initialize_df

COLUMNS = [
    "equals",
    "max",
    "min",
    "efficiency",
    "derivative equals",
    "derivative max",
    "derivative min",
    "derivative down efficiency",
    "derivative up efficiency",
    "stock delta",
]


def _schedule(
    net_kw: np.ndarray, buy: np.ndarray, sell: np.ndarray, batteries: list[dict[str, float]], hours: float
) -> Any:
    """Powers by device, the net load first, then the batteries, from empty."""
    start = pd.Timestamp("2026-01-01", tz="UTC")
    step = pd.Timedelta(hours=hours)
    end = start + len(net_kw) * step
    index = pd.date_range(start, end, freq=step, inclusive="left")
    site = initialize_df(COLUMNS, start, end, step)
    site["derivative equals"] = net_kw
    devices = [site]
    for battery in batteries:
        table = initialize_df(COLUMNS, start, end, step)
        efficiency = battery["round_trip"] ** 0.5
        table["min"], table["max"] = 0.0, battery["kwh"] / hours  # stock counts power times steps
        table["derivative min"], table["derivative max"] = -battery["kw"], battery["kw"]
        table["derivative down efficiency"] = table["derivative up efficiency"] = efficiency
        devices.append(table)
    limits = initialize_df(["derivative max", "derivative min"], start, end, step)
    energy = FlowCommitment(
        name="energy",
        index=index,
        quantity=0,
        upwards_deviation_price=pd.Series(buy * hours, index=index),
        downwards_deviation_price=pd.Series(sell * hours, index=index),
    )
    powers, _, results, _ = device_scheduler_highspy(devices, limits, commitments=[energy], initial_stock=0)
    assert results.solver.termination_condition == "optimal", results.solver.termination_condition
    return np.array([power.to_numpy() for power in powers])


def _cost(net_kw: np.ndarray, buy: np.ndarray, sell: np.ndarray) -> float:
    return float((np.maximum(net_kw, 0) * buy - np.maximum(-net_kw, 0) * sell).sum())


def _seconds(task: dict[str, Any], count: int) -> list[float]:
    quarters = {name: np.array(values) for name, values in task["quarters"].items() if name != "batteries"}
    batteries = task["quarters"]["batteries"][:count]
    seconds = []
    for _ in range(task["repeat"]):
        began = time.process_time()
        _schedule(quarters["net_kw"], quarters["buy"], quarters["sell"], batteries, 0.25)
        seconds.append(time.process_time() - began)
    return seconds


def main() -> None:
    """Reads the task, prints what was found."""
    task = json.load(sys.stdin)
    load, pv, buy, sell = (np.array(task[name])[24:] for name in ("load_kw", "pv_kw", "buy", "sell"))
    app = Flask("planning")
    app.config |= {"FLEXMEASURES_LP_SOLVER": "highspy", "LOGGING_LEVEL": "WARNING"}
    with app.app_context():
        grid = _schedule(load - pv, buy, sell, [task["battery"]], 1.0).sum(axis=0)
        seconds = {str(count): _seconds(task, count) for count in (1, 20)}
    found = {"version": version("flexmeasures"), "optimum": _cost(grid, buy, sell), "seconds": seconds}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
