"""What a back-test's members pay: costs at the meters, bills of a pool's sites, what a key gives whom."""

from __future__ import annotations

from typing import Any

import numpy as np

from cli.backtest.run import CommunityRun, Course, drive_plain_rule
from cli.backtest.setting import Setting, behind_own_meters
from energy.dispatch.members import compensated_bills, pool_bills
from energy.dispatch.program import shared_kw
from energy.dispatch.storage import Floats
from energy.sharing.key import SharingKey
from energy.sharing.settlement import QuarterReadings, Settlement, settle_quarters

__all__ = ["costs", "members_of", "sharing_of"]


def costs(setting: Setting, course: Course) -> tuple[Floats, Floats, Floats]:
    """Energy (with the fees of what a pool shares), capacity and wear per meter, EUR."""
    grid = course.grid_kw
    bought = np.maximum(grid, 0) * setting.buy_eur_kwh
    sold = np.maximum(-grid, 0) * setting.sell_eur_kwh
    energy = (bought - sold).sum(axis=0) * setting.hours
    if setting.fee_eur_kwh is not None:
        energy = energy + float((shared_kw(course.site_grid_kw(setting).T) * setting.fee_eur_kwh).sum() * setting.hours)
    peaks = setting.capacity.month_peaks_kw(grid, setting.month, setting.hours)
    return energy, setting.capacity.cost_eur(peaks), setting.fleet.at_meters(_wear(setting, course))


def _wear(setting: Setting, course: Course) -> Floats:
    """Of each battery, EUR."""
    units = setting.fleet.units
    taken = np.maximum(-course.battery_kw, 0).sum(axis=0) * setting.hours
    return np.asarray(taken / units.discharge_efficiency * units.wear_eur_kwh)


def _bills(setting: Setting, course: Course) -> Floats:
    return np.asarray(sum(costs(setting, course)))


def members_of(run: CommunityRun) -> list[dict[str, Any]]:
    """Bills of each site under the plain rule and commonwatt; docs/dispatch.md says how a pool's saving is split."""
    setting = run.setting
    two = (run.courses["plain_rule"], run.courses["commonwatt"])
    if setting.community.metering == "pooled" and setting.internal_eur_kwh is None:
        alone, traded = _alone(run)
        rule, steered = (pool_bills(alone, traded, float(_bills(setting, course).sum())) for course in two)
        billed = steered
    else:
        bills = _bills if setting.community.metering == "own" else _bills_by_price
        rule, steered = (bills(setting, course) for course in two)
        billed = compensated_bills(rule, steered)
    return [
        {
            "site": site,
            "plain_rule_eur": round(float(rule[place]), 4),
            "commonwatt_eur": round(float(billed[place]), 4),
            "compensation_eur": round(float(billed[place] - steered[place]), 4),
        }
        for place, site in enumerate(setting.sites)
    ]


def _alone(run: CommunityRun) -> tuple[Floats, Floats]:
    """What each site of a pool would pay behind its own meter under the plain rule, and the kWh it would trade."""
    own = behind_own_meters(run.setting)
    course = drive_plain_rule(own)
    return _bills(own, course), np.abs(course.grid_kw).sum(axis=0) * own.hours


def _bills_by_price(setting: Setting, course: Course) -> Floats:
    """Each site pays its supplier for what it did not receive, the others the internal price, and the fee of what it received.

    What the key leaves unshared each buys and sells by itself. A pool's peak is paid by the energy drawn.
    """
    assert setting.internal_eur_kwh is not None
    settled = _settled(setting, course)
    received, given = (energy.astype(np.float64) / 1000 for energy in (settled.received, settled.given))
    grid_kwh = course.site_grid_kw(setting) * setting.hours
    taken, fed = np.maximum(grid_kwh, 0), np.maximum(-grid_kwh, 0)
    fee = np.zeros(len(grid_kwh)) if setting.fee_eur_kwh is None else setting.fee_eur_kwh
    paid = setting.buy_eur_kwh * (taken - received) - setting.sell_eur_kwh * (fed - given)
    between = setting.internal_eur_kwh[:, None] * (received - given) + fee[:, None] * received
    bills = (paid + between).sum(axis=0)
    np.add.at(bills, setting.site_of_battery, _wear(setting, course))
    peaks = setting.capacity.month_peaks_kw(course.grid_kw, setting.month, setting.hours)
    drawn = taken.sum(axis=0)
    parts = drawn / drawn.sum() if drawn.sum() > 0 else np.full(len(drawn), 1 / len(drawn))
    return np.asarray(bills + parts * setting.capacity.cost_eur(peaks).sum())


def _settled(setting: Setting, course: Course) -> Settlement:
    """The community's key, pro rata without one, applied to every interval's injection and withdrawal of the sites."""
    key = setting.community.key or SharingKey.model_validate({"rounds": "prorata"})
    energy_wh = np.rint(course.site_grid_kw(setting) * setting.hours * 1000).astype(np.int64)
    known = np.ones(energy_wh.shape, dtype=bool)
    readings = QuarterReadings(
        points=setting.sites,
        starts=np.array(setting.starts_ms, dtype=np.int64),
        withdrawal=np.maximum(energy_wh, 0),
        withdrawal_known=known,
        injection=np.maximum(-energy_wh, 0),
        injection_known=known,
    )
    return settle_quarters(key, readings, any_interval=True)


def sharing_of(setting: Setting, course: Course) -> dict[str, Any]:
    """What the key gives whom, kWh."""
    settled = _settled(setting, course)
    received, given = settled.received.sum(axis=0), settled.given.sum(axis=0)
    injected = int(np.maximum(-np.rint(course.site_grid_kw(setting) * setting.hours * 1000), 0).sum())
    return {
        "shared_kwh": float(received.sum()) / 1000,
        "sharing_rate": None if injected == 0 else round(float(received.sum()) / injected, 6),
        "received_kwh": {site: float(value) / 1000 for site, value in zip(setting.sites, received, strict=True)},
        "given_kwh": {site: float(value) / 1000 for site, value in zip(setting.sites, given, strict=True)},
    }
