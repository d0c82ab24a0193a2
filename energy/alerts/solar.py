"""What an inverter should make: as much of its nameplate power as its neighbours do, under a sun that is up."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final

from energy.alerts.facts import Facts
from energy.alerts.rules import PvShortfall
from energy.alerts.subjects import SOLAR_S
from energy.alerts.windows import Stretch
from energy.community import Device, Site
from energy.names import device_id
from energy.plausibility import sun_elevation_deg
from energy.quantities import Role

__all__ = ["shortfall_pct"]

_LEAST_SHARE: Final = 0.05  # under thick clouds inverters differ too much to be compared
_PERFORMANCE: Final = 0.8  # of nameplate power under 1 kW/m2, losses and heat taken off
_STANDARD_WM2: Final = 1000.0


def shortfall_pct(rule: PvShortfall, site: Site, device: Device, facts: Facts) -> float | None:
    """How much less than expected it made in the last quarter of an hour, %; None when nothing can be expected."""
    name = device_id(site.id, device.id)
    share = _shares(facts).get(name)
    if share is None or name in facts.leased or not _sun_is_up(rule, site, facts):
        return None
    expected = _expected_share(rule, name, facts)
    if expected is None or expected < _LEAST_SHARE:
        return None
    return max(0.0, 100.0 * (1.0 - share / expected))


def _expected_share(rule: PvShortfall, name: str, facts: Facts) -> float | None:
    """Of the nameplate power: the neighbours' median, and not more than a measured irradiance allows."""
    ordered = _ordered(facts)
    neighbours = len(ordered) - 1  # a leased one is not asked about
    bounds = [_median_without(_shares(facts)[name], ordered)] if neighbours >= rule.min_neighbours else []
    sun = _irradiance_shares(facts).values()
    return min([*bounds, median(sun)] if sun else bounds, default=None)


def _ordered(facts: Facts) -> list[float]:
    """The shares of all inverters that no lease curtails, the smallest first."""
    if "pv_ordered" not in facts.memo:
        free = (share for name, share in _shares(facts).items() if name not in facts.leased)
        facts.memo["pv_ordered"] = sorted(free)
    ordered: list[float] = facts.memo["pv_ordered"]
    return ordered


def _median_without(own: float, ordered: Sequence[float]) -> float:
    """The median of the others: sorting them for each of many inverters would cost far more than comparing."""
    gap, count = bisect_left(ordered, own), len(ordered) - 1

    def at(place: int) -> float:
        return ordered[place if place < gap else place + 1]

    return at(count // 2) if count % 2 else (at(count // 2 - 1) + at(count // 2)) / 2


def _shares(facts: Facts) -> Mapping[str, float]:
    """What each inverter made of its nameplate power, worked out once for all that are compared."""
    if "pv_shares" not in facts.memo:
        facts.memo["pv_shares"] = {
            device_id(site.id, device.id): stretch.mean / device.rated_w
            for site in facts.community.sites
            for device in site.devices
            if device.role is Role.PV and device.rated_w is not None and facts.values(site, device)
            if (stretch := _stretch(site, device, "power_w", facts)) is not None
        }
    shares: Mapping[str, float] = facts.memo["pv_shares"]
    return shares


def _irradiance_shares(facts: Facts) -> Mapping[str, float]:
    """What each sensor of the sun lets an inverter make."""
    if "sun_shares" not in facts.memo:
        facts.memo["sun_shares"] = {
            device_id(site.id, device.id): max(0.0, stretch.mean) / _STANDARD_WM2 * _PERFORMANCE
            for site in facts.community.sites
            for device in site.devices
            if (stretch := _stretch(site, device, "irradiance_wm2", facts)) is not None
        }
    shares: Mapping[str, float] = facts.memo["sun_shares"]
    return shares


def _stretch(site: Site, device: Device, quantity: str, facts: Facts) -> Stretch | None:
    return facts.stretch(device_id(site.id, device.id), quantity, SOLAR_S, device.interval_s)


def _sun_is_up(rule: PvShortfall, site: Site, facts: Facts) -> bool:
    """Where the place is not known, what the neighbours make has to tell."""
    if site.latitude is None or site.longitude is None:
        return True
    return sun_elevation_deg(facts.now, site.latitude, site.longitude) >= rule.min_sun_deg
