"""What a back-test found, as facts for result.json: costs, energies, peaks, rates, members' bills, accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cli.backtest.case import CaseFile
from cli.backtest.members import costs, members_of, sharing_of
from cli.backtest.run import CommunityRun, Course
from cli.backtest.setting import Setting
from energy.dispatch.program import shared_kw

__all__ = ["CONTROLLERS", "facts_of", "series_of"]

CONTROLLERS = ("no_control", "plain_rule", "commonwatt", "perfect_foresight")


def facts_of(case: CaseFile, runs: Sequence[CommunityRun]) -> dict[str, Any]:
    """The content of result.json."""
    first = runs[0].setting
    communities = [_community(run) for run in runs]
    controllers = {name: _sum([each["controllers"][name] for each in communities]) for name in CONTROLLERS}
    end_ms = first.starts_ms[-1] + round(first.hours * 3_600_000)
    return {
        "case": case.name,
        "period": {"start": _iso(first.starts_ms[0]), "end": _iso(end_ms), "step_minutes": first.hours * 60},
        "forecast": case.forecast,
        "horizon_h": case.horizon_h,
        "controllers": controllers,
        "captured": _captured(controllers),
        **_captured_co2(controllers),
        "communities": communities,
    }


def _community(run: CommunityRun) -> dict[str, Any]:
    setting = run.setting
    controllers = {name: _controller(setting, run.courses[name]) for name in CONTROLLERS}
    members = members_of(run)
    steps = len(setting.load_kw)
    facts: dict[str, Any] = {
        "id": setting.community.id,
        "metering": setting.community.metering,
        "sites": len(setting.sites),
        "batteries": len(setting.fleet.batteries),
        "controllers": controllers,
        "captured": _captured(controllers),
        **_captured_co2(controllers),
        "members": members,
        "members_worse_than_plain_rule": [
            member["site"] for member in members if member["commonwatt_eur"] > member["plain_rule_eur"] + 0.005
        ],
        "accuracy": _accuracy(run),
        "planning_ms_per_step": round(run.plan_seconds / steps * 1000, 3),
    }
    if setting.community.key is not None:
        facts["sharing"] = {name: sharing_of(setting, run.courses[name]) for name in CONTROLLERS}
    return facts


def _controller(setting: Setting, course: Course) -> dict[str, Any]:
    hours = setting.hours
    imported = float(np.maximum(course.grid_kw, 0).sum() * hours)
    exported = float(np.maximum(-course.grid_kw, 0).sum() * hours)
    load = float((setting.load_kw.sum() + course.hub_kw.sum() + course.task_kw.sum()) * hours)
    pv = float(setting.pv_kw.sum() * hours)
    charged = float(np.maximum(course.battery_kw, 0).sum() * hours)
    discharged = float(np.maximum(-course.battery_kw, 0).sum() * hours)
    peaks = setting.capacity.month_peaks_kw(course.grid_kw, setting.month, hours)
    energy_cost, capacity_cost, wear = costs(setting, course)
    return {
        "cost_eur": round(float((energy_cost + capacity_cost + wear).sum()), 4),
        "energy_cost_eur": round(float(energy_cost.sum()), 4),
        "capacity_cost_eur": round(float(capacity_cost.sum()), 4),
        "wear_eur": round(float(wear.sum()), 4),
        "load_kwh": round(load, 3),
        "pv_kwh": round(pv, 3),
        "import_kwh": round(imported, 3),
        "export_kwh": round(exported, 3),
        "charged_kwh": round(charged, 3),
        "discharged_kwh": round(discharged, 3),
        "losses_kwh": round(charged - discharged - _gained(setting, course), 3),
        "peak_kw": round(float(np.maximum(course.grid_kw.sum(axis=1), 0).max()), 3),
        "month_peaks_kw": [round(float(peak), 3) for peak in peaks.sum(axis=1)],
        "self_consumption": None if pv == 0 else round((pv - exported) / pv, 6),
        "self_sufficiency": None if load == 0 else round((load - imported) / load, 6),
        **_fees(setting, course),
        **_co2(setting, course),
        **_cars(setting, course),
        **({"tasks_kwh": round(float(course.task_kw.sum()) * hours, 3)} if len(setting.tasks) else {}),
    }


def _fees(setting: Setting, course: Course) -> dict[str, float]:
    """What was shared and what the grid asked for it, where a pool has such a fee."""
    if setting.fee_eur_kwh is None:
        return {}
    shared = shared_kw(course.site_grid_kw(setting).T) * setting.hours
    return {
        "shared_kwh": round(float(shared.sum()), 3),
        "grid_fees_eur": round(float((shared * setting.fee_eur_kwh).sum()), 4),
    }


def _co2(setting: Setting, course: Course) -> dict[str, float]:
    """Of imports, where their CO2 is given. What is fed in earns nothing."""
    if setting.co2_kg_kwh is None:
        return {}
    return {"co2_kg": round(float((np.maximum(course.grid_kw, 0) * setting.co2_kg_kwh).sum() * setting.hours), 3)}


def _cars(setting: Setting, course: Course) -> dict[str, float]:
    """What cars asked and got; nothing when there are no chargers."""
    if not setting.hubs:
        return {}
    asked, unmet = float(setting.hubs.asked_kwh.sum()), float(course.unmet_kwh.sum())
    return {"cars_asked_kwh": round(asked, 3), "cars_unmet_kwh": round(unmet, 3)}


def _gained(setting: Setting, course: Course) -> float:
    """Energy in store at the end beyond the start, kWh."""
    if not course.energy_kwh.shape[1]:
        return 0.0
    return float(course.energy_kwh[-1].sum() - setting.start_energy_kwh.sum())


def _accuracy(run: CommunityRun) -> dict[str, float | None]:
    """Load: mean absolute error over the mean; PV: over the highest value. Of the sum over the meters' errors."""
    setting = run.setting
    facts: dict[str, float | None] = {}
    for name, errors in run.accuracy.items():
        load = name.startswith("load")
        scale = setting.load_kw.mean(axis=0).sum() if load else setting.pv_kw.max(axis=0).sum()
        label = f"{name}_{'mae_over_mean' if load else 'nmae'}"
        facts[label] = None if scale == 0 else round(float(np.nansum(errors) / scale), 5)
    return facts


