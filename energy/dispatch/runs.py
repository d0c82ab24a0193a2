"""Machines of a running community that run once: when each is likely to begin, and what they all will draw."""

from __future__ import annotations

from typing import Final

import numpy as np

from energy.dispatch.planner import Outlook
from energy.dispatch.program import MeterOutlook
from energy.dispatch.request import PlannedRun, PlannedStart, PlanRequest
from energy.dispatch.shifting import ShiftPlanner, Task, profile_kw
from energy.dispatch.storage import Floats, Storage
from energy.quarters import QUARTER_MS
from energy.run_profile import duration_ms

__all__ = ["plan_runs"]

_HOURS: Final = 0.25


def plan_runs(
    request: PlanRequest, outlook: Outlook, storage: Storage, stored_kwh: Floats
) -> tuple[dict[str, PlannedStart], Floats]:
    """By machine that has not begun its likely start; and what all draw: (meters, steps), kW.

    `storage`, `stored_kwh`: behind each meter, as one.
    """
    horizon = outlook.net_kw.shape[2]
    starts: dict[str, PlannedStart] = {}
    drawn = np.zeros((len(request.meters), horizon))
    for meter in range(len(request.meters)):
        runs = [run for run in request.runs if run.meter == meter]
        for run in runs:
            if run.started_ms is not None:
                drawn[meter] += _left_kw(run, request.t, horizon)
        waiting = [run for run in runs if run.started_ms is None]
        if not waiting:
            continue
        one = np.array([meter])
        planner = ShiftPlanner(storage.select(one), horizon, _HOURS, request.peak_rate_eur_kw)
        net = outlook.net_kw[meter].mean(axis=0) + drawn[meter]
        buy, sell = outlook.prices_at(meter)
        billed = float(outlook.billed_kw[meter])
        plan = planner.plan(
            [_task(run, request.t, horizon) for run in waiting], MeterOutlook(net, buy, sell, billed, stored_kwh[one])
        )
        drawn[meter] += plan.waiting_kw
        for run, now, step in zip(waiting, plan.now, plan.likely, strict=True):
            starts[run.id] = PlannedStart(max(run.earliest_ms, request.t + step * QUARTER_MS), run.said_ms)
            if now:
                power = profile_kw(run.parts, _HOURS)[:horizon]
                drawn[meter, : len(power)] += power
    return starts, drawn


def _task(run: PlannedRun, start_ms: int, horizon: int) -> Task:
    """From the quarter-hour in which it may begin to the last in which it ends in time; too late is now."""
    power = profile_kw(run.parts, _HOURS)
    first = min(max(0, (run.earliest_ms - start_ms) // QUARTER_MS), horizon - 1)
    last = (run.finish_ms - duration_ms(run.parts) - start_ms) // QUARTER_MS
    return Task(power, first, max(first, last))


def _left_kw(run: PlannedRun, start_ms: int, horizon: int) -> Floats:
    """What a run that has begun still draws in each step."""
    assert run.started_ms is not None
    ends_h = np.cumsum([0.0, *(minutes / 60 for minutes, _ in run.parts)])
    energy_kwh = np.cumsum([0.0, *(minutes / 60 * watts / 1000 for minutes, watts in run.parts)])
    begun_h = (start_ms - run.started_ms) / 3_600_000
    at = np.interp(begun_h + np.arange(horizon + 1) * _HOURS, ends_h, energy_kwh)
    return np.asarray(np.diff(at) / _HOURS)
