"""What is used when nothing should be, and meters that cannot all be right."""

from __future__ import annotations

from energy.alerts.facts import Facts
from energy.alerts.rules import MeterMismatch, NightFlow, QuietLoad
from energy.alerts.subjects import NIGHT_FLOW_S, QUIET_S, SOLAR_S, sub_meters
from energy.community import Device, Site
from energy.hours import OpeningHours, within
from energy.names import device_id
from energy.quantities import total

__all__ = ["mismatch_pct", "night_flow", "quiet_load"]

_LEAST_W = 500.0  # small consumptions differ by more than they are
_LITRES = 1000.0
_PICTURE_S = 30.0  # what a site consumes is known no oftener than the live picture is made


def quiet_load(rule: QuietLoad, site: Site, facts: Facts) -> float | None:
    """Mean consumption of the last half hour, W, W/m² or % above what nights usually are; 0 while the building may be busy."""
    timezone = facts.community.timezone
    if rule.when == "closed":
        busy = OpeningHours.parse(site.opening_hours).open_at(facts.now, timezone, margin_s=rule.margin_s)
    else:
        busy = not within(facts.now, timezone, rule.begin, rule.end)
    if busy:
        return 0.0
    stretch = facts.stretch(site.id, "consumption_w", QUIET_S, _interval_s(site))
    if stretch is None:
        return None
    if rule.per == "usual":
        usual_w = facts.nights.get((site.id, rule.begin, rule.end))
        return None if usual_w is None else 100.0 * (stretch.mean - usual_w) / max(usual_w, _LEAST_W)
    return stretch.mean / site.floor_area_m2 if rule.per == "m2" and site.floor_area_m2 else stretch.mean


def night_flow(rule: NightFlow, site: Site, device: Device, facts: Facts) -> float | None:
    """Litres an hour over the last two hours of the night; 0 by day, unknown in the night's first two hours."""
    timezone, begin, end = facts.community.timezone, rule.begin, rule.end
    if not within(facts.now, timezone, begin, end):
        return 0.0
    if not within(facts.now - round(NIGHT_FLOW_S * 1000), timezone, begin, end):
        return None
    stretch = facts.stretch(device_id(site.id, device.id), rule.quantity, NIGHT_FLOW_S, device.interval_s)
    if stretch is None or stretch.last < stretch.first or stretch.seconds <= 0:
        return None
    return (stretch.last - stretch.first) * _LITRES * 3600 / stretch.seconds


def mismatch_pct(rule: MeterMismatch, site: Site, facts: Facts) -> float | None:
    """By how much the sub-meters exceed the site's consumption, %; a consumption below zero is a mismatch in itself."""
    whole = facts.stretch(site.id, "consumption_w", SOLAR_S, _interval_s(site))
    parts = total(_mean_w(site, device, facts) for device in sub_meters(site))
    if whole is None or parts is None:
        return None
    excess_w = parts - whole.mean
    return 100.0 * (abs(excess_w) if rule.complete else max(0.0, excess_w)) / max(whole.mean, _LEAST_W)


def _mean_w(site: Site, device: Device, facts: Facts) -> float | None:
    stretch = facts.stretch(device_id(site.id, device.id), "power_w", SOLAR_S, device.interval_s)
    return None if stretch is None else stretch.mean


def _interval_s(site: Site) -> float:
    return max(_PICTURE_S, *(device.interval_s for device in site.devices))