def _captured_co2(controllers: dict[str, Any]) -> dict[str, float | None]:
    """As `captured`, of kg, where every community has them."""
    if any("co2_kg" not in each for each in controllers.values()):
        return {}
    return {"captured_co2": _captured(controllers, "co2_kg")}


def _captured(controllers: dict[str, Any], what: str = "cost_eur") -> float | None:
    rule, steered, perfect = (controllers[name][what] for name in ("plain_rule", "commonwatt", "perfect_foresight"))
    possible = rule - perfect
    return None if abs(possible) < 1e-6 else round((rule - steered) / possible, 5)


_ADDED = (
    "cost_eur",
    "energy_cost_eur",
    "capacity_cost_eur",
    "wear_eur",
    "load_kwh",
    "pv_kwh",
    "import_kwh",
    "export_kwh",
    "charged_kwh",
    "discharged_kwh",
    "losses_kwh",
)


def _sum(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The communities together; `peak_kw` is the largest of theirs, for their meters share no connection."""
    total: dict[str, Any] = {name: round(sum(part[name] for part in parts), 4) for name in _ADDED}
    total["peak_kw"] = max(part["peak_kw"] for part in parts)
    total["month_peaks_kw"] = [
        round(sum(peaks), 3) for peaks in zip(*(part["month_peaks_kw"] for part in parts), strict=True)
    ]
    for name in ("shared_kwh", "grid_fees_eur", "cars_asked_kwh", "cars_unmet_kwh", "tasks_kwh", "co2_kg"):
        if any(name in part for part in parts):
            total[name] = round(sum(part.get(name, 0.0) for part in parts), 4)
    pv, load = total["pv_kwh"], total["load_kwh"]
    total["self_consumption"] = None if pv == 0 else round((pv - total["export_kwh"]) / pv, 6)
    total["self_sufficiency"] = None if load == 0 else round((load - total["import_kwh"]) / load, 6)
    return total


def series_of(runs: Sequence[CommunityRun]) -> bytes:
    """series.parquet: one row per community, meter and step."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.concat_tables([_series(run) for run in runs]), sink, compression="zstd")
    found: bytes = sink.getvalue().to_pybytes()
    return found


def _series(run: CommunityRun) -> pa.Table:
    setting = run.setting
    steps, count = setting.load_kw.shape
    columns: dict[str, pa.Array] = {
        "start": pa.array(np.repeat(np.array(setting.starts_ms), count), pa.timestamp("ms", tz="UTC")),
        "community": pa.array([setting.community.id] * (steps * count)),
        "meter": pa.array(list(setting.meters) * steps),
    }
    series = {
        "load_kw": setting.load_kw,
        "pv_kw": setting.pv_kw,
        "price_eur_kwh": setting.buy_eur_kwh,
        "feed_in_eur_kwh": setting.sell_eur_kwh,
        "expected_net_kw": run.expected_kw,
        "value_eur_kwh": run.value_eur_kwh,
        "peak_target_kw": run.peak_target_kw,
    }
    for name in CONTROLLERS:
        course = run.courses[name]
        series[f"{name}_grid_kw"] = course.grid_kw
        # the house's sign: discharging positive
        series[f"{name}_battery_kw"] = -setting.fleet.each_step_at_meters(course.battery_kw)
        if setting.hubs:
            series[f"{name}_cars_kw"] = setting.cars_at_meters(course.hub_kw)
        if len(setting.tasks):
            series[f"{name}_tasks_kw"] = setting.sites_at_meters(course.task_kw)
        series[f"{name}_stored_kwh"] = setting.fleet.each_step_at_meters(course.energy_kwh)
    for name, values in series.items():
        columns[name] = pa.array(np.ascontiguousarray(values, dtype=np.float64).ravel())
    return pa.table(columns)


def _iso(instant_ms: int) -> str:
    return datetime.fromtimestamp(instant_ms / 1000, UTC).isoformat().replace("+00:00", "Z")
